"""The emitted library built for this machine and called from Python: a fast reference, and the compiler's own test."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.compiled import Compiled
from vww_deploy.errors import BuildError, DataError, ToolMissing
from vww_deploy.graph.ir import Int8Array
from vww_deploy.resources import cache_dir
from vww_deploy.scratch import disk_full, environment, scratch_folder
from vww_deploy.tools import logged_start

_FLAGS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=default")
_KEPT_BUILDS = 64


class _Rows(ctypes.Structure):
    """``vww_model_rows`` of the emitted header."""

    _fields_ = (
        ("layer", ctypes.c_int32),
        ("data", ctypes.POINTER(ctypes.c_int8)),
        ("channel_stride", ctypes.c_int32),
        ("row_stride", ctypes.c_int32),
        ("rows", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("row_begin", ctypes.c_int32),
        ("row_end", ctypes.c_int32),
    )


_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(_Rows))


class HostEngine:
    """A compiled model as a shared library of this machine (portable kernels), bit-exact with the reference.

    >>> engine = HostEngine(compile_model("person.tflite"))       # doctest: +SKIP
    >>> output = engine.run(picture)                               # doctest: +SKIP

    Not for use from several threads: the library has one arena. Raises ToolMissing without g++, BuildError when the
    library does not build.
    """

    def __init__(self, compiled: Compiled, *, extra_flags: Sequence[str] = ()) -> None:
        self.compiled = compiled
        # A private copy: the loader would share the arena of a library that is open already.
        built = _build(compiled.files, (*_FLAGS, *extra_flags))
        with scratch_folder() as folder:
            copy = shutil.copy(built, folder / built.name)
            self._library = ctypes.CDLL(str(copy))
        self._library.vww_model_input.restype = ctypes.POINTER(ctypes.c_int8)
        self._library.vww_model_output.restype = ctypes.POINTER(ctypes.c_int8)
        graph = compiled.graph
        self._input_shape = graph.input_activation.shape
        self._output_shape = graph.output_activation.shape

    def run(self, picture: npt.NDArray[np.int8]) -> Int8Array:
        """The int8 output, [height, width, channels], for an int8 picture [height, width, channels]."""
        self._load(picture)
        self._library.vww_model_invoke()
        return self._output()

    def run_batch(self, pictures: npt.NDArray[np.int8]) -> Int8Array:
        """Outputs [n, height, width, channels] int8 for pictures [n, height, width, channels] int8."""
        return np.stack([self.run(picture) for picture in pictures])

    def run_layers(self, picture: npt.NDArray[np.int8]) -> list[Int8Array]:
        """Every layer's output, int8 [height, width, channels], in the order of ``compiled.layers``."""
        outputs = [np.zeros(layer.activation.shape, np.int8) for layer in self.compiled.layers]
        seen = [np.zeros(layer.activation.height, np.int64) for layer in self.compiled.layers]

        def hook(_context: object, pointer: ctypes._Pointer[_Rows]) -> None:
            rows = pointer.contents
            base = ctypes.addressof(rows.data.contents)
            reach = (rows.channels - 1) * rows.channel_stride + (rows.rows - 1) * rows.row_stride + rows.width
            memory = np.ctypeslib.as_array((ctypes.c_int8 * reach).from_address(base))
            for y in range(rows.row_begin, rows.row_end):
                start = (y % rows.rows) * rows.row_stride
                view = np.lib.stride_tricks.as_strided(
                    memory[start:], (rows.width, rows.channels), (1, rows.channel_stride)
                )
                outputs[rows.layer][y] = view.reshape(outputs[rows.layer][y].shape)
                seen[rows.layer][y] += 1

        self._load(picture)
        self._library.vww_model_invoke_hooked(_HOOK(hook), None)
        for layer, times in zip(self.compiled.layers, seen, strict=True):
            if not np.all(times == 1):
                raise BuildError(f"layer {layer.index} '{layer.name}' was not reported once for every row: {times}")
        return outputs

    def _load(self, picture: npt.NDArray[np.int8]) -> None:
        if picture.dtype != np.int8 or picture.shape != self._input_shape:
            raise DataError(
                f"the model takes int8 {list(self._input_shape)}, not {picture.dtype} {list(picture.shape)}"
            )
        data = np.ascontiguousarray(picture)
        ctypes.memmove(self._library.vww_model_input(), data.ctypes.data, data.size)

    def _output(self) -> Int8Array:
        size = int(np.prod(self._output_shape))
        pointer = self._library.vww_model_output()
        return np.frombuffer(ctypes.string_at(pointer, size), np.int8).reshape(self._output_shape)


def _build(files: Mapping[str, str], flags: Sequence[str]) -> Path:
    """A shared library of the files, from the cache where it was built before.

    Objects are cached one by one: the kernels are the same for every model.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise ToolMissing("no C++ compiler on this machine (g++ or clang++)", hint="apt install g++")
    folder = cache_dir() / "host-engine"
    target = folder / f"{_key(compiler, *flags, *(text for item in sorted(files.items()) for text in item))}.so"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    headers = [text for name, text in sorted(files.items()) if name.endswith(".h") and "vww_nn/" in name]
    with scratch_folder() as root:
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        objects = []
        for name in sorted(files):
            if not name.endswith(".cpp"):
                continue
            is_kernel = "vww_nn/" in name
            output = folder / f"{_key(compiler, *flags, *headers, files[name])}.o" if is_kernel else root / "model.o"
            if not output.exists():
                command = [compiler, *flags, "-c", f"-I{root / 'src'}", str(root / name), "-o"]
                _compile(command, output, compiler, root)
            objects.append(str(output))
        _compile([compiler, "-shared", *flags, *objects, "-o"], target, compiler, root)
    _forget_old_builds(folder)
    return target


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _compile(command: Sequence[str], output: Path, compiler: str, scratch: Path) -> None:
    """Runs a compiler; its output appears whole or not at all, whoever else builds the same."""
    partial = scratch / "unfinished"
    whole = [*command, str(partial)]
    logged_start(whole)
    done = subprocess.run(whole, capture_output=True, text=True, check=False, env=environment(scratch))
    if "No space left on device" in done.stderr:
        raise disk_full(scratch)
    if done.returncode:
        raise BuildError(f"the emitted library does not build with {compiler}:\n{done.stderr[-4000:]}")
    partial.replace(output)


def _forget_old_builds(folder: Path) -> None:
    for suffix in ("*.so", "*.o"):
        builds = sorted(folder.glob(suffix), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in builds[_KEPT_BUILDS:]:
            path.unlink(missing_ok=True)
