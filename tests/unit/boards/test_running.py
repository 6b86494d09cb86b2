"""What a board says of its model is what the model has, field by field; nothing else is asked of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tests.support.random_models import RandomModel
from tests.support.reference_device import described
from vww_deploy.boards.running import check_layers, check_model
from vww_deploy.compiler.compiled import compiled_layers
from vww_deploy.errors import LinkError, ProtocolMismatch
from vww_deploy.graph import Graph, read_model
from vww_deploy.link.device import Device


@pytest.fixture(scope="module")
def graph() -> Graph:
    model = RandomModel(np.random.default_rng(3), 8, 6, 2)
    model.conv()
    model.tail()
    return read_model(model.finish())


def saying(graph: Graph, **lies: Any) -> Device:
    info = described(graph) | {"board": "nano33ble"} | lies
    return cast(Device, SimpleNamespace(port="/dev/ttyACM0", info=SimpleNamespace(**info)))


def test_the_truth_is_taken(graph: Graph) -> None:
    board = saying(graph)
    check_model(board, graph)
    check_layers(board, len(compiled_layers(graph)))


@pytest.mark.parametrize(
    "lie",
    [
        {"input_shape": (8, 6, 1)},
        {"input_shape": (6, 8, 2)},
        {"input_shape": (65535, 65535, 1)},
        {"outputs": 1},
        {"outputs": 65535},
        {"input_scale": 1e30},
        {"input_zero_point": 2**31 - 1},
        {"output_scale": float("nan")},
        {"output_zero_point": -(2**31)},
    ],
    ids=str,
)
def test_another_model_under_this_ones_name_is_refused(graph: Graph, lie: dict[str, Any]) -> None:
    with pytest.raises(ProtocolMismatch, match="says that it runs model, and describes an input of") as caught:
        check_model(saying(graph, **lie), graph)
    assert "--board nano33ble" in caught.value.hint


@pytest.mark.parametrize("layers", [0, 1000, 65535])
def test_no_other_layers_are_asked_for(graph: Graph, layers: int) -> None:
    with pytest.raises(LinkError, match=f"the board has {layers} layers, the compiled model"):
        check_layers(saying(graph, layers=layers), len(compiled_layers(graph)))
