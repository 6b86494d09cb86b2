"""Latency of a device, by layer and in total, from repeated inferences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vww_deploy.boards.running import check_layers, check_model
from vww_deploy.compiler import Compiled, Layer
from vww_deploy.errors import LinkError
from vww_deploy.link.device import Device
from vww_deploy.link.messages import Feature
from vww_deploy.spread import Spread


@dataclass(frozen=True)
class LayerLatency:
    """A layer's ticks and its multiply-accumulates."""

    layer: Layer
    ticks: Spread

    @property
    def ticks_per_mac(self) -> float | None:
        """Of the median; None for a layer without multiply-accumulates."""
        return self.ticks.median / self.layer.macs if self.layer.macs else None


@dataclass(frozen=True)
class Bench:
    """What was measured: ``clock`` says what a tick is (``instructions``, ``cycles`` or ``micros``)."""

    clock: str
    clock_hz: int
    runs: int
    macs: int
    total: Spread
    latency_us: Spread | None
    """None on a board that counts instructions instead of measuring time."""
    layers: tuple[LayerLatency, ...]


def bench(device: Device, compiled: Compiled, runs: int, on_run: Callable[[], None] = lambda: None) -> Bench:
    """Run ``runs`` inferences of noise for the total, and as many that time each layer; ``on_run`` follows each.

    Timing the layers costs a little itself, so that their sum is not the total.

    Raises:
        ProtocolMismatch: the device runs another model.
        LinkError: the device cannot be reached, or its firmware does not time layers.
    """
    check_model(device, compiled.graph)
    if Feature.LAYERS not in device.info.features:
        raise LinkError("the board's firmware does not time layers", hint="flash it again")
    check_layers(device, len(compiled.layers))
    picture = np.random.default_rng(0).integers(-128, 128, device.info.input_shape, dtype=np.int8)
    totals, times = [], []
    for inference in device.infer_many([picture] * runs):
        totals.append(inference.ticks)
        if inference.latency_us is not None:
            times.append(inference.latency_us)
        on_run()
    by_layer = []
    for _ in range(runs):
        by_layer.append(device.layer_ticks(picture))
        on_run()
    return Bench(
        clock=device.info.clock,
        clock_hz=device.info.clock_hz,
        runs=runs,
        macs=compiled.source.macs,
        total=Spread.of(totals),
        latency_us=Spread.of(times) if times else None,
        layers=tuple(
            LayerLatency(layer, Spread.of([ticks[layer.index] for ticks in by_layer])) for layer in compiled.layers
        ),
    )
