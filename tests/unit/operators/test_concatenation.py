"""CONCATENATION over the channels, as Inception and DenseNet have it."""

from __future__ import annotations

import numpy as np

from tests.support.exactness import check
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


def test_branches_are_joined() -> None:
    for seed in range(4):
        model = RandomModel(np.random.default_rng(seed), 8, 7, 3)
        model.layer(4, 3, 1)
        model.concatenate()
        model.separable(6, 2)
        check(compile_model(model.finish(), optimize="ram"), pictures=3, seed=seed)
