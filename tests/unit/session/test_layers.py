"""The layers' names without compiling the whole model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tests.support.random_models import random_model
from vww_deploy.compiler import compile_model
from vww_deploy.compiler.compiled import compiled_layers
from vww_deploy.graph.model import Model
from vww_deploy.graph.reader import read_model
from vww_deploy.link.device import Device, LayersLost
from vww_deploy.link.messages import Feature
from vww_deploy.session.layers import measure_layers


def test_the_layers_are_those_of_the_compiled_model() -> None:
    for seed in range(5):
        graph = read_model(random_model(seed, dead_channels=True))
        alone, compiled = compiled_layers(graph), compile_model(graph).layers
        assert [(layer.index, layer.kind, layer.name) for layer in alone] == [
            (layer.index, layer.kind, layer.name) for layer in compiled
        ]


def test_a_board_that_loses_its_layers_is_used_without_their_times() -> None:
    graph = read_model(random_model(1))

    def lost(_: Any) -> list[int]:
        raise LayersLost("tty: the board loses what it kept of its layers")

    layers = len(compiled_layers(graph))
    info = SimpleNamespace(features=Feature.LAYERS, layers=layers, input_shape=graph.input_activation.shape)
    device = SimpleNamespace(info=info, layer_ticks=lambda _: [7] * layers)
    model = cast(Model, SimpleNamespace(graph=graph))
    assert [ticks for _, ticks in measure_layers(cast(Device, device), model)] == [7] * layers
    device.layer_ticks = lost
    assert measure_layers(cast(Device, device), model) == ()
