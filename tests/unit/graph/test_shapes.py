"""Files that contradict themselves: LiteRT works every shape out and reads options of the operator's own type alone.

What is taken here has the shapes that LiteRT gives it, and computes what the file without the edit does.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.support.odd_models import OddModel
from tests.support.tflite_writer import Options, options
from vww_deploy.errors import ModelError
from vww_deploy.graph import read_model
from vww_deploy.graph.tflite_file import load

MAKERS = (
    *("conv", "depthwise", "pool", "add", "pad", "pad_with", "requantize", "unary", "binary", "clip", "concatenate"),
    *("slice", "strided_slice", "split", "split_v", "mirror_pad", "resize", "blocks", "transpose", "softmax_map"),
    *("arg_max", "dense_on_map", "reshape", "tail", "odd_mean", "odd_maximum", "squeezed"),
)


class Tame(OddModel):
    """Scales that no operator is refused for."""

    wild = 0.0


def model_with(maker: str) -> Tame:
    """One operator, or some, on a small picture."""
    model = Tame(np.random.default_rng(7), 6, 4, 4)
    model.requantize()
    getattr(model, maker)()
    return model


def written(model: Tame) -> bytes:
    return model.writer.write([model.input.index], [model.writer.operators[-1][2][0]])


def reshaped(shape: list[int]) -> list[list[int]]:
    """Other shapes, most of as many values."""
    size = math.prod(shape)
    ones = [[1, *shape], [*shape, 1], [n for n in shape if n != 1], [size], [1, size], [size, 1]]
    swapped = [[*shape[:d], shape[d + 1], shape[d], *shape[d + 2 :]] for d in range(len(shape) - 1)]
    halved = [[*shape[:d], size // 2, *shape[d + 1 :]] for d, size in enumerate(shape) if size % 2 == 0]
    moved = [[*shape[:-2], shape[-2] * 2, shape[-1] // 2]] if len(shape) > 1 and shape[-1] % 2 == 0 else []
    return [other for other in (*ones, *swapped, *halved, *moved) if other != shape]


def as_litert(model: bytes) -> Interpreter:
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    return interpreter


@pytest.mark.parametrize("maker", MAKERS)
def test_a_shape_that_litert_does_not_work_out(maker: str) -> None:
    model = model_with(maker)
    assert read_model(written(model)).ops
    for _, _, outputs, _ in model.writer.operators:
        for index in outputs:
            tensor = model.writer.tensors[index]
            shape = tensor["shape"]
            for other in reshaped(shape):
                tensor["shape"] = other
                content = written(model)
                try:
                    graph = read_model(content)
                except ModelError:
                    continue
                file = load(content)
                found = {one["index"]: tuple(one["shape"]) for one in as_litert(content).get_tensor_details()}
                for activation in graph.activations.values():
                    assert found[activation.source] == file.tensors[activation.source].shape, (shape, other)
            tensor["shape"] = shape


def answer(content: bytes) -> np.ndarray:
    interpreter = as_litert(content)
    given = interpreter.get_input_details()[0]
    picture = np.random.default_rng(3).integers(-128, 128, given["shape"]).astype(np.int8)
    interpreter.set_tensor(given["index"], picture)
    interpreter.invoke()
    result: np.ndarray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return result


@pytest.mark.parametrize("wrong", [options("AddOptions", FusedActivationFunction=1), options("LSTMOptions")])
@pytest.mark.parametrize("maker", MAKERS)
def test_options_of_another_operator(maker: str, wrong: Options) -> None:
    model = model_with(maker)
    before = written(model)
    for number, (kind, inputs, outputs, own) in enumerate(model.writer.operators):
        if own is not None and own[0] == wrong[0]:
            continue
        model.writer.operators[number] = kind, inputs, outputs, wrong
        content = written(model)
        model.writer.operators[number] = kind, inputs, outputs, own
        try:
            read_model(content)
        except ModelError:
            continue
        np.testing.assert_array_equal(answer(content), answer(before))


@pytest.mark.parametrize(
    ("maker", "table", "words"),
    [
        ("split", options("SplitOptions", NumSplits=7), "it splits into 7, and has"),
        ("arg_max", options("ArgMaxOptions", OutputType=0), "name no type of whole numbers"),
        ("mirror_pad", options("MirrorPadOptions", Mode=5), "mode 5; REFLECT and SYMMETRIC are known"),
        ("pool", options("Pool2DOptions", Padding=3, StrideH=1, StrideW=1), "padding 3; SAME and VALID are known"),
    ],
)
def test_a_number_that_an_option_cannot_have(maker: str, table: Options, words: str) -> None:
    model = model_with(maker)
    kind, inputs, outputs, _ = model.writer.operators[-1]
    model.writer.operators[-1] = kind, inputs, outputs, table
    with pytest.raises(ModelError, match=words):
        read_model(written(model))
