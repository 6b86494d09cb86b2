"""Operators on single values: every int8 value, over many scales."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check, check_all
from tests.support.random_models import UNARY, RandomModel
from vww_deploy.compiler import compile_model
from vww_deploy.graph import Reference, read_model


@pytest.mark.parametrize("kind", UNARY)
def test_every_value(kind: str) -> None:
    every = np.arange(-128, 128).astype(np.int8).reshape(16, 16, 1)
    for seed in range(20):
        model = RandomModel(np.random.default_rng(seed), 16, 16, 1)
        model.unary(kind)
        graph = read_model(model.finish())
        table = graph.ops[0].tables[0]  # type: ignore[attr-defined]
        np.testing.assert_array_equal(Reference(graph).run(every).ravel(), table)


@pytest.mark.parametrize("dtype", ["INT8", "UINT8"])
@pytest.mark.parametrize("kind", ["MINIMUM", "MAXIMUM"])
def test_clipping_with_a_constant_on_either_side(kind: str, dtype: str) -> None:
    models = []
    for seed in range(4):
        model = RandomModel(np.random.default_rng(seed), 6, 5, 3, dtype)
        model.clip(kind)
        model.conv(kernel=1, stride=1)
        models.append(compile_model(model.finish()))
    check_all(models, pictures=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_preprocessing_inside_the_model_is_one_table(channels: int) -> None:
    """Rescaling: a product and a sum at the input, in place in what the host sent."""
    model = RandomModel(np.random.default_rng(2), 8, 9, channels)
    model.binary("MUL", ())
    model.binary("SUB", ())
    model.conv(kernel=3, stride=2)
    compiled = compile_model(model.finish())
    assert [op.kind for op in compiled.graph.ops if op.kind != "COPY"] == ["SUB", "CONV_2D"]
    places, first = compiled.plan.places, compiled.graph.ops[0]
    assert places[first.output].offset == places[first.inputs[0]].offset
    check(compiled, pictures=3, seed=1)
