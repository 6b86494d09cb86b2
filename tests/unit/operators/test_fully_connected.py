"""FULLY_CONNECTED at each position of a map, as Edge Impulse exports it."""

from __future__ import annotations

import numpy as np

from tests.support.exactness import check, check_all
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


def test_a_dense_layer_at_each_position() -> None:
    models = []
    for channels in (1, 3):
        model = RandomModel(np.random.default_rng(channels), 4, 3, channels)
        model.dense_on_map()
        model.tail()
        models.append(compile_model(model.finish()))
    check_all(models, pictures=3)


def test_uint8_is_scaled_with_one_rounding() -> None:
    """Of these 150 values, two roundings would make one another."""
    model = RandomModel(np.random.default_rng(1), 6, 5, 3, "UINT8")
    model.conv(kernel=1, stride=1)
    model.dense_on_map()
    check(compile_model(model.finish()), pictures=2, seed=1)
