"""Whole random models on an emulated Cortex-M4 against the reference, layer by layer: the DSP paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.cortex_m4 import AVAILABLE, run_on_cortex_m4
from tests.support.random_models import moved_model, random_model, small_mobilenet, unsigned_model, varied_model
from vww_deploy.compiler import Compiled, compile_model, layer_digest
from vww_deploy.errors import ModelError
from vww_deploy.graph import Reference

pytestmark = [
    pytest.mark.virtual,
    pytest.mark.skipif(not AVAILABLE, reason="needs arm-none-eabi-g++ and qemu-system-arm"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cortex-m4")


def check(compiled: Compiled, seed: int, folder: Path) -> None:
    try:
        reference = Reference(compiled.graph)
    except ModelError:
        pytest.skip("scales that LiteRT refuses")
    shape = compiled.graph.input_activation.shape
    picture = np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)
    expected = reference.run_all(picture)
    digests, output = run_on_cortex_m4(compiled, picture, folder)
    for layer, digest in zip(compiled.layers, digests, strict=True):
        wanted = layer_digest(expected[layer.activation.id])
        assert digest == wanted, f"layer {layer.index} {layer.kind} '{layer.name}'"
    np.testing.assert_array_equal(output, expected[compiled.source.output].reshape(-1))


@pytest.mark.parametrize("seed", range(16))
def test_random_models(seed: int, folder: Path) -> None:
    check(compile_model(random_model(seed, dead_channels=seed % 4 == 0), optimize="ram"), seed, folder)


@pytest.mark.parametrize("seed", range(6))
def test_random_models_of_every_operator(seed: int, folder: Path) -> None:
    check(compile_model(varied_model(seed)), seed, folder)


@pytest.mark.parametrize("seed", range(6))
def test_random_models_that_move_values(seed: int, folder: Path) -> None:
    check(compile_model(moved_model(seed), optimize="ram"), seed, folder)


@pytest.mark.parametrize("seed", [1, 5])
def test_random_uint8_models(seed: int, folder: Path) -> None:
    check(compile_model(unsigned_model(seed)), seed, folder)


@pytest.mark.parametrize("channels", [1, 3])
def test_streamed_mobilenet(channels: int, folder: Path) -> None:
    check(compile_model(small_mobilenet(channels=channels), optimize="ram"), 1, folder)
