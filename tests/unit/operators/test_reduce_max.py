"""REDUCE_MAX over height and width: global maximum pooling."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check
from tests.support.random_models import RandomModel
from tests.support.tflite_writer import options
from vww_deploy.compiler import compile_model


@pytest.mark.parametrize("keep", [True, False])
def test_the_whole_picture(keep: bool) -> None:
    model = RandomModel(np.random.default_rng(3), 7, 6, 3)
    model.layer(5, 3, 1)
    source = model.now
    out = model.output((1, 1, 1, 5) if keep else (1, 5), source.scale, source.zero_point)
    axes = model.writer.tensor((2,), dtype="INT32", data=np.array([1, 2]))
    table = options("ReducerOptions", KeepDims=keep)
    model.writer.op("REDUCE_MAX", [source.index, axes], [out.index], table)
    check(compile_model(model.finish()), pictures=3, seed=1)
