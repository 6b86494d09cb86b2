"""Constant-channel folding: what goes, what stays, and that the ranges behind it hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.random_models import RandomModel, random_model
from tests.support.tflite_writer import options
from vww_deploy.compiler.folding import fold_constant_channels
from vww_deploy.compiler.passes import convolutions_only
from vww_deploy.errors import ModelError
from vww_deploy.graph import Graph, Reference, read_model


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_ranges_hold(seed: int) -> None:
    graph = read_model(random_model(seed, dead_channels=True))
    try:
        reference = Reference(graph)
    except ModelError:
        return  # scales that LiteRT refuses
    ranges = graph.ranges()
    random = np.random.default_rng(seed)
    for picture in (
        random.integers(-128, 128, graph.input_activation.shape).astype(np.int8),
        np.full(graph.input_activation.shape, -128, np.int8),
        np.full(graph.input_activation.shape, 127, np.int8),
    ):
        for identity, values in reference.run_all(picture).items():
            assert (values >= ranges[identity].low).all()
            assert (values <= ranges[identity].high).all()


def chain(*, padding: int, value: int) -> Graph:
    """conv 1x1 (channel 1 is the constant `value`) -> depthwise 3x3 -> conv 1x1; zero point -128 between them."""
    model = RandomModel(np.random.default_rng(3), 6, 6, 2)
    writer = model.writer
    scale = model.now.scale
    first = writer.tensor((3, 1, 1, 2), scale=1.0, data=np.array([[3, 5], [0, 0], [-2, 7]]).reshape(3, 1, 1, 2))
    bias = writer.tensor((3,), dtype="INT32", scale=scale, data=np.array([0, value, 0]))
    source, middle = model.now, model.output((1, 6, 6, 3), scale, -128)
    fields = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    table = options("Conv2DOptions", Padding=1, FusedActivationFunction=1, **fields)
    writer.op("CONV_2D", [source.index, first, bias], [middle.index], table)
    weights = writer.tensor((1, 3, 3, 3), scale=1 / 64, data=np.arange(27).reshape(1, 3, 3, 3) - 9, axis=3)
    size = 6 if padding == 0 else 4
    out = model.output((1, size, size, 3), scale, -128)
    table = options("DepthwiseConv2DOptions", Padding=padding, DepthMultiplier=1, FusedActivationFunction=1, **fields)
    writer.op("DEPTHWISE_CONV_2D", [middle.index, weights], [out.index], table)
    last = writer.tensor((2, 1, 1, 3), scale=1 / 8, data=np.array([[1, 2, 3], [4, 5, 6]]).reshape(2, 1, 1, 3))
    zero = writer.tensor((2,), dtype="INT32", scale=scale / 8, data=np.array([10, -20]))
    end = model.output((1, size, size, 2), scale, -20)
    table = options("Conv2DOptions", Padding=1, FusedActivationFunction=0, **fields)
    writer.op("CONV_2D", [out.index, last, zero], [end.index], table)
    return read_model(model.finish())


def live_channels(graph: Graph) -> list[int]:
    return [graph.activations[op.output].channels for op in graph.ops]


def test_a_constant_channel_goes_with_its_depthwise_layer() -> None:
    folded = fold_constant_channels(chain(padding=1, value=40))
    assert live_channels(folded) == [2, 2, 2]
    assert folded.activations[folded.ops[0].output].live == (0, 2)
    assert folded.macs < chain(padding=1, value=40).macs


def test_a_constant_that_weighs_differently_at_the_border_stays() -> None:
    """SAME padding is the zero point (-128), the channel is not: its depthwise output depends on the position."""
    assert live_channels(fold_constant_channels(chain(padding=0, value=40))) == [3, 3, 2]


def test_a_constant_equal_to_the_zero_point_goes_whatever_the_padding() -> None:
    assert live_channels(fold_constant_channels(chain(padding=0, value=0))) == [2, 2, 2]


def test_nothing_to_fold_changes_nothing(mobilenet: bytes) -> None:
    graph = convolutions_only(read_model(mobilenet))
    folded = fold_constant_channels(graph)
    assert folded.macs <= graph.macs
    assert folded.activations[folded.output] == graph.activations[graph.output]
