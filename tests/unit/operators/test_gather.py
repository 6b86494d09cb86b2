"""SLICE, STRIDED_SLICE, SPLIT, MIRROR_PAD and RESIZE_NEAREST_NEIGHBOR: what picks rows, columns and channels."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check, check_all
from tests.support.random_models import RandomModel
from tests.support.tflite_writer import options
from vww_deploy.compiler import compile_model
from vww_deploy.errors import ModelError
from vww_deploy.graph import read_model


@pytest.mark.parametrize("kind", ["slice", "strided_slice", "split", "mirror_pad", "resize", "pad_with"])
def test_alone_and_between_convolutions(kind: str) -> None:
    models = []
    for seed in range(6):
        model = RandomModel(np.random.default_rng(seed), 7, 6, 3)
        if seed % 2:
            model.layer(4, 3, 1)
        getattr(model, kind)()
        if seed > 2:
            model.layer(5, 3, 2)
        models.append(compile_model(model.finish(), optimize="ram" if seed % 2 else "speed"))
    check_all(models, pictures=2)


def test_rows_stream_where_they_are_picked_evenly() -> None:
    """An enlarged picture never exists as a whole."""
    model = RandomModel(np.random.default_rng(1), 24, 24, 1)
    model.layer(4, 3, 1)
    table = options("ResizeNearestNeighborOptions", AlignCorners=False)
    model.moved("RESIZE_NEAREST_NEIGHBOR", (1, 48, 48, 4), [np.array([48, 48])], table)
    model.layer(3, 3, 2)
    compiled = compile_model(model.finish(), optimize="ram")
    assert any(segment.is_band for segment in compiled.plan.segments)
    assert compiled.plan.arena_bytes < 48 * 48 * 4
    check(compiled, pictures=2, seed=1)


@pytest.mark.parametrize("size", [(1, 9, 4, 3), (1, 0, 4, 3), (1, 5, 4, 2)])
def test_a_slice_beyond_its_input_or_unlike_its_output(size: tuple[int, ...]) -> None:
    model = RandomModel(np.random.default_rng(1), 7, 6, 3)
    model.moved("SLICE", (1, 5, 4, 3), [np.array([0, 1, 1, 0]), np.array(size)], None)
    model.layer(3, 3, 1)
    with pytest.raises(ModelError, match="1 operator"):
        read_model(model.finish())
