"""MEAN and REDUCE_MAX over any axes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check, check_all
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model

AXES = [(1,), (2,), (3,), (-1,), (1, 2), (1, 3), (2, 3), (1, 2, 3)]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("kind", ["MEAN", "REDUCE_MAX"])
def test_any_axes(kind: str, axes: tuple[int, ...]) -> None:
    models = []
    for keep in (True, False):
        model = RandomModel(np.random.default_rng(3), 7, 6, 3)
        model.layer(5, 3, 1)
        model.reduce(kind, axes, keep=keep)
        models.append(compile_model(model.finish()))
    check_all(models, pictures=3)


@pytest.mark.parametrize("dtype", ["INT8", "UINT8"])
def test_an_axis_of_one(dtype: str) -> None:
    model = RandomModel(np.random.default_rng(1), 7, 6, 1, dtype)
    model.reduce("MEAN", (3,), keep=True)
    model.conv(kernel=3, stride=1)
    check(compile_model(model.finish()), pictures=2, seed=1)


def test_a_layer_behind_it_and_another_reader_of_what_is_reduced() -> None:
    """Attention over positions: the mean of the channels, scaled, times the map."""
    model = RandomModel(np.random.default_rng(2), 7, 6, 3)
    model.layer(5, 3, 1)
    whole = model.now
    model.reduce("MEAN", (3,), keep=True)
    model.conv(kernel=3, stride=1)
    model.now = whole
    model.reduce("REDUCE_MAX", (1, 2), keep=True)
    model.unary("LOGISTIC")
    check(compile_model(model.finish()), pictures=3, seed=1)
