"""Model files of other forms: the model in them is found, or they are called what they are, with what to do."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.support.random_models import random_model
from tests.support.tflite_writer import ModelWriter, options
from vww_deploy.errors import ModelError
from vww_deploy.graph.model import Model
from vww_deploy.graph.model_file import arrays, tflite_bytes
from vww_deploy.graph.reader import read_model

MODEL = random_model(3)


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def as_source(content: bytes, form: str = "0x{:02x}") -> bytes:
    numbers = ", ".join(form.format(value) for value in content)
    return f"""#include "model.h"
// const unsigned char old[] = {{1, 2}};
alignas(16) const unsigned char g_model[] DATA_ALIGN = {{
  {numbers}, /* the end */
}};
const int g_model_len = {len(content)};
static const float scales[2] = {{0.5f, 1.0f}};
""".encode()


@pytest.mark.parametrize("ending", [".cc", ".h", ".cpp", ".ino", ".c"])
@pytest.mark.parametrize("form", ["0x{:02x}", "{}", "0x{:02X}"])
def test_a_c_array_is_the_model_that_it_holds(tmp_path: Path, ending: str, form: str) -> None:
    path = tmp_path / f"person{ending}"
    path.write_bytes(as_source(MODEL, form))
    assert tflite_bytes(path) == MODEL
    assert arrays(as_source(MODEL, form)) == {"g_model": MODEL}


def test_a_zip_with_one_model_is_that_model_and_its_labels(tmp_path: Path) -> None:
    channels = Model.load(_written(tmp_path / "m.tflite", MODEL)).outputs.channels
    names = [f"thing {i}" for i in range(max(2, channels))]
    path = _written(
        tmp_path / "converted.zip", zipped({"model.tflite": MODEL, "labels.txt": "\n".join(names).encode()})
    )
    loaded = Model.load(path)
    assert loaded.sha256 == Model.load(tmp_path / "m.tflite").sha256
    assert loaded.outputs.labels == tuple(names)


def test_a_library_in_a_zip_may_hold_the_model_as_a_c_array(tmp_path: Path) -> None:
    files = {"lib/src/edge-impulse-sdk/x.h": b"int x;" * 20, "lib/src/tflite-model/trained.cpp": as_source(MODEL)}
    assert tflite_bytes(_written(tmp_path / "library.zip", zipped(files))) == MODEL


OTHERS = {
    "pointer.tflite": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n",
        "Git LFS pointer",
        "git lfs pull",
    ),
    "page.tflite": (b"\n<!DOCTYPE html><html></html>", "web page", "Download raw file"),
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "Keras model", "vww-deploy quantize"),
    "model.keras": (zipped({"config.json": b"{}", "model.weights.h5": b""}), "Keras model", "vww-deploy quantize"),
    "model.onnx": (b"\x08\x07\x12\x07pytorch", "ONNX model", "onnx2tf"),
    "model.pt": (zipped({"archive/data.pkl": b""}), "PyTorch model", "ONNX"),
    "two.zip": (zipped({"a.tflite": MODEL, "b.tflite": MODEL + b"x"}), "holds 2 models", "name the int8 one"),
    "eon.zip": (zipped({"src/edge-impulse-sdk/a.h": b"int x;"}), "EON", "TensorFlow Lite engine"),
    "js.zip": (zipped({"model.json": b"{}", "weights.bin": b""}), "TensorFlow.js", "Quantized"),
    "photos.zip": (zipped({"a.jpg": b"x"}), "zip without a .tflite", "a.jpg"),
    "cut.zip": (zipped({"a.tflite": MODEL})[:200], "damaged zip", "again"),
    "empty.cc": (b"int main() { return 0; }", "holds no .tflite", "C array"),
    "cut.tflite": (MODEL[: len(MODEL) // 2], "damaged .tflite file, perhaps cut off", "again"),
    "other.tflite": (b"\x89PNG\r\n\x1a\n" * 9, "not a .tflite file", "again"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_anything_else_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    content, what, advice = OTHERS[name]
    with pytest.raises(ModelError) as caught:
        read_model(_written(tmp_path / name, content))
    assert what in caught.value.message
    assert advice in caught.value.hint


def test_a_saved_model_and_another_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        Model.load(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match="a TensorFlow SavedModel") as caught:
        Model.load(tmp_path)
    assert caught.value.hint.startswith("Make it an int8 model: vww-deploy quantize ")
    with pytest.raises(ModelError, match="the name of the model is empty"):
        Model.load("")


def convolution(activations: str, weights: str) -> bytes:
    """One convolution whose activations and weights have these types; float16 weights come through a DEQUANTIZE."""
    w = ModelWriter()
    scale = None if activations == "FLOAT32" else 0.5
    picture = w.tensor([1, 4, 4, 1], dtype=activations, scale=scale)
    kernel = w.tensor([1, 1, 1, 1], dtype=weights, scale=0.5 if weights == "INT8" else None, data=np.ones((1, 1, 1, 1)))
    if weights == "FLOAT16":
        narrow, kernel = kernel, w.tensor([1, 1, 1, 1], dtype="FLOAT32")
        w.op("DEQUANTIZE", [narrow], [kernel])
    result = w.tensor([1, 4, 4, 1], dtype=activations, scale=scale)
    w.op("CONV_2D", [picture, kernel], [result], options("Conv2DOptions", StrideH=1, StrideW=1, Padding=0))
    return w.write([picture], [result])


@pytest.mark.parametrize(
    ("activations", "weights", "what"),
    [
        ("FLOAT32", "FLOAT32", "a float model"),
        ("FLOAT32", "FLOAT16", "a float16 model"),
        ("FLOAT32", "INT8", "a dynamic-range quantised model"),
        ("INT16", "INT8", "a 16x8 model"),
    ],
)
def test_a_model_that_is_not_full_int8_is_called_by_its_form(
    tmp_path: Path, activations: str, weights: str, what: str
) -> None:
    with pytest.raises(ModelError, match=what) as caught:
        read_model(_written(tmp_path / "a model.tflite", convolution(activations, weights)))
    assert "quantize" in caught.value.hint
    assert activations == "INT16" or "model.tflite' PICTURES/ -o 'a model_int8.tflite'" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "what", "advice"), [("edgetpu-custom-op", "Edge TPU", "_edgetpu"), ("ethos-u", "Vela", "_vela")]
)
def test_a_model_compiled_for_an_accelerator_is_named(code: str, what: str, advice: str) -> None:
    w = ModelWriter()
    picture, result = w.tensor([1, 4, 4, 1], scale=0.5), w.tensor([1, 4, 4, 1], scale=0.5)
    w.op("CUSTOM", [picture], [result])
    with pytest.raises(ModelError, match=what) as caught:
        read_model(w.write([picture], [result], custom_code=code))
    assert advice in caught.value.hint
    with pytest.raises(ModelError, match=what):
        read_model(w.write([picture], [result, picture], custom_code=code))


def test_a_model_of_which_some_layers_are_float() -> None:
    w = ModelWriter()
    table = options("Conv2DOptions", StrideH=1, StrideW=1, Padding=0)
    tensors = [w.tensor([1, 4, 4, 1], dtype=dtype, scale=0.5) for dtype in ("FLOAT32", "FLOAT32", "INT8", "INT8")]
    for dtype, (source, result) in (("FLOAT32", tensors[:2]), ("INT8", tensors[2:])):
        kernel = w.tensor([1, 1, 1, 1], dtype=dtype, scale=0.5, data=np.ones((1, 1, 1, 1)))
        w.op("CONV_2D", [source, kernel], [result], table)
        if dtype == "FLOAT32":
            w.op("QUANTIZE", [tensors[1]], [tensors[2]])
    with pytest.raises(ModelError, match="1 of 2 layers with weights compute in floating point") as caught:
        read_model(w.write([tensors[0]], [tensors[3]]))
    assert "TFLITE_BUILTINS_INT8" in caught.value.hint


def test_a_picture_of_rank_3_is_gray() -> None:
    w = ModelWriter()
    picture = w.tensor([1, 6, 5], scale=0.5)
    shape = w.tensor([4], dtype="INT32", data=np.array([1, 6, 5, 1]))
    wide, result = w.tensor([1, 6, 5, 1], scale=0.5), w.tensor([1, 6, 5, 1], scale=1 / 256, zero_point=-128)
    w.op("RESHAPE", [picture, shape], [wide])
    w.op("LOGISTIC", [wide], [result])
    assert read_model(w.write([picture], [result])).input_activation.shape == (6, 5, 1)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
