"""The emitted library against LiteRT's reference kernels, layer by layer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.exactness import check
from tests.support.random_models import moved_model, random_model, small_mobilenet, varied_model
from tests.support.tiled_models import tall_model
from vww_deploy.compiler import Compiled, Optimize, compile_model
from vww_deploy.errors import ModelError
from vww_deploy.graph import Reference
from vww_deploy.resources import models_dir

MODELS = (
    "person_detect",
    "teacher_mcunet_vww_80",
    "vww_96_int8",
    "wv_k_8_c_5",
    "wv_mcunet_10fps",
    "wv_micronets_vww2_50_50",
)


def compiled_or_skipped(model: bytes, optimize: Optimize = "speed") -> Compiled:
    """Random scales now and then make a model that LiteRT itself refuses."""
    compiled = compile_model(model, optimize=optimize)
    try:
        Reference(compiled.graph)
    except ModelError as error:
        assert "LiteRT refuses" in error.message
        assume(False)
    return compiled


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_random_models(seed: int) -> None:
    check(compiled_or_skipped(random_model(seed)), pictures=2, seed=seed)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_random_models_with_dead_channels(seed: int) -> None:
    check(compiled_or_skipped(random_model(seed, dead_channels=True), "ram"), pictures=2, seed=seed)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_random_models_of_every_operator(seed: int) -> None:
    check(compiled_or_skipped(varied_model(seed), "ram" if seed % 2 else "speed"), pictures=2, seed=seed)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_random_models_that_move_values(seed: int) -> None:
    check(compiled_or_skipped(moved_model(seed), "ram" if seed % 2 else "speed"), pictures=2, seed=seed)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("optimize", ["speed", "ram"])
def test_streamed_mobilenet(channels: int, optimize: Optimize) -> None:
    compiled = compile_model(small_mobilenet(channels=channels), optimize=optimize)
    assert optimize == "speed" or any(segment.is_band for segment in compiled.plan.segments)
    check(compiled, pictures=3, seed=1)


@pytest.mark.parametrize("seed", [1, 2])
def test_rings_that_are_filled_slowly(seed: int) -> None:
    compiled = compile_model(tall_model(seed), optimize="ram")
    assert any(segment.lead for segment in compiled.plan.segments)
    check(compiled, pictures=2, seed=seed)


@pytest.mark.parametrize("optimize", ["speed", "ram"])
@pytest.mark.parametrize("name", MODELS)
def test_models_people_bring(shared: Path, name: str, optimize: Optimize) -> None:
    check(compile_model(shared / "models" / f"{name}.tflite", optimize=optimize), pictures=3, seed=1)


@pytest.mark.parametrize("path", sorted(models_dir().glob("*.tflite")), ids=lambda path: path.stem)
def test_shipped_models(path: Path) -> None:
    check(compile_model(path), pictures=3, seed=1)
