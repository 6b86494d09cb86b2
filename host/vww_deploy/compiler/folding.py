"""Constant-channel folding and dead-code removal, exact to the last bit.

A channel that doesn't depend on the input is worth nothing but a bias in the layer behind it; a channel that every
reader weighs with zero is worth nothing at all. Both go, and with them the weights that made them and the weights that
read them. Where SAME padding makes the border of a constant channel weigh differently than its inside (the padding is
the zero point, not the constant), the channel stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.ranges import Range, Values, conv_sums, ranges_of
from vww_deploy.graph.ir import (
    Activation,
    Add,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    Int8Array,
    Mean,
    Op,
    Pad,
    Pool,
    Requantization,
    Requantize,
)

Mask = npt.NDArray[np.bool_]


def fold_constant_channels(graph: Graph) -> Graph:
    """The graph without the channels that are known beforehand or that nobody reads; the others keep their values."""
    ranges = ranges_of(graph)
    absorbed = {op.output: _absorbable(graph, op, ranges) for op in graph.ops if isinstance(op, Conv2D)}
    keep = _kept(graph, ranges, absorbed)
    if all(mask.all() for mask in keep.values()):
        return graph
    activations = {i: _narrowed(activation, keep[i]) for i, activation in graph.activations.items()}
    ops = tuple(_rewritten(graph, op, ranges, keep) for op in graph.ops)
    return graph.replace(ops=ops, activations=activations)


def _absorbable(graph: Graph, op: Conv2D, ranges: Mapping[int, Range]) -> Mask:
    """[in, out]: True where an input channel adds the same to an output channel whatever the picture and position."""
    result: Mask = (op.weights == 0).all(axis=(1, 2)).T.copy()
    given = ranges[op.inputs[0]]
    zero_point = graph.activations[op.inputs[0]].quantization.zero_point
    padding = op.window.padding
    unpadded = max(padding.top, padding.left, padding.bottom, padding.right) <= 0
    for channel in np.flatnonzero(given.known):
        plane = given.low[:, :, channel : channel + 1] - zero_point
        if (unpadded and (plane == plane[0, 0]).all()) or not plane.any():
            result[channel] = True
        else:
            sums = _contribution(graph, op, plane, np.array([channel]))
            result[channel] |= (sums == sums[:1, :1]).all(axis=(0, 1))
    return result


def _contribution(graph: Graph, op: Conv2D, planes: Values, channels: npt.NDArray[np.int64]) -> Values:
    """What some input channels with known values add to every output element."""
    out = graph.activations[op.output]
    return conv_sums(op.weights[:, :, :, channels], planes, op.window, (out.height, out.width))


def _uniform(values: Range) -> Mask:
    """Channels that are one known value all over."""
    same: Mask = (values.low == values.low[:1, :1]).all(axis=(0, 1))
    return values.known & same


def _kept(graph: Graph, ranges: Mapping[int, Range], absorbed: Mapping[int, Mask]) -> dict[int, Mask]:
    """By activation: which channels stay. Found as the least fixed point of what each operator asks for."""
    keep = {i: np.zeros(activation.channels, np.bool_) for i, activation in graph.activations.items()}
    keep[graph.input][:] = True
    keep[graph.output][:] = True
    while True:
        before = {i: mask.copy() for i, mask in keep.items()}
        for op in reversed(graph.ops):
            _ask(op, ranges, absorbed, keep)
        for mask in keep.values():
            mask[0] |= not mask.any()  # a tensor of no channels is none
        if all((before[i] == mask).all() for i, mask in keep.items()):
            return keep


def _ask(op: Op, ranges: Mapping[int, Range], absorbed: Mapping[int, Mask], keep: dict[int, Mask]) -> None:
    """Marks the channels that an operator needs of its inputs, and those that it cannot help making."""
    out, given = keep[op.output], keep[op.inputs[0]]
    if isinstance(op, Conv2D):
        # A kept channel of one known value is made from its bias alone.
        made = out & ~_uniform(ranges[op.output])
        given |= ~absorbed[op.output][:, made].all(axis=1)
    elif isinstance(op, DepthwiseConv2D):
        given |= out.reshape(-1, op.depth_multiplier).any(axis=1)
        out |= np.repeat(given, op.depth_multiplier)
    elif isinstance(op, Add | Mean | Pool | Requantize):
        both = out.copy()
        for tensor in op.inputs:
            both |= keep[tensor]
        for tensor in (*op.inputs, op.output):
            keep[tensor] |= both
    elif isinstance(op, Pad):
        inner = out[op.channels_before : op.channels_before + len(given)]
        given |= inner
        inner |= given
    else:
        for tensor in op.inputs:
            keep[tensor][:] = True
        out[:] = True


def _narrowed(activation: Activation, mask: Mask) -> Activation:
    if mask.all():
        return activation
    channels = np.flatnonzero(mask)
    live = channels if activation.live is None else np.array(activation.live)[channels]
    return dataclasses.replace(activation, channels=len(channels), live=tuple(live.tolist()))


def _rewritten(graph: Graph, op: Op, ranges: Mapping[int, Range], keep: Mapping[int, Mask]) -> Op:
    out, given = keep[op.output], keep[op.inputs[0]]
    if isinstance(op, Conv2D):
        bias = op.requantization.bias.astype(np.int64) + _dropped(graph, op, ranges[op.inputs[0]], given)
        weights = op.weights.copy()
        pinned = out & _uniform(ranges[op.output])
        if pinned.any():
            bias[pinned] = _any_sum(graph, op, ranges[op.inputs[0]])[pinned]
            weights[pinned] = 0
        weights = weights[out][:, :, :, given]
        return dataclasses.replace(op, weights=weights, requantization=_narrow(op.requantization, bias, out))
    if isinstance(op, DepthwiseConv2D):
        bias = op.requantization.bias.astype(np.int64)
        kept: Int8Array = op.weights[:, :, out]
        return dataclasses.replace(op, weights=kept, requantization=_narrow(op.requantization, bias, out))
    if isinstance(op, Pad):
        before, size = op.channels_before, len(given)
        return dataclasses.replace(
            op, channels_before=int(out[:before].sum()), channels_after=int(out[before + size :].sum())
        )
    return op


def _dropped(graph: Graph, op: Conv2D, given: Range, kept: Mask) -> Values:
    """What the dropped input channels add to every output channel: only those with known values can add anything."""
    channels = np.flatnonzero(~kept & given.known)
    zero_point = graph.activations[op.inputs[0]].quantization.zero_point
    sums: Values = _contribution(graph, op, given.low[:, :, channels] - zero_point, channels)[0, 0]
    return sums


def _any_sum(graph: Graph, op: Conv2D, given: Range) -> Values:
    """For every output channel an accumulator (bias included) that can occur at position (0, 0)."""
    source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
    values = given.low - source.quantization.zero_point
    sums = conv_sums(op.weights, values, op.window, (out.height, out.width))[0, 0]
    bias: Values = op.requantization.bias.astype(np.int64)
    total: Values = sums + bias
    return total


def _narrow(requantization: Requantization, bias: Values, mask: Mask) -> Requantization:
    return dataclasses.replace(
        requantization,
        bias=bias[mask].astype(np.int32),
        multiplier=requantization.multiplier[mask],
        shift=requantization.shift[mask],
    )
