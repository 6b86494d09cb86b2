"""The layers' names without compiling the whole model."""

from __future__ import annotations

from tests.support.random_models import random_model
from vww_deploy.compiler import compile_model
from vww_deploy.compiler.compiled import compiled_layers
from vww_deploy.graph.reader import read_model


def test_the_layers_are_those_of_the_compiled_model() -> None:
    for seed in range(5):
        graph = read_model(random_model(seed, dead_channels=True))
        alone, compiled = compiled_layers(graph), compile_model(graph).layers
        assert [(layer.index, layer.kind, layer.name) for layer in alone] == [
            (layer.index, layer.kind, layer.name) for layer in compiled
        ]
