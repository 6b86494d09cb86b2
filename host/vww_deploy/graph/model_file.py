"""The file that somebody has as a model: the ``.tflite`` in it, or what it is instead and what to do.

A ``.tflite`` may come as it is, as a C array in a source file, or in a zip (a Teachable Machine download, an Edge
Impulse export).
"""

from __future__ import annotations

import io
import re
import shlex
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

from vww_deploy.errors import ModelError
from vww_deploy.files import check_file

MAX_BYTES: Final = 64 << 20
"""Far above anything a microcontroller could hold; keeps a wrong file from being read at length."""

MARK: Final = b"TFL3"
"""What a ``.tflite`` has at byte 4."""
_SOURCES: Final = (".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".ino")
_ARRAY: Final = re.compile(r"(\w+)\s*\[[^\]]*\][^={};]*=\s*\{([^{}]*)\}")
_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_FETCH: Final = "Convert the model again, or fetch the file again."
_QUANTIZE: Final = "Make it an int8 model: vww-deploy quantize {} PICTURES/ -o model.tflite"
_ONNX: Final = "onnx2tf, then quantize what that writes: see docs/models.md."


def tflite_bytes(path: Path) -> bytes:
    """The ``.tflite`` that a file is or holds.

    Raises:
        ModelError: it cannot be read, is something else, or holds none or several.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            raise ModelError(f"{path} is a TensorFlow SavedModel", hint=_QUANTIZE.format(shlex.quote(str(path))))
        raise ModelError(f"{path} is a folder", hint="Give the .tflite file in it.")
    try:
        check_file(path)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path}: {size:,} bytes is far beyond any microcontroller", hint="Train a smaller model.")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read: {error.strerror or error}", hint="Give the path of a .tflite file."
        ) from error
    return _unwrapped(content, str(path), path.suffix.lower())


def _unwrapped(content: bytes, where: str, suffix: str) -> bytes:
    if not content:
        raise ModelError(f"{where}: the file is empty", hint=_FETCH)
    if content[4:8] == MARK:
        return content
    if content.startswith(b"PK\3\4"):
        return _from_zip(content, where)
    if suffix in _SOURCES or suffix == ".txt":
        found = arrays(content)
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise ModelError(
                f"{where} holds {len(found)} models: {', '.join(found)}", hint="Leave one of them in a file of its own."
            )
        if suffix in _SOURCES:
            raise ModelError(
                f"{where} holds no .tflite: no array of bytes with TFL3 at its byte 4",
                hint="A model as a C array looks so: const unsigned char g_model[] = {0x1c, 0, 0, 0, 0x54, ...}; "
                "many projects keep the numbers in a file beside this one.",
            )
    raise _something_else(content, where, suffix)


def arrays(source: bytes) -> dict[str, bytes]:
    """The models among the arrays of a C source file, by their names."""
    text = _COMMENT.sub(" ", source.decode("utf-8", errors="replace"))
    found = {}
    for match in _ARRAY.finditer(text):
        try:
            values = [int(word, 0) & 0xFF for word in match[2].replace(",", " ").split()]
        except ValueError:
            continue
        content = bytes(values)
        if content[4:8] == MARK:
            found[match[1]] = content
    return found


def _from_zip(content: bytes, where: str) -> bytes:
    """The one model in a zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [one for one in archive.infolist() if not one.is_dir() and one.file_size <= MAX_BYTES]
            names = [one.filename for one in members]
            plain = [one for one in members if one.filename.lower().endswith((".tflite", ".lite"))]
            found = {one.filename: archive.read(one) for one in plain}
            if not found:
                sources = [one for one in members if one.filename.lower().endswith(_SOURCES)]
                for one in sources:
                    if one.file_size > 64:
                        found |= {f"{one.filename}: {k}": v for k, v in arrays(archive.read(one)).items()}
    except Exception as error:  # a damaged zip makes zipfile raise anything
        raise ModelError(f"{where}: a damaged zip: {error}", hint=_FETCH) from error
    if len(set(found.values())) > 1:
        raise ModelError(
            f"{where} holds {len(found)} models: {', '.join(sorted(found))}",
            hint="Unpack it and name the int8 one.",
        )
    if found:
        name, model = next(iter(found.items()))
        return _unwrapped(model, f"{where}: {name}", PurePosixPath(name).suffix)
    leaves = {PurePosixPath(name).name for name in names}
    if "config.json" in leaves and "model.weights.h5" in leaves:
        raise ModelError(f"{where} is a Keras model", hint=_QUANTIZE.format(shlex.quote(where)))
    if "data.pkl" in leaves:
        raise ModelError(f"{where} is a PyTorch model", hint=f"Export it to ONNX and convert that with {_ONNX}")
    if any("_compiled.cpp" in name or "edge-impulse-sdk" in name for name in names):
        raise ModelError(
            f"{where} is an Edge Impulse export whose model is compiled already (EON), so there is no .tflite in it",
            hint="Download the int8 .tflite under Dashboard, Download block output; or build the export with the "
            "TensorFlow Lite engine instead of EON.",
        )
    if "model.json" in leaves:
        raise ModelError(
            f"{where} is a TensorFlow.js model",
            hint="In Teachable Machine choose Tensorflow Lite, Quantized; the zip that it gives can be read.",
        )
    raise ModelError(f"{where} is a zip without a .tflite", hint=f"It holds: {', '.join(sorted(leaves)[:6])}.")


def _something_else(content: bytes, where: str, suffix: str) -> ModelError:
    head = content[:512].lstrip().lower()
    if content.startswith(b"version https://git-lfs"):
        return ModelError(
            f"{where} is a Git LFS pointer, not the model: the text that stands for it in a repository",
            hint="In the repository run: git lfs install && git lfs pull. Or download the file itself from its page.",
        )
    if content.startswith(b"\x89HDF"):
        return ModelError(f"{where} is a Keras model", hint=_QUANTIZE.format(shlex.quote(where)))
    if suffix == ".onnx":
        return ModelError(
            f"{where} is an ONNX model",
            hint=f"Convert it with {_ONNX}",
        )
    if suffix in (".pt", ".pth") or content.startswith(b"\x80\2"):
        return ModelError(f"{where} is a PyTorch model", hint=f"Export it to ONNX and convert that with {_ONNX}")
    if head.startswith((b"<!doctype", b"<html")):
        return ModelError(
            f"{where} is a web page, not the model", hint="Take the file itself, on GitHub under Download raw file."
        )
    if suffix == ".pb":
        return ModelError(
            f"{where} is a TensorFlow graph", hint="Give the SavedModel's folder: vww-deploy quantize FOLDER PICTURES/"
        )
    return ModelError(f"{where}: not a .tflite file (no TFL3 mark at byte 4)", hint=_FETCH)
