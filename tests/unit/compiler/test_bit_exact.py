"""The emitted library against LiteRT's reference kernels, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.batch_engine import engines
from tests.support.exactness import check
from tests.support.random_models import moved_model, random_model, small_mobilenet, varied_model
from tests.support.tiled_models import tall_model
from vww_deploy.compiler import Compiled, Optimize, compile_model
from vww_deploy.errors import ModelError
from vww_deploy.resources import models_dir

MODELS = (
    "person_detect",
    "teacher_mcunet_vww_80",
    "vww_96_int8",
    "wv_k_8_c_5",
    "wv_mcunet_10fps",
    "wv_micronets_vww2_50_50",
)


Make = Callable[[int], Compiled]

RANDOM: dict[str, tuple[int, Make]] = {
    "layers": (50, lambda seed: compile_model(random_model(seed))),
    "dead channels": (50, lambda seed: compile_model(random_model(seed, dead_channels=True), optimize="ram")),
    "every operator": (30, lambda seed: compile_model(varied_model(seed), optimize="ram" if seed % 2 else "speed")),
    "moved values": (30, lambda seed: compile_model(moved_model(seed), optimize="ram" if seed % 2 else "speed")),
}
"""Kinds of random models: how many, and the one of a seed."""


@pytest.mark.parametrize("kind", RANDOM)
def test_random_models(kind: str) -> None:
    """Built as one library: what a compiler costs to start is paid once."""
    count, make = RANDOM[kind]
    seeds = np.random.default_rng(1).integers(0, 2**32, count).tolist()
    models = {seed: make(seed) for seed in seeds}
    for (seed, compiled), engine in zip(models.items(), engines(list(models.values())), strict=True):
        try:
            check(compiled, pictures=2, seed=seed, engine=engine)
        except ModelError as error:  # random scales now and then make a model that LiteRT itself refuses
            assert "LiteRT refuses" in error.message
            count -= 1
        except AssertionError as error:
            error.add_note(f"the model of seed {seed}")
            raise
    assert count > len(seeds) * 0.8


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
