"""CONV_2D, in groups too."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.geometry import Window
from vww_deploy.graph.ir import Activation, Channels, Graph, Op
from vww_deploy.graph.operators.concatenation import Concatenation
from vww_deploy.graph.operators.gather import Gather
from vww_deploy.graph.operators.weighted import WindowedOp, weighted_range
from vww_deploy.graph.operators.wide_conv2d import wide_or
from vww_deploy.graph.ranges import Mask, Range, Values
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Conv2D(WindowedOp):
    """Convolution; ``weights`` int8 [out, kernel_h, kernel_w, in]."""

    reads_interleaved: ClassVar[bool] = True

    @property
    def is_pointwise(self) -> bool:
        """True for 1x1 convolutions that read just the pixel they write."""
        padding = self.window.padding
        unpadded = not any((padding.top, padding.left, padding.bottom, padding.right))
        return self.window.kernel == self.window.stride == (1, 1) and unpadded

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        source, out = graph.activations[self.inputs[0]], graph.activations[self.output]
        zero_points = source.quantization.zero_point, out.quantization.zero_point
        shape = out.height, out.width
        return weighted_range(self, given[0], zero_points, lambda w, v: conv_sums(w, v, self.window, shape))

    def ask_channels(self, channels: Channels) -> None:
        if self.output not in channels.notes:
            channels.notes[self.output] = self._absorbable(channels)
        # A kept channel of one known value is made from its bias alone.
        made = channels.keep[self.output] & ~_uniform(channels.ranges[self.output])
        channels.keep[self.inputs[0]] |= ~channels.notes[self.output][:, made].all(axis=1)

    def narrowed(self, channels: Channels) -> Op:
        out, given = channels.keep[self.output], channels.keep[self.inputs[0]]
        bias = self.requantization.bias.astype(np.int64) + self._dropped(channels, given)
        weights = self.weights.copy()
        pinned = out & _uniform(channels.ranges[self.output])
        if pinned.any():
            bias[pinned] = self._any_sum(channels)[pinned]
            weights[pinned] = 0
        weights = weights[out][:, :, :, given]
        return dataclasses.replace(self, weights=weights, requantization=self.requantization.narrowed(bias, out))

    def _absorbable(self, channels: Channels) -> Mask:
        """[in, out]: True where an input channel adds the same to an output channel whatever the picture."""
        result: Mask = (self.weights == 0).all(axis=(1, 2)).T.copy()
        given = channels.ranges[self.inputs[0]]
        zero_point = channels.graph.activations[self.inputs[0]].quantization.zero_point
        padding = self.window.padding
        unpadded = max(padding.top, padding.left, padding.bottom, padding.right) <= 0
        for channel in np.flatnonzero(given.known):
            plane = given.low[:, :, channel : channel + 1] - zero_point
            if (unpadded and (plane == plane[0, 0]).all()) or not plane.any():
                result[channel] = True
            else:
                sums = self._contribution(channels.graph, plane, np.array([channel]))
                result[channel] |= (sums == sums[:1, :1]).all(axis=(0, 1))
        return result

    def _contribution(self, graph: Graph, planes: Values, channels: npt.NDArray[np.int64]) -> Values:
        """What some input channels with known values add to every output element."""
        out = graph.activations[self.output]
        return conv_sums(self.weights[:, :, :, channels], planes, self.window, (out.height, out.width))

    def _dropped(self, channels: Channels, kept: Mask) -> Values:
        """What the dropped input channels add to every output channel: those with known values only."""
        given = channels.ranges[self.inputs[0]]
        dropped = np.flatnonzero(~kept & given.known)
        zero_point = channels.graph.activations[self.inputs[0]].quantization.zero_point
        sums: Values = self._contribution(channels.graph, given.low[:, :, dropped] - zero_point, dropped)[0, 0]
        return sums

    def _any_sum(self, channels: Channels) -> Values:
        """For every output channel an accumulator (bias included) that can occur at position (0, 0)."""
        graph = channels.graph
        source, out = graph.activations[self.inputs[0]], graph.activations[self.output]
        values = channels.ranges[self.inputs[0]].low - source.quantization.zero_point
        sums = conv_sums(self.weights, values, self.window, (out.height, out.width))[0, 0]
        bias: Values = self.requantization.bias.astype(np.int64)
        total: Values = sums + bias
        return total


def _uniform(values: Range) -> Mask:
    """Channels that are one known value all over."""
    same: Mask = (values.low == values.low[:1, :1]).all(axis=(0, 1))
    return values.known & same


def conv_sums(weights: npt.NDArray[np.int8], values: Values, window: Window, shape: tuple[int, int]) -> Values:
    """Sums of weights [out, kernel_h, kernel_w, in] over values [h, w, in], zeros around them: [*shape, out]."""
    result = np.zeros((*shape, weights.shape[0]))
    for ky, kx, taps in window.taps(values, shape):
        # Products of small integers summed in doubles are exact.
        result += taps.astype(np.float64) @ weights[:, ky, kx, :].T.astype(np.float64)
    return result.astype(np.int64)


def read(reader: Reader, op: FileOperator) -> None:
    source = reader.picture(op.inputs[0])
    reader.spatial(reader.tensors[op.inputs[0]])
    out = reader.tensors[op.outputs[0]]
    weights, scales = reader.weights(op.inputs[1], 0)
    if weights.ndim != 4 or out.shape[3:] != weights.shape[:1] or source.channels % weights.shape[3]:
        raise RefusedError(
            f"weights {list(weights.shape)} do not fit input {list(source.shape)} and output {list(out.shape)}"
        )
    window = reader.window(reader.options(op), (weights.shape[1], weights.shape[2]), source, out)
    requantization = reader.requantization(op, source, scales, weights.reshape(len(weights), -1))
    narrow = weights.astype(np.int8)
    whole = Conv2D(op.index, op.kind, (source.id,), reader.new(out), narrow, requantization, window)
    groups = source.channels // weights.shape[3]
    if groups == 1:
        reader.ops.append(wide_or(whole, weights, window))
    elif len(weights) % groups or weights.dtype != np.int8:
        raise RefusedError(f"{len(weights)} channels in {groups} groups")
    else:
        _split(reader, whole, groups)


def _split(reader: Reader, whole: Conv2D, groups: int) -> None:
    """A grouped convolution: one for each group of channels, and their outputs joined."""
    source, out = reader.activations[whole.inputs[0]], reader.activations[whole.output]
    parts = []
    for group in range(groups):
        given = _some(reader, source, group, groups)
        picked = range(source.height), range(source.width), given.live or ()
        reader.ops.append(Gather(whole.index, "SPLIT", (source.id,), given.id, *map(tuple, picked)))
        made = _some(reader, out, group, groups)
        mask = np.isin(np.arange(out.channels), made.live or ())
        scaling = whole.requantization.narrowed(whole.requantization.bias.astype(np.int64), mask)
        reader.ops.append(
            dataclasses.replace(
                whole, inputs=(given.id,), output=made.id, weights=whole.weights[mask], requantization=scaling
            )
        )
        parts.append(made.id)
    reader.ops.append(Concatenation(whole.index, "CONCATENATION", tuple(parts), out.id, axis=2))


def _some(reader: Reader, whole: Activation, group: int, groups: int) -> Activation:
    """A new activation for the channels of a group."""
    size = whole.channels // groups
    live = tuple(range(group * size, (group + 1) * size))
    part = dataclasses.replace(whole, id=len(reader.activations), channels=size, live=live)
    reader.activations[part.id] = part
    return part


READERS: Final = {"CONV_2D": read}
