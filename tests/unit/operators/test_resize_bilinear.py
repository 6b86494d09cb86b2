"""RESIZE_BILINEAR, in each of the ways to count pixels."""

from __future__ import annotations

import numpy as np

from tests.support.exactness import check, check_all
from tests.support.random_models import RandomModel
from tests.support.tflite_writer import options
from vww_deploy.compiler import compile_model


def test_larger_and_smaller() -> None:
    models = []
    for seed in range(8):
        model = RandomModel(np.random.default_rng(seed), 6, 8, 2)
        model.resize("RESIZE_BILINEAR")
        models.append(compile_model(model.finish()))
    check_all(models, pictures=2)


def test_twice_as_large_streams() -> None:
    model = RandomModel(np.random.default_rng(1), 16, 16, 1)
    model.layer(4, 3, 1)
    table = options("ResizeBilinearOptions", HalfPixelCenters=True)
    model.moved("RESIZE_BILINEAR", (1, 32, 32, 4), [np.array([32, 32])], table)
    model.layer(3, 3, 2)
    compiled = compile_model(model.finish(), optimize="ram")
    assert compiled.plan.arena_bytes < 32 * 32 * 4
    check(compiled, pictures=2, seed=1)
