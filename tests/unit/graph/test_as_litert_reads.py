"""What the reader believes of a file is what LiteRT reads in it: operators, tensors, quantisation and constants.

LiteRT shows no options; those are held by results that are the same to the last bit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.support.random_models import RandomModel, moved_model, random_model, varied_model
from vww_deploy.errors import ModelError
from vww_deploy.graph.tflite_file import TfliteFile, load
from vww_deploy.resources import models_dir


def check_file(file: TfliteFile) -> None:
    """Compares everything that LiteRT's interpreter shows of a file."""
    litert = Interpreter(
        model_content=file.content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    assert [one["index"] for one in litert.get_input_details()] == list(file.inputs)
    assert [one["index"] for one in litert.get_output_details()] == list(file.outputs)
    operators = litert._get_ops_details()
    # Delegates and LiteRT itself may append operators; the file's come first.
    for ours, theirs in zip(file.operators, operators, strict=False):
        assert theirs["op_name"] == ours.kind
        assert tuple(theirs["inputs"]) == ours.inputs, ours.kind
        assert tuple(theirs["outputs"]) == ours.outputs, ours.kind
    assert len(operators) >= len(file.operators)
    litert.allocate_tensors()
    for details in litert.get_tensor_details():
        if details["index"] >= len(file.tensors):
            continue  # temporary
        check_tensor(file, details, litert)


def check_tensor(file: TfliteFile, details: dict[str, object], litert: Interpreter) -> None:
    tensor = file.tensors[int(str(details["index"]))]
    name = f"{tensor.index} '{tensor.name}'"
    assert tuple(np.asarray(details["shape"]).tolist()) == tensor.shape, name
    assert np.dtype(details["dtype"]).name.upper() == tensor.dtype, name  # type: ignore[call-overload]
    quantization = details["quantization_parameters"]
    assert isinstance(quantization, dict)
    np.testing.assert_array_equal(quantization["scales"], tensor.scales, err_msg=name)
    np.testing.assert_array_equal(quantization["zero_points"], tensor.zero_points, err_msg=name)
    if tensor.scales.size > 1:
        assert quantization["quantized_dimension"] == tensor.axis, name
    if tensor.data is not None:
        np.testing.assert_array_equal(litert.get_tensor(tensor.index), tensor.data, err_msg=name)


def check_or_refused(file: TfliteFile) -> None:
    """Random scales now and then make a model that LiteRT itself refuses."""
    try:
        check_file(file)
    except (RuntimeError, ValueError) as error:
        pytest.skip(f"LiteRT refuses it: {error}")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("model", [random_model, varied_model, moved_model])
def test_models_made_here(model: object, seed: int) -> None:
    check_or_refused(load(model(seed)))  # type: ignore[operator]


@pytest.mark.parametrize("code_fields", ["both", "new", "old"])
def test_operator_codes_in_either_field(code_fields: str) -> None:
    model = RandomModel(np.random.default_rng(1), 6, 5, 3)
    model.binary("MUL", (3,))
    model.strided_slice()
    model.pad()
    content = model.writer.write([model.input.index], [model.now.index], code_fields=code_fields)
    check_file(load(content))


@pytest.mark.parametrize("path", sorted(models_dir().glob("*.tflite")), ids=lambda path: path.stem)
def test_shipped_models(path: Path) -> None:
    check_file(load(path))


def test_models_that_people_bring(shared: Path) -> None:
    files = [*sorted((shared / "models").rglob("*.tflite")), *sorted((shared / "cases").glob("*.tflite"))]
    assert len(files) > 15
    for path in files:
        try:
            file = load(path)
        except ModelError:
            continue
        check_file(file)
