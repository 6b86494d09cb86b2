"""From a float network to full int8: per-channel weights, int8 in and out, and what that costs.

Every source becomes a float ``.tflite`` first and is quantised from there, so one path serves Keras models,
SavedModels and ``.tflite`` files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.reference import try_out
from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.training.float_form import as_float32, checked_tflite
from vww_deploy.training.interpret import PixelRange, Pixels, open_interpreter, real_values, show, to_real
from vww_deploy.training.mobilenet import require_tensorflow
from vww_deploy.training.rounding import centre_logits, equalise, settle


@dataclass(frozen=True)
class LayerNoise:
    """How far quantisation moves one layer's output: signal to noise in dB (more is better)."""

    name: str
    operator: str
    snr_db: float


def float_tflite(source: Any, *, size: tuple[int, int] | None = None) -> bytes:
    """A float ``.tflite`` of a Keras model, a ``.keras`` or ``.h5`` file, a SavedModel folder or a float ``.tflite``.

    Args:
        source: the model, or where it is.
        size: height and width, for a model that takes any.

    Raises:
        ModelError: it is none of these, or cannot be converted.
    """
    tf = require_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        if isinstance(source, Path):
            if source.suffix == ".tflite":
                content = as_float32(checked_tflite(source))
                check_float(content, source)
                return content
            if source.is_dir():
                return bytes(tf.lite.TFLiteConverter.from_saved_model(str(source)).convert())
            source = load_keras(source)
        height, width, channels = source.input_shape[1:]
        if size is not None:
            height, width = size
        if height is None or width is None:
            raise ModelError(
                f"{source.name} takes any size",
                hint="Give it a fixed input size before it is saved, or say --size to quantize.",
            )
        # A batch of exactly one: a free batch leaves shape arithmetic in the file.
        call = tf.function(lambda x: source(x, training=False))
        one = call.get_concrete_function(tf.TensorSpec([1, height, width, channels], tf.float32))
        frozen = convert_variables_to_constants_v2(one)
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())
    except OSError as error:
        raise ModelError(
            f"{source} cannot be read: {error}", hint="Give a .keras, .h5, SavedModel or .tflite."
        ) from error
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(f"{source} cannot be converted: {reason}", hint="It must map pictures to classes.") from error


def load_keras(path: Path) -> Any:
    """A Keras model; one that Keras 2 wrote has a key of depthwise layers that Keras 3 does not know.

    Raises:
        ModelError: it is none.
    """
    tf = require_tensorflow()

    class WithoutGroups(tf.keras.layers.DepthwiseConv2D):  # type: ignore[misc,name-defined]
        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            return super().from_config({key: value for key, value in config.items() if key != "groups"})

    known = {"DepthwiseConv2D": WithoutGroups}
    try:
        return tf.keras.models.load_model(path, compile=False, custom_objects=known)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{path} cannot be read as a Keras model: {reason}",
            hint="It must hold the whole model, not its weights alone, and no layers of your own.",
        ) from error


def quantise(
    float_model: bytes, representative: Pixels, *, like: bytes | None = None, pixel_range: PixelRange = None
) -> bytes:
    """Full int8: per-channel weights, activations by the range that representative pictures give, int8 edges.

    Without a ``pixel_range`` the int8 input is the pixel minus 128 (scale 1/128, zero point 0): networks are trained
    here on ``(pixel - 128) / 128``.
    The classifier's biases are corrected for rounding (:func:`vww_deploy.training.rounding.settle`).

    Args:
        float_model: a float ``.tflite``, best one that :func:`ease` has seen.
        representative: uint8 ``[N, height, width, channels]``, some hundred.
        like: the float ``.tflite`` whose answers are to be met, if that is another: one before fine-tuning.
        pixel_range: the real numbers that pixel 0 and pixel 255 are to the network.

    Raises:
        ModelError: the model cannot be quantised.
        DataError: no pictures, or pictures of another shape.
    """
    tf = require_tensorflow()
    from tensorflow.lite.python.optimize import calibrator

    wanted = open_interpreter(float_model).get_input_details()[0]["shape"][1:]
    if not len(representative) or tuple(representative.shape[1:]) != tuple(wanted):
        raise DataError(
            f"representative pictures are {list(representative.shape)}, the model takes {list(wanted)}",
            hint="resize them as the model card says",
        )
    # The ends of the range must be seen: they give the input its scale, 1/128 as a rule.
    ends = np.stack([np.zeros(wanted, np.uint8), np.full(wanted, 255, np.uint8)])

    def pictures() -> Iterator[list[npt.NDArray[np.float32]]]:
        for pixels in (*ends, *representative):
            yield [to_real(pixels[None], pixel_range)]

    try:
        rough = bytes(
            calibrator.Calibrator(float_model).calibrate_and_quantize(
                pictures, tf.int8, tf.int8, False, tf.int8, bias_type=tf.int32
            )
        )
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"the model cannot be quantised: {error}") from error
    try_out(rough, "the model as int8")
    return settle(rough, like or float_model, representative, pixel_range)


def ease(float_model: bytes, pictures: Pixels, pixel_range: PixelRange = None) -> bytes:
    """The same float ``.tflite`` as int8 holds it better; pictures, uint8 ``[N, h, w, c]``, show its ranges."""
    return equalise(centre_logits(float_model), pictures, pixel_range)


def predict_tflite(
    model: bytes, pixels: Pixels, pixel_range: PixelRange = None, outputs: OutputSpec | None = None
) -> npt.NDArray[np.float32]:
    """P(person), float32 ``[N]``, by LiteRT's fast kernels, for a float or int8 ``.tflite``; uint8 ``[N, h, w, c]``.

    ``outputs`` says what the model ends in; without it, in (no person, person), as probabilities or as logits.
    Quick rather than exact: at int8 the fast kernels differ from the reference in single steps of 1/256.
    """
    interpreter = open_interpreter(model)
    output = interpreter.get_output_details()[0]
    ending = [kind for kind in operators_of(model) if kind not in ("DELEGATE", "DEQUANTIZE", "QUANTIZE", "RESHAPE")]
    real = replace(
        outputs or OutputSpec(), scale=1.0, zero_point=0, probabilities=ending[-1] in ("SOFTMAX", "LOGISTIC")
    )
    said = np.empty(len(pixels), np.float32)
    for index, one in enumerate(pixels):
        show(interpreter, one, pixel_range)
        said[index] = real.p_person(real_values(interpreter, output))
    return said


def layer_noise(
    float_model: bytes, int8_model: bytes, pixels: Pixels, pixel_range: PixelRange = None
) -> list[LayerNoise]:
    """Signal to noise of every layer's output, int8 against float, over some pictures; the noisiest first."""
    exact, rough = open_interpreter(float_model, keep_all=True), open_interpreter(int8_model, keep_all=True)
    names = {one["name"]: one for one in exact.get_tensor_details()}
    pairs = []
    logits = {int(one["inputs"][0]) for one in rough._get_ops_details() if one["op_name"] == "SOFTMAX"}
    for operator in rough._get_ops_details():
        if operator["op_name"] == "DELEGATE":
            continue
        for index in operator["outputs"]:
            own = next(one for one in rough.get_tensor_details() if one["index"] == index)
            other = names.get(own["name"])
            if other is not None and other["dtype"] == np.float32 and tuple(other["shape"]) == tuple(own["shape"]):
                pairs.append((own, other, operator["op_name"]))
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    for one in pixels:
        for interpreter in (exact, rough):
            show(interpreter, one, pixel_range)
        for number, (own, other, _) in enumerate(pairs):
            truth, computed = real_values(exact, other), real_values(rough, own)
            if own["index"] in logits:  # what a softmax does not see is no noise
                truth, computed = (one - one.mean(axis=-1, keepdims=True) for one in (truth, computed))
            signal[number] += np.sum(truth**2)
            noise[number] += np.sum((truth - computed) ** 2)
    figures = [
        LayerNoise(own["name"], kind, round(10 * math.log10(max(s, 1e-12) / max(n, 1e-12)), 2))
        for (own, _, kind), s, n in zip(pairs, signal, noise, strict=True)
    ]
    return sorted(figures, key=lambda layer: layer.snr_db)


def check_float(content: bytes, path: Path) -> None:
    """Raise ModelError unless a ``.tflite`` is a float one with one picture input."""
    try_out(content, str(path))
    try:
        given = open_interpreter(content).get_input_details()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if len(given) != 1 or given[0]["dtype"] != np.float32 or len(given[0]["shape"]) != 4:
        raise ModelError(f"{path} is no float picture network", hint="Quantise the float model that it was made from.")


def sample(pictures: Pixels, count: int, seed: int) -> Pixels:
    """Some of the pictures, drawn at random without repetition."""
    chosen = np.random.default_rng(seed).permutation(len(pictures))[:count]
    return pictures[np.sort(chosen)]


def operators_of(model: bytes) -> Iterable[str]:
    """The operators of a ``.tflite`` in their order."""
    return [str(one["op_name"]) for one in open_interpreter(model)._get_ops_details()]
