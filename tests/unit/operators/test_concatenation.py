"""CONCATENATION over rows, columns and channels, as Inception and DenseNet have it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check_all
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_branches_are_joined(axis: int) -> None:
    models = []
    for seed in range(4):
        model = RandomModel(np.random.default_rng(seed), 8, 7, 3)
        model.layer(3, 3, 1)
        model.concatenate(axis)
        model.separable(6, 2)
        models.append(compile_model(model.finish(), optimize="ram"))
    check_all(models, pictures=3)
