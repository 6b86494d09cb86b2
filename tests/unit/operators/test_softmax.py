"""SOFTMAX over the channels of a map, as FOMO ends."""

from __future__ import annotations

import numpy as np

from tests.support.exactness import check
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


def test_a_map_of_cells() -> None:
    for seed in range(4):
        model = RandomModel(np.random.default_rng(seed), 9, 8, 3)
        model.layer(2, 3, 2)
        model.now.scale = max(model.now.scale, 0.01)
        model.softmax_map()
        compiled = compile_model(model.finish())
        assert compiled.graph.output_activation.shape == (5, 4, 2)
        check(compiled, pictures=3, seed=seed)
