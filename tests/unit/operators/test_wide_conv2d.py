"""uint8 models of TensorFlow 1: weights with a zero point, means that round half up."""

from __future__ import annotations

import numpy as np

from tests.support.exactness import check, check_all
from tests.support.random_models import RandomModel, unsigned_model
from vww_deploy.compiler import compile_model
from vww_deploy.graph import Reference, read_model
from vww_deploy.graph.operators.wide_conv2d import WideConv2D


def test_random_models() -> None:
    models = [compile_model(unsigned_model(seed), optimize="ram" if seed % 2 else "speed") for seed in range(8)]
    check_all(models, pictures=2)


def test_weights_that_need_more_than_8_bits() -> None:
    model = RandomModel(np.random.default_rng(3), 8, 7, 3, "UINT8")
    for _ in range(6):
        model.conv(kernel=3, stride=1)
        model.depthwise()
    compiled = compile_model(model.finish())
    kinds = {op.kind for op in compiled.graph.ops if isinstance(op, WideConv2D)}
    assert kinds == {"CONV_2D", "DEPTHWISE_CONV_2D"}
    check(compiled, pictures=2, seed=1)


def test_logistic_of_every_value() -> None:
    every = np.arange(-128, 128).astype(np.int8).reshape(16, 16, 1)
    for seed in range(10):
        model = RandomModel(np.random.default_rng(seed), 16, 16, 1, "UINT8")
        model.unary("LOGISTIC")
        graph = read_model(model.finish())
        table = graph.ops[0].tables[0]  # type: ignore[attr-defined]
        np.testing.assert_array_equal(Reference(graph).run(every).ravel(), table)
