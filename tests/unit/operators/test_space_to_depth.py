"""SPACE_TO_DEPTH and DEPTH_TO_SPACE."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


@pytest.mark.parametrize("optimize", ["speed", "ram"])
def test_there_and_back(optimize: str) -> None:
    model = RandomModel(np.random.default_rng(1), 12, 8, 3)
    model.blocks("SPACE_TO_DEPTH")
    model.layer(8, 3, 1)
    model.blocks("DEPTH_TO_SPACE")
    model.layer(3, 3, 2)
    check(compile_model(model.finish(), optimize=optimize), pictures=2, seed=1)  # type: ignore[arg-type]
