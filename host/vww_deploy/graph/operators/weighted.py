"""What the operators with weights have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vww_deploy.graph.geometry import Padding, RowMap, Window
from vww_deploy.graph.ir import Graph, Int8Array, Op, WeightedOp
from vww_deploy.graph.ranges import Range, Values


@dataclass(frozen=True, eq=False)
class WindowedOp(WeightedOp):
    """Weights that slide over the input: a convolution of any kind. Each weight is used once for every output pixel."""

    window: Window

    def macs(self, graph: Graph) -> int:
        out = graph.activations[self.output]
        return out.height * out.width * int(self.weights.size)

    def row_map(self, graph: Graph) -> RowMap:
        return self.window.row_map

    def padded(self, padding: Padding) -> Op | None:
        window = padded_window(self.window, padding)
        return None if window is None else dataclasses.replace(self, window=window)


def padded_window(window: Window, outer: Padding) -> Window | None:
    """The window over a picture without ``outer`` around it; None for 1x1, which padding would make a slower one."""
    if window.kernel == (1, 1):
        return None
    inner = window.padding
    padding = Padding(
        inner.top + outer.top, inner.left + outer.left, inner.bottom + outer.bottom, inner.right + outer.right
    )
    return dataclasses.replace(window, padding=padding)


def weighted_range(
    op: WeightedOp, given: Range, zero_points: tuple[int, int], accumulate: Callable[[Int8Array, Values], Values]
) -> Range:
    """The range of a layer that sums its input, less the zero point, weighed by ``accumulate(weights, values)``.

    ``zero_points`` are the input's and the output's.
    """
    positive, negative = np.maximum(op.weights, 0), np.minimum(op.weights, 0)
    low, high = given.low - zero_points[0], given.high - zero_points[0]
    least = accumulate(positive, low) + accumulate(negative, high)
    most = accumulate(positive, high) + accumulate(negative, low)
    return Range(op.requantization.apply(least, zero_points[1]), op.requantization.apply(most, zero_points[1]))
