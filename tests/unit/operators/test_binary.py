"""MUL, SUB, PRELU and ADD with constants and with broadcasting."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "PRELU"])
def test_constants_of_every_shape(kind: str) -> None:
    for shape in ((3,), (1, 1, 5, 3), (6, 1, 1), (1, 6, 5, 1), (1, 6, 5, 3)):
        model = RandomModel(np.random.default_rng(4), 6, 5, 3)
        model.pointwise()
        model.conv(kernel=1, stride=1)
        _, h, w, c = model.now.shape
        model.binary(kind, tuple({6: h, 5: w, 3: c}.get(n, n) for n in shape))
        check(compile_model(model.finish()), pictures=3, seed=2)


def test_squeeze_and_excite() -> None:
    for seed in range(4):
        model = RandomModel(np.random.default_rng(seed), 7, 6, 3)
        model.conv(kernel=3, stride=1)
        model.excite()
        check(compile_model(model.finish(), optimize="ram"), pictures=3, seed=seed)


def test_a_constant_less_a_tensor() -> None:
    """As `1 - x` is; both orders come up in the seeds."""
    for seed in range(8):
        model = RandomModel(np.random.default_rng(seed), 5, 4, 3)
        model.binary("SUB", (3,))
        check(compile_model(model.finish()), pictures=2, seed=seed)
