"""REDUCE_MAX over height and width: global maximum pooling."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


@pytest.mark.parametrize("keep", [True, False])
def test_the_whole_picture(keep: bool) -> None:
    model = RandomModel(np.random.default_rng(3), 7, 6, 3)
    model.layer(5, 3, 1)
    model.reduce_max(keep=keep)
    check(compile_model(model.finish()), pictures=3, seed=1)
