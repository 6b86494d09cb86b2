"""Where one inference spends its time, by layer."""

from __future__ import annotations

import numpy as np

from vww_deploy.compiler.compiled import compiled_layers
from vww_deploy.graph.model import Model
from vww_deploy.link.device import Device, LayersLost
from vww_deploy.link.messages import Feature


def measure_layers(device: Device, model: Model) -> tuple[tuple[str, int], ...]:
    """Name and ticks of each layer, measured with one inference of an all-zero input.

    They depend on the network, hardly on the picture. Empty if the firmware times no layers, loses what it
    timed, or has those of another compiler version.

    Raises:
        LinkError: the device cannot be reached.
    """
    if Feature.LAYERS not in device.info.features:
        return ()
    kinds = (layer.kind.removesuffix("_2D").replace("_", " ").lower() for layer in compiled_layers(model.graph))
    names = [f"{number} {kind}" for number, kind in enumerate(kinds)]
    if device.info.layers != len(names):
        return ()
    try:
        ticks = device.layer_ticks(np.zeros(device.info.input_shape, np.int8))
    except LayersLost:  # the results do not depend on it
        return ()
    return tuple(zip(names, ticks, strict=True)) if len(names) == len(ticks) else ()
