"""What the reader believes of a file is what LiteRT believes of it: operators, tensors, constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.support.random_models import random_model
from tests.support.tflite_writer import ModelWriter, options
from vww_deploy.graph import tflite_file

SHARED = Path(__file__).parents[4] / "shared"
BROUGHT = sorted(
    path
    for folder in ("models", "models/brought", "models/pretrained", "cases")
    for path in (SHARED / folder).glob("*.tflite")
)


def compare(content: bytes) -> None:
    """Every operator, tensor and constant of a file as the reader has it beside LiteRT's own account."""
    file = tflite_file.load(content)
    interpreter = Interpreter(model_content=file.content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    theirs = interpreter._get_ops_details()
    assert [op.kind for op in file.operators] == [op["op_name"] for op in theirs]
    assert [list(op.inputs) for op in file.operators] == [list(op["inputs"]) for op in theirs]
    assert [list(op.outputs) for op in file.operators] == [list(op["outputs"]) for op in theirs]
    assert list(file.inputs) == [one["index"] for one in interpreter.get_input_details()]
    assert list(file.outputs) == [one["index"] for one in interpreter.get_output_details()]
    described = {one["index"]: one for one in interpreter.get_tensor_details()}
    for tensor in file.tensors:
        if tensor.index in described:
            compare_tensor(tensor, described[tensor.index], interpreter)


def compare_tensor(tensor: tflite_file.FileTensor, theirs: dict[str, Any], interpreter: Interpreter) -> None:
    quantization = theirs["quantization_parameters"]
    assert tensor.name == theirs["name"] or not theirs["name"]
    assert tensor.dtype == np.dtype(theirs["dtype"]).name.upper()
    assert list(tensor.shape) == list(theirs["shape"])
    assert tensor.scales.tolist() == quantization["scales"].tolist()
    assert tensor.zero_points.tolist() == quantization["zero_points"].tolist()
    if tensor.scales.size:
        assert tensor.axis == quantization["quantized_dimension"]
    assert tensor.sparse == bool(theirs["sparsity_parameters"])
    if tensor.data is not None:
        assert np.array_equal(
            tensor.data, interpreter.get_tensor(tensor.index), equal_nan=tensor.data.dtype.kind == "f"
        )


@pytest.mark.parametrize("seed", range(12))
def test_random_models_are_read_as_litert_reads_them(seed: int) -> None:
    compare(random_model(seed))


@pytest.mark.skipif(not BROUGHT, reason="the folder shared/ with other people's models is not here")
@pytest.mark.parametrize("path", BROUGHT, ids=lambda path: path.stem)
def test_brought_models_are_read_as_litert_reads_them(path: Path) -> None:
    compare(path.read_bytes())


def product(code_fields: str) -> bytes:
    """A model whose one operator multiplies its input with itself."""
    w = ModelWriter()
    picture = w.tensor([1, 4, 4, 1], scale=0.5)
    squared = w.tensor([1, 4, 4, 1], scale=0.25)
    w.op("MUL", [picture, picture], [squared], options("MulOptions", FusedActivationFunction=0))
    return w.write([picture], [squared], code_fields=code_fields)


@pytest.mark.parametrize("code_fields", ["both", "old", "new"])
def test_an_operator_is_the_larger_of_both_code_fields(code_fields: str) -> None:
    compare(product(code_fields))
    assert [op.kind for op in tflite_file.load(product(code_fields)).operators] == ["MUL"]


def test_buffer_0_is_no_constant_whatever_it_holds() -> None:
    w = ModelWriter()
    picture = w.tensor([1, 2, 2, 1], scale=0.5)
    twice = w.tensor([1, 2, 2, 1], scale=0.5)
    w.op("ADD", [picture, picture], [twice])
    content = w.write([picture], [twice], first_buffer=np.arange(4, dtype=np.int8))
    assert [tensor.data for tensor in tflite_file.load(content).tensors] == [None, None]
    compare(content)
