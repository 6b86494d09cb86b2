"""Networks that were cut into strips of rows are whole again, and the same to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.exactness import check
from tests.support.tiled_models import tiled_model
from vww_deploy.compiler import compile_model
from vww_deploy.graph import read_model


@pytest.mark.parametrize("seed", [0, 2, 4, 5, 6, 8])
def test_strips_become_one_picture(seed: int) -> None:
    model = tiled_model(seed)
    content = model.finish()
    graph = read_model(content)
    assert not {"CONCATENATION", "STRIDED_SLICE"} & {op.kind for op in graph.ops}
    assert f"{model.strips} strips of rows" in graph.notices[0]
    check(compile_model(content, optimize="ram"), pictures=2, seed=seed)


@pytest.mark.parametrize("seed", [3, 7, 11, 15])
def test_strips_of_other_weights_stay_apart(seed: int) -> None:
    content = tiled_model(seed).finish()
    assert "CONCATENATION" in {op.kind for op in read_model(content).ops}
    check(compile_model(content), pictures=2, seed=seed)


def test_a_model_cut_up_to_save_memory_needs_less_whole(shared: Path) -> None:
    compiled = compile_model(shared / "models" / "brought" / "presence_320x240_gray.tflite")
    assert len(compiled.graph.ops) == 16
    assert compiled.plan.arena_bytes <= 144_708
    check(compiled, pictures=1, seed=1)
