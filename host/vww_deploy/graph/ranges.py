"""What values every element of a tensor can take: intervals, and the arithmetic on them, exact to the bit.

An element whose interval is a single value is known before any picture is seen. Intervals are kept for every position,
so that the borders of padded layers, where fewer taps meet real pixels, come out right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from vww_deploy.graph.ir import Activation, Graph, Op, Window

Values = npt.NDArray[np.int64]
Factor = int | Values
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Range:
    """The least and greatest value of every element, int64 [height, width, channels]."""

    low: Values
    high: Values

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """By channel: True where no element depends on the input."""
        result: npt.NDArray[np.bool_] = (self.low == self.high).all(axis=(0, 1))
        return result


def ranges_of(graph: Graph) -> Mapping[int, Range]:
    """The range of every activation."""
    ranges = {graph.input: anything(graph.input_activation)}
    for op in graph.ops:
        ranges[op.output] = op.range_of(graph, [ranges[i] for i in op.inputs])
    return ranges


def anything(activation: Activation) -> Range:
    """Nothing is known but that it is int8."""
    return Range(np.full(activation.shape, -128, np.int64), np.full(activation.shape, 127, np.int64))


@dataclass(eq=False)
class Channels:
    """Which channels of a graph's activations stay, while that is found out.

    ``keep`` by activation, bool [channels]; ``notes`` is an operator's own memory, by its output.
    """

    graph: Graph
    ranges: Mapping[int, Range]
    keep: dict[int, Mask]
    notes: dict[int, Any] = field(default_factory=dict)

    def keep_all(self, op: Op) -> None:
        """An operator that needs every channel of its inputs, and makes every one of its output."""
        for tensor in (*op.inputs, op.output):
            self.keep[tensor][:] = True

    def keep_alike(self, op: Op) -> None:
        """An operator whose output channel c is made from channel c of each input alone."""
        both = self.keep[op.output].copy()
        for tensor in op.inputs:
            both |= self.keep[tensor]
        for tensor in (*op.inputs, op.output):
            self.keep[tensor] |= both


def taps_of(values: Values, window: Window, shape: tuple[int, int]) -> list[tuple[int, int, Values]]:
    """For every kernel position the values [*shape, channels] that it meets, zero outside."""
    sides = zip(shape, window.stride, window.kernel, window.dilation, strict=True)
    reach = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in sides]
    padded = np.zeros((max(reach[0], 0), max(reach[1], 0), values.shape[2]), values.dtype)
    top, left = window.padding.top, window.padding.left
    part = values[: max(reach[0] - top, 0), : max(reach[1] - left, 0)]
    padded[top : top + part.shape[0], left : left + part.shape[1]] = part
    taps = []
    for ky in range(window.kernel[0]):
        for kx in range(window.kernel[1]):
            y, x = ky * window.dilation[0], kx * window.dilation[1]
            rows = slice(y, y + (shape[0] - 1) * window.stride[0] + 1, window.stride[0])
            columns = slice(x, x + (shape[1] - 1) * window.stride[1] + 1, window.stride[1])
            taps.append((ky, kx, padded[rows, columns]))
    return taps


def scaled(values: Values, multiplier: Factor, shift: Factor) -> Values:
    """TFLite's MultiplyByQuantizedMultiplier: a rounding doubling high multiply, then a rounding right shift."""
    left, right = np.maximum(shift, 0), np.maximum(np.negative(shift), 0)
    high = ((values << left) * multiplier + (np.int64(1) << 30)) >> 31
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
    return np.where(high >= 0, (high + half) >> right, -((-high + half) >> right))
