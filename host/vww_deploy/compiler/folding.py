"""Constant-channel folding and dead-code removal, exact to the last bit.

A channel that doesn't depend on the input is worth nothing but a bias in the layer behind it; a channel that every
reader weighs with zero is worth nothing at all. Both go, and with them the weights that made them and the weights that
read them. Where SAME padding makes the border of a constant channel weigh differently than its inside (the padding is
the zero point, not the constant), the channel stays.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from vww_deploy.graph.ir import Activation, Channels, Graph
from vww_deploy.graph.ranges import Mask

_MOST_ELEMENTS: Final = 1 << 24
"""Of all tensors: what the analysis of ranges keeps of each must fit in a few hundred megabytes."""


def fold_constant_channels(graph: Graph) -> Graph:
    """The graph without the channels that are known beforehand or that nobody reads; the others keep their values.

    A graph too large for the analysis stays as it is.
    """
    if sum(activation.size for activation in graph.activations.values()) > _MOST_ELEMENTS:
        return graph
    channels = _kept(graph)
    keep = channels.keep
    if all(mask.all() for mask in keep.values()):
        return graph
    activations = {i: _narrowed(activation, keep[i]) for i, activation in graph.activations.items()}
    return graph.replace(ops=tuple(op.narrowed(channels) for op in graph.ops), activations=activations)


def _kept(graph: Graph) -> Channels:
    """Which channels stay: the least fixed point of what each operator asks for."""
    keep = {i: np.zeros(activation.channels, np.bool_) for i, activation in graph.activations.items()}
    keep[graph.input][:] = True
    keep[graph.output][:] = True
    channels = Channels(graph, graph.ranges(), keep)
    while True:
        before = {i: mask.copy() for i, mask in keep.items()}
        for op in reversed(graph.ops):
            op.ask_channels(channels)
        for mask in keep.values():
            mask[0] |= not mask.any()  # a tensor of no channels is none
        if all((before[i] == mask).all() for i, mask in keep.items()):
            return channels


def _narrowed(activation: Activation, mask: Mask) -> Activation:
    if mask.all():
        return activation
    channels = np.flatnonzero(mask)
    live = channels if activation.live is None else np.array(activation.live)[channels]
    return dataclasses.replace(activation, channels=len(channels), live=tuple(live.tolist()))
