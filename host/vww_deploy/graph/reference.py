"""What LiteRT's reference kernels (BUILTIN_REF) compute: the truth that host builds and boards are compared with.

LiteRT ends the whole process where one of its own checks fails. So it runs in a process of its own
(:mod:`vww_deploy.graph.reference_child`), which is started once and stays until this program ends.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.ir import Graph, Int8Array
from vww_deploy.tools import logged_start

TRY_TIMEOUT_S: Final = 60.0
"""One picture takes a network of any use some seconds at most."""
_PROGRAM: Final = Path(__file__).with_name("reference_child.py")


class Reference:
    """Runs the model of a graph in LiteRT's reference interpreter.

    >>> reference = Reference(read_model("person.tflite"))       # doctest: +SKIP
    >>> probabilities = reference.run(picture)                    # doctest: +SKIP

    Raises ModelError, from any call, where LiteRT refuses the model or ends itself at it.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._number = next(_numbers)
        with _lock:
            self._load()

    def run(self, picture: npt.NDArray[np.int8]) -> Int8Array:
        """The int8 output, [height, width, channels], for an int8 input [height, width, channels]."""
        output = self._graph.output
        return self._invoke(picture, [output])[output]

    def run_all(self, picture: npt.NDArray[np.int8]) -> Mapping[int, Int8Array]:
        """Every activation by id, [height, width, live channels] int8, the input among them."""
        return self._invoke(picture, self._graph.activations)

    def _load(self) -> None:
        self._process = _process()
        (example,) = self._ask("load", self._graph.tflite)
        self._dtype = example.dtype
        weakref.finalize(self, self._process.forgotten.append, self._number).atexit = False

    def _invoke(self, picture: npt.NDArray[np.int8], wanted: Iterable[int]) -> dict[int, Int8Array]:
        activation = self._graph.input_activation
        if picture.dtype != np.int8 or picture.shape != activation.shape:
            raise DataError(
                f"the model takes int8 {list(activation.shape)}, not {picture.dtype} {list(picture.shape)}",
                hint="resize and quantise the picture as the model card says",
            )
        value: npt.NDArray[np.generic] = picture
        if self._dtype == np.uint8:
            value = (picture.astype(np.int16) + 128).astype(np.uint8)
        elif self._dtype == np.float32:
            quantization = activation.quantization
            real = (picture.astype(np.float32) - quantization.zero_point) * np.float32(quantization.scale)
            value = real.astype(np.float32)
        activations = [self._graph.activations[identity] for identity in wanted]
        with _lock:
            if self._process is not _process():
                self._load()
            tensors = [tensor for one in activations for tensor in one.sources]
            values = iter(self._ask("run", activation.to_file(value).tobytes(), tensors=tensors))
        return {one.id: one.from_file(*itertools.islice(values, len(one.sources))) for one in activations}

    def _ask(self, what: str, content: bytes, **more: Any) -> list[npt.NDArray[np.generic]]:
        with _as_model_error(
            self._graph.name, "No result can be compared with it: convert the model again, or leave the comparison out."
        ):
            return self._process.ask({"do": what, "model": self._number, **more}, content)


def try_out(content: bytes, name: str) -> None:
    """Loads a ``.tflite`` and runs it on zeros, in the process beside this one, with LiteRT's fast kernels.

    What comes through may be given to an interpreter in this process. Raises ModelError, with ``name``, where LiteRT
    refuses the model, ends itself at it or takes longer than :data:`TRY_TIMEOUT_S`.
    """
    with _lock, _as_model_error(name, "Convert the model again."):
        process = _process()
        timer = threading.Timer(TRY_TIMEOUT_S, process.kill)
        timer.start()
        try:
            process.ask({"do": "try"}, content)
        finally:
            timer.cancel()


@contextlib.contextmanager
def _as_model_error(name: str, hint: str) -> Iterator[None]:
    """What the process says, or that it died, as a ModelError."""
    try:
        yield
    except _DiedError as death:
        raise ModelError(
            f"{name}: LiteRT's reference interpreter ended itself at this model ({death})", hint=hint
        ) from death
    except _RefusedError as error:
        raise ModelError(f"{name}: LiteRT refuses this model: {error}", hint="convert the model again") from error


class _DiedError(Exception):
    """The process has ended; the text says how."""


class _RefusedError(Exception):
    """LiteRT's own words."""


class _Process:
    """The program beside this one; one exchange at a time, and the caller holds the lock."""

    def __init__(self) -> None:
        self.parent = os.getpid()
        self.forgotten: list[int] = []
        """Models that nobody can ask for any more."""
        self._said = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - as long as the process
        # -P: nothing is imported from the folder of the program, nor from where this one was started.
        command = [sys.executable, "-P", str(_PROGRAM)]
        logged_start(command)
        # A session of its own: Ctrl-C is for this program, which lets its pipe go when it ends, however it ends.
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, start_new_session=True
        )
        atexit.register(self._stop)

    @property
    def alive(self) -> bool:
        """Whether it can be asked, by this process: a fork has no share in its pipes."""
        return self.parent == os.getpid() and self._popen.poll() is None

    def ask(self, request: dict[str, Any], content: bytes) -> list[npt.NDArray[np.generic]]:
        """Sends a request and its bytes; the arrays that come back."""
        requests, answers = self._popen.stdin, self._popen.stdout
        assert requests is not None and answers is not None
        self._said.truncate(0)
        forgotten = [self.forgotten.pop() for _ in range(len(self.forgotten))]
        head = {**request, "forget": forgotten, "size": len(content)}
        try:
            requests.write(json.dumps(head).encode() + b"\n" + content)
            requests.flush()
            answer = json.loads(answers.readline() or b"null")
            if answer is None:
                raise EOFError
            values = [_array(answers, np.dtype(name), shape) for name, shape in answer.get("values", [])]
        except (OSError, EOFError) as error:
            raise _DiedError(self._death()) from error
        except BaseException:  # half an answer may be left in the pipe
            self._stop()
            raise
        if "error" in answer:
            raise _RefusedError(answer["error"])
        return values

    def kill(self) -> None:
        """Ends it; whoever waits for an answer hears that it died."""
        self._popen.kill()

    def _death(self) -> str:
        self._close()
        code = self._popen.wait()
        self._said.seek(0)
        words = self._said.read()[-2000:].decode(errors="replace").strip().splitlines()
        self._said.close()
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return ": ".join([how, *words[-1:]])

    def _close(self) -> None:
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent cannot be
                    pipe.close()

    def _stop(self) -> None:
        if self.parent == os.getpid():
            self._popen.kill()
            self._popen.wait()
            self._close()
            self._said.close()


def _array(answers: IO[bytes], dtype: np.dtype[Any], shape: list[int]) -> npt.NDArray[np.generic]:
    size = math.prod(shape) * dtype.itemsize
    data = answers.read(size)
    if len(data) < size:
        raise EOFError
    return np.frombuffer(bytearray(data), dtype).reshape(shape)


_lock: Final = threading.RLock()
_numbers: Final = itertools.count()
_running: list[_Process] = []


def _process() -> _Process:
    """The one that runs, or a new one in place of one that has ended."""
    if not _running or not _running[0].alive:
        _running[:] = [_Process()]
    return _running[0]
