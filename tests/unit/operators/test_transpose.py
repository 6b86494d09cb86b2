"""TRANSPOSE where an operator needs the values in their own order, as a PyTorch model's flattening does."""

from __future__ import annotations

import itertools

import numpy as np

from tests.support.exactness import check_all
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


def test_every_order() -> None:
    models = []
    for order in itertools.permutations((1, 2, 3)):
        model = RandomModel(np.random.default_rng(1), 5, 4, 3)
        model.layer(3, 3, 1)
        shape = tuple(model.now.shape[d] for d in (0, *order))
        model.moved("TRANSPOSE", shape, [np.array((0, *order))], None)
        model.layer(3, 3, 1)
        model.tail()
        models.append(compile_model(model.finish()))
    check_all(models, pictures=2)
