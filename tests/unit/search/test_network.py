"""Networks in Keras of an architecture: what is trained is what was costed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from vww_deploy.compiler import compile_model
from vww_deploy.graph.architecture import Architecture, Block
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.reader import read_model
from vww_deploy.graph.synthetic import architecture_graph

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
from vww_deploy.training.mobilenet import build_network
from vww_deploy.training.quantize import float_tflite, quantise
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.run import read_recipe
from vww_deploy.training.weights import load_network, save_weights

pytestmark = pytest.mark.train

SEPARABLE = Architecture("separable", 48, 1, 4, (Block(8, 5, 2), Block(12, 3, 2), Block(12)))
INVERTED = Architecture("inverted", 48, 3, 8, (Block(8, 3, 2, 2), Block(8, 3, 1, 2), Block(16, 5, 2, 3)))


def shapes(graph: Graph) -> list[tuple[str, tuple[int, int, int]]]:
    outputs = [(op.kind, graph.activations[op.output]) for op in graph.ops]
    return [(kind, (one.height, one.width, one.channels)) for kind, one in outputs]


@pytest.mark.parametrize("architecture", [SEPARABLE, INVERTED], ids=lambda one: one.kind)
def test_the_int8_conversion_is_the_network_that_was_costed(architecture: Architecture) -> None:
    side = architecture.side
    pictures = np.random.default_rng(0).integers(0, 256, (4, side, side, architecture.channels), np.uint8)
    trained = read_model(quantise(float_tflite(build_network(architecture, (side, side))), pictures))
    costed = architecture_graph(architecture)
    assert shapes(trained) == shapes(costed)
    real, counted = compile_model(trained).report(), compile_model(costed).report()
    for name in ("macs", "parameters", "ram_bytes", "code_bytes"):
        assert getattr(real, name) == getattr(counted, name), name
    # How a channel is scaled depends on its weights, which a network that is not trained has none of.
    assert abs(real.flash_bytes - counted.flash_bytes) <= counted.flash_bytes // 100


def test_a_recipe_with_an_architecture_finds_its_weights_again(tmp_path: Path) -> None:
    recipe = Recipe(architecture=INVERTED, size=48, channels=3)
    training = recipe.network(fused=True)
    save_weights(training, tmp_path / "averaged.weights.h5")
    (tmp_path / "recipe.json").write_text(json.dumps(dataclasses.asdict(recipe)))
    assert read_recipe(tmp_path) == recipe
    again = load_network(read_recipe(tmp_path), tmp_path / "averaged.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(training.get_weights(), again.get_weights(), strict=True))
