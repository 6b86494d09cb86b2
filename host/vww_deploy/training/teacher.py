"""A teacher: a stronger network that says, for every augmented picture, how likely a person is in it."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import ModelError, VwwError
from vww_deploy.training.augment import luma
from vww_deploy.training.float_form import checked_tflite
from vww_deploy.training.mobilenet import require_tensorflow, silent_stderr
from vww_deploy.training.quantize import float_tflite


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of a batch of pictures."""

    logits: npt.NDArray[np.float32]
    """log(P(person) / P(no person)), ``[N]``."""
    gray_logits: npt.NDArray[np.float32]
    """The same of the pictures without their colour, ``[N]``: what a network that sees gray can hope to tell."""
    maps: tuple[npt.NDArray[np.float16], ...]
    """Its inner maps, ``[N, h, w, c]``, large to small: the last linear one of each of the three smallest sizes."""


class Teacher:
    """A network of two outputs (no person, person) with float edges, for pictures in -1..1 of one channel or three.

    A ``.tflite`` file, or a Keras model or SavedModel, which is converted.

    Its outputs are logits unless they are probabilities already (non-negative, summing to 1). One with a fixed batch
    inside (a flattening, say) is asked about one picture at a time.

    Raises:
        ModelError: it can't be read, or is no two-class picture network with float edges.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        require_tensorflow()
        from tensorflow.lite.tools import flatbuffer_utils

        try:
            is_tflite = path.suffix == ".tflite"
            content = checked_tflite(path) if is_tflite else float_tflite(path)
            self.sha256 = hashlib.sha256(content).hexdigest()
            model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
            maps = _linear_maps(model)
            graph = model.subgraphs[0]
            graph.outputs = [*list(graph.outputs)[:1], *maps]
            for signature in model.signatureDefs or []:
                signature.outputs = signature.outputs[:1]
            content = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
            self._open = partial(_interpreter, content, threads)
            self._own = threading.local()
        except VwwError:
            raise
        except Exception as error:  # a damaged flatbuffer makes the reader raise anything
            raise ModelError(
                f"teacher {path} cannot be read: {error}", hint="name a .tflite with float edges"
            ) from error
        self._input = self._interpreter.get_input_details()[0]
        outputs = {int(one["index"]): one for one in self._interpreter.get_output_details()}
        self._output = outputs.pop(int(graph.outputs[0]))
        self._maps = [outputs[index] for index in maps]
        shape, out = [int(n) for n in self._input["shape"]], [int(n) for n in self._output["shape"]]
        if len(shape) != 4 or shape[3] not in (1, 3) or out[-1] != 2 or int(np.prod(out)) != 2:
            raise ModelError(
                f"teacher {path} maps {shape} to {out}; a teacher maps [1, H, W, 1 or 3] to [1, 2]",
                hint="use a two-class picture network (no person, person)",
            )
        if self._input["dtype"] is not np.float32 or self._output["dtype"] is not np.float32:
            raise ModelError(f"teacher {path} has no float32 input and output", hint="convert it with float edges")
        self.height, self.width, self.channels = shape[1:]
        self._one_by_one = not self._takes_two()

    @property
    def _interpreter(self) -> Any:
        """The calling thread's own interpreter: one serves one thread."""
        if not hasattr(self._own, "interpreter"):
            self._own.interpreter, self._own.batch = self._open(), 0
        return self._own.interpreter

    def _takes_two(self) -> bool:
        try:
            answers = self._logits(np.zeros((2, self.height, self.width, self.channels), np.float32))
        except (RuntimeError, ValueError):
            del self._own.interpreter  # a failed one is of no use any more
            return False
        return len(answers) == 2

    def __call__(self, pictures: npt.NDArray[np.float32]) -> Lesson:
        """What the teacher says of pictures, float32 ``[N, h, w, 3]`` in 0..255; they are resized here."""
        if self._one_by_one:
            lessons = [self._lesson(pictures[i : i + 1]) for i in range(len(pictures))]
            maps = zip(*(one.maps for one in lessons), strict=True)
            return Lesson(
                np.concatenate([one.logits for one in lessons]),
                np.concatenate([one.gray_logits for one in lessons]),
                tuple(np.concatenate(one) for one in maps),
            )
        return self._lesson(pictures)

    def _lesson(self, pictures: npt.NDArray[np.float32]) -> Lesson:
        tf = require_tensorflow()
        x = tf.image.resize(pictures, [self.height, self.width], "bilinear", antialias=True) / 127.5 - 1.0
        gray = luma(x)
        if self.channels == 1:
            gray_logits = logits = self._logits(gray.numpy())
        else:
            gray_logits = self._logits(tf.repeat(gray, 3, axis=-1).numpy())
            logits = self._logits(x.numpy())  # last: the inner maps are then those of colour
        return Lesson(logits, gray_logits, tuple(self._map(one) for one in self._maps))

    def _logits(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        interpreter = self._interpreter
        if len(x) != self._own.batch:
            self._own.batch = len(x)
            interpreter.resize_tensor_input(self._input["index"], x.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(self._input["index"], x)
        interpreter.invoke()
        out = interpreter.get_tensor(self._output["index"]).reshape(-1, 2)
        if out.min() >= 0 and np.allclose(out.sum(axis=1), 1, atol=0.02):
            out = np.log(np.maximum(out, 1e-6))
        return np.asarray(out[:, 1] - out[:, 0], np.float32)

    def _map(self, details: dict[str, Any]) -> npt.NDArray[np.float16]:
        values = self._interpreter.get_tensor(details["index"])
        if details["dtype"] is not np.float32:
            scale, zero_point = details["quantization"]
            values = (values.astype(np.float32) - zero_point) * scale
        return np.asarray(values, np.float16)


class Ensemble:
    """Several teachers, each asked about a picture and its mirror image; the answers are averaged.

    Networks that err differently are right more often together (Hinton, Vinyals and Dean 2015).

    Args:
        teachers: at least one; the inner maps are the first one's.
    """

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self._teachers = tuple(teachers)
        self.sha256 = tuple(one.sha256 for one in self._teachers)

    def __call__(self, pictures: npt.NDArray[np.float32]) -> Lesson:
        """The average log odds, and the first teacher's maps, of pictures, float32 ``[N, h, w, 3]`` in 0..255."""
        seen = [one(pictures) for one in self._teachers]
        both = [*seen, *(one(pictures[:, :, ::-1]) for one in self._teachers)]
        return Lesson(
            np.mean([one.logits for one in both], axis=0),
            np.mean([one.gray_logits for one in both], axis=0),
            seen[0].maps,
        )


def _interpreter(content: bytes, threads: int) -> Any:
    tf = require_tensorflow()
    with warnings.catch_warnings(), silent_stderr():
        warnings.simplefilter("ignore")  # TensorFlow advertises LiteRT here, whose interpreter is the same
        interpreter = tf.lite.Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    return interpreter


def _linear_maps(model: Any, sizes: int = 3) -> list[int]:
    """The last convolution or sum without activation of each of the smallest picture sizes, from large to small."""
    from tensorflow.lite.python import schema_py_generated as schema

    graph = model.subgraphs[0]
    last: dict[tuple[int, int], int] = {}
    for operator in graph.operators:
        options = operator.builtinOptions
        if not isinstance(options, schema.Conv2DOptionsT | schema.AddOptionsT):
            continue
        shape = graph.tensors[operator.outputs[0]].shape
        if options.fusedActivationFunction == 0 and len(shape) == 4 and min(shape[1:3]) > 1:
            last[int(shape[1]), int(shape[2])] = int(operator.outputs[0])
    return [index for _, index in sorted(last.items(), reverse=True)][-sizes:]
