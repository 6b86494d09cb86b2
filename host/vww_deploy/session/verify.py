"""Every layer's output on a device against the host reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vww_deploy.boards.running import check_layers, check_model
from vww_deploy.compiler import Compiled, Layer, layer_digest
from vww_deploy.graph.reference import Reference
from vww_deploy.link.device import Device


@dataclass(frozen=True)
class InputCheck:
    """One input's layers.

    Attributes:
        name: of the input.
        layers: how many were compared.
        differing: the layers whose output on the device is not the reference's, in execution order.
    """

    name: str
    layers: int
    differing: tuple[Layer, ...]


def noise_inputs(shape: tuple[int, int, int], number: int = 3) -> list[tuple[str, npt.NDArray[np.int8]]]:
    """Inputs that reach every value: noise, the same each time; int8 of ``shape``, with names."""
    return [
        (f"noise {seed}", np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8))
        for seed in range(number)
    ]


def verify(
    device: Device, compiled: Compiled, inputs: Sequence[tuple[str, npt.NDArray[np.int8]]]
) -> Iterator[InputCheck]:
    """Compare the digests of all layers for each input (int8 ``[height, width, channels]``, with a name).

    Raises:
        ProtocolMismatch: the device runs another model.
        LinkError: the device cannot be reached, or has another number of layers.
    """
    check_model(device, compiled.graph)
    check_layers(device, len(compiled.layers))
    reference = Reference(compiled.graph)
    for name, values in inputs:
        expected = reference.run_all(values)
        digests = device.layer_digests(values)
        differing = tuple(
            layer
            for layer, digest in zip(compiled.layers, digests, strict=True)
            if digest != layer_digest(expected[layer.activation.id])
        )
        yield InputCheck(name, len(digests), differing)
