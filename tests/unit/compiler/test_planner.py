"""Memory plans: nothing overlaps that is needed at the same time, and the least RAM is found."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.exactness import check
from tests.support.random_models import RandomModel, random_model, small_mobilenet
from tests.support.tiled_models import tall_model
from vww_deploy.compiler import Compiled, compile_model, planner
from vww_deploy.compiler.cost import CostModel
from vww_deploy.compiler.plan import Choice, make_plan
from vww_deploy.compiler.planner import SPEED_LOSS
from vww_deploy.compiler.schedule import LayerOrder


def check_plan(compiled: Compiled) -> None:
    plan, graph = compiled.plan, compiled.graph
    for t in range(len(plan.calls)):
        live = sorted((s.offset + s.low[t], s.offset + s.high[t]) for s in plan.storages if s.high[t] > s.low[t])
        for (_, end), (begin, _) in itertools.pairwise(live):
            assert end <= begin
        assert live[-1][1] <= plan.arena_bytes
    for index, op in enumerate(graph.ops):
        rows = [(c.row_begin, c.row_end) for c in plan.calls if c.layer == index]
        assert sorted(y for begin, end in rows for y in range(begin, end)) == list(
            range(graph.activations[op.output].height)
        )


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_random_models(seed: int) -> None:
    check_plan(compile_model(random_model(seed), optimize="ram"))


def test_streaming_saves_ram() -> None:
    compiled = compile_model(small_mobilenet(channels=3), optimize="ram")
    check_plan(compiled)
    scratch = {i: kernel.scratch_bytes for i, kernel in compiled.kernels.items()}
    plain = make_plan(LayerOrder(compiled.graph), Choice(), scratch, effort=20)
    assert plain is not None
    assert compiled.plan.arena_bytes < plain.arena_bytes


def test_speed_is_kept_within_its_limit(mobilenet: bytes) -> None:
    compiled = compile_model(mobilenet, optimize="speed")
    plan = compiled.plan
    by_rows = frozenset(
        t for t, place in plan.places.items() if place.layout.value == "rows" and t != compiled.graph.input
    )
    bands = tuple(s for s in plan.segments if s.is_band)
    assert CostModel(compiled.graph).slowdown(Choice(bands, by_rows)) <= SPEED_LOSS


def test_rings_that_are_filled_slowly_need_less() -> None:
    compiled = compile_model(tall_model(1), optimize="ram")
    check_plan(compiled)
    assert any(segment.lead for segment in compiled.plan.segments)
    at_once = tuple(dataclasses.replace(s, lead=0) for s in compiled.plan.segments if s.is_band)
    scratch = {i: kernel.scratch_bytes for i, kernel in compiled.kernels.items()}
    by_rows = frozenset(t for s in compiled.plan.segments if s.is_band for t in [compiled.graph.ops[s.end - 1].output])
    plan = make_plan(LayerOrder(compiled.graph), Choice(at_once, by_rows), scratch, effort=20)
    assert plan is not None
    assert compiled.plan.arena_bytes < plan.arena_bytes


def test_one_band_after_the_other_follows_a_large_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    model = RandomModel(np.random.default_rng(3), 64, 48, 1)
    for channels, stride in ((8, 2), (8, 1), (4, 2), (24, 1), (4, 2), (16, 1)):
        model.layer(channels, 3, stride)
    compiled = compile_model(model.finish(), optimize="ram")
    check_plan(compiled)
    check(compiled, pictures=2, seed=1)
    first, second = compiled.plan.segments[:2]
    assert (first.is_band, second.is_band) == (True, True)
    assert compiled.plan.places[compiled.graph.ops[first.end - 1].output].layout.value == "rows"
    monkeypatch.setattr(planner, "_cascades", lambda layers: iter(()))
    scratch = {i: kernel.scratch_bytes for i, kernel in compiled.kernels.items()}
    assert compiled.plan.arena_bytes < planner.choose_plan(compiled.graph, scratch, optimize="ram")[1].arena_bytes


def test_ram_takes_no_more_than_speed(mobilenet: bytes) -> None:
    assert compile_model(mobilenet, optimize="ram").plan.arena_bytes <= compile_model(mobilenet).plan.arena_bytes


def test_the_input_has_no_gaps() -> None:
    """A pointwise layer of one channel to two once worked in place over the input, in a band, and spread its rows."""
    for seed in (233, *range(40)):
        compiled = compile_model(random_model(seed), optimize="ram")
        source = compiled.graph.input_activation
        place = compiled.plan.places[source.id]
        assert place.row_stride == source.width * (source.channels if place.layout.value == "interleaved" else 1)


def test_calls_follow_segments(mobilenet: bytes) -> None:
    compiled = compile_model(mobilenet)
    layers = LayerOrder(compiled.graph)
    calls = [call for segment in compiled.plan.segments for call in layers.calls(segment)]
    assert tuple(calls) == compiled.plan.calls


@pytest.mark.parametrize(("name", "most"), [("person_detect", 18_000), ("vww_96_int8", 28_672), ("wv_k_8_c_5", 9_000)])
def test_ram_of_models_people_bring(shared: object, name: str, most: int) -> None:
    compiled = compile_model(f"{shared}/models/{name}.tflite")
    check_plan(compiled)
    assert compiled.plan.arena_bytes <= most
