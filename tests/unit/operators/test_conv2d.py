"""CONV_2D in groups of channels, as ResNeXt and ShuffleNet have it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model


@pytest.mark.parametrize("groups", [2, 4])
def test_groups(groups: int) -> None:
    model = RandomModel(np.random.default_rng(groups), 7, 6, 3)
    model.layer(8, 3, 1)
    model.conv(kernel=3, stride=2, groups=groups)
    model.layer(4, 1, 1)
    compiled = compile_model(model.finish(), optimize="ram")
    source = compiled.source
    weights = [op.parameters for op in source.ops if op.kind == "CONV_2D"]
    assert len(weights) == groups + 2
    check(compiled, pictures=2, seed=1)
