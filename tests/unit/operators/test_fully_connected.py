"""FULLY_CONNECTED at each position of a map, as Edge Impulse exports it."""

from __future__ import annotations

import numpy as np

from tests.support.exactness import check
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


def test_a_dense_layer_at_each_position() -> None:
    for channels in (1, 3):
        model = RandomModel(np.random.default_rng(channels), 4, 3, channels)
        model.dense_on_map()
        model.tail()
        check(compile_model(model.finish()), pictures=3, seed=1)
