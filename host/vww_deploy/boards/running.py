"""Whether a connected board runs the model that it should."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from vww_deploy.errors import LinkError, ProtocolMismatch
from vww_deploy.graph import known
from vww_deploy.graph.ir import Graph
from vww_deploy.link.device import Device

AnyDevice = TypeVar("AnyDevice", bound=Device)


def check_model(device: Device, graph: Graph) -> None:
    """Raise ProtocolMismatch if the board runs another model than that of ``graph``, or describes another.

    From then on what the board says of inputs and outputs is what the model has.
    """
    info, given, last = device.info, graph.input_activation, graph.output_activation
    if info.model_sha256 != graph.sha256:
        raise ProtocolMismatch(
            f"{device.port}: the board runs {known.name_of(info.model_sha256)}, not {graph.name}",
            hint=flash_hint(info.board),
        )
    described = [info.input_shape, info.outputs, info.input_scale, info.input_zero_point]
    described += [info.output_scale, info.output_zero_point]
    expected = [given.shape, last.size]
    for quantization in (given.quantization, last.quantization):
        expected += [float(np.float32(quantization.scale)), quantization.zero_point]
    if described != expected:
        raise ProtocolMismatch(
            f"{device.port}: the board says that it runs {graph.name}, and describes an input of "
            f"{' x '.join(map(str, info.input_shape))} and {info.outputs} outputs, or scales, that are not its",
            hint=flash_hint(info.board),
        )


def checked(device: AnyDevice, graph: Graph) -> AnyDevice:
    """The device, which runs the model of ``graph``; closed, and ProtocolMismatch raised, if it does not."""
    try:
        check_model(device, graph)
    except ProtocolMismatch:
        device.close()
        raise
    return device


def check_layers(device: Device, count: int) -> None:
    """Raise LinkError if the board has not the ``count`` layers of the compiled model; others are not asked for."""
    if device.info.layers != count:
        raise LinkError(
            f"the board has {device.info.layers} layers, the compiled model {count}",
            hint="It was flashed by another version: flash it again.",
        )


def flash_hint(board: str) -> str:
    """What puts a model on the board that calls itself so; "arduino" is one with the library for the Arduino IDE."""
    if board == "arduino":
        return "`vww-deploy compile MODEL --arduino-library OUT.zip`, then upload its example SerialPictures"
    return f"`vww-deploy flash MODEL --board {board}` puts the model on it"
