"""Networks that were cut into strips of rows are whole again, and the same to the last bit."""

from __future__ import annotations

from pathlib import Path

from tests.support.exactness import check, check_all
from tests.support.tiled_models import tiled_model
from vww_deploy.compiler import compile_model
from vww_deploy.graph import read_model


def test_strips_become_one_picture() -> None:
    models = []
    for seed in (0, 2, 4, 5, 6, 8):
        model = tiled_model(seed)
        graph = read_model(model.finish())
        assert not {"CONCATENATION", "STRIDED_SLICE"} & {op.kind for op in graph.ops}
        assert f"{model.strips} strips of rows" in graph.notices[0]
        models.append(compile_model(graph, optimize="ram"))
    check_all(models, pictures=2)


def test_strips_of_other_weights_stay_apart() -> None:
    models = [compile_model(tiled_model(seed).finish()) for seed in (3, 7, 11, 15)]
    assert all("CONCATENATION" in {op.kind for op in model.source.ops} for model in models)
    check_all(models, pictures=2)


def test_a_model_cut_up_to_save_memory_needs_less_whole(shared: Path) -> None:
    compiled = compile_model(shared / "models" / "brought" / "presence_320x240_gray.tflite")
    assert len(compiled.graph.ops) == 16
    assert compiled.plan.arena_bytes <= 144_708
    check(compiled, pictures=1, seed=1)
