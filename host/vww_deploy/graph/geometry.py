"""Where a layer's values come from: padding, sliding windows, and the input rows behind an output row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vww_deploy.graph.ranges import Values


@dataclass(frozen=True)
class RowMap:
    """Which input rows an output row y is made from: [y // repeat * stride + first, y // repeat * stride + end)."""

    stride: int = 1
    first: int = 0
    end: int = 1
    repeat: int = 1

    def rows(self, begin: int, end: int, height: int) -> tuple[int, int]:
        """The input rows [first, last + 1) that output rows [begin, end) need, of ``height`` that there are."""
        first = begin // self.repeat * self.stride + self.first
        return min(max(first, 0), height), min(max(self.end_for(end), 0), height)

    def end_for(self, end: int) -> int:
        """The end of the input rows that output rows [.., end) need, however many there are; ``end`` can be below 0."""
        return (end - 1) // self.repeat * self.stride + self.end


@dataclass(frozen=True)
class Padding:
    """Rows and columns of the input's zero point around a picture; negative bottom/right means that the last ones
    are never read.
    """

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0


@dataclass(frozen=True)
class Window:
    """A sliding window: kernel size, stride, dilation (all rows then columns) and the padding at the top left."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()

    @property
    def row_map(self) -> RowMap:
        """Which input rows an output row is made from."""
        top = self.padding.top
        return RowMap(self.stride[0], -top, (self.kernel[0] - 1) * self.dilation[0] + 1 - top)

    def taps(self, values: Values, shape: tuple[int, int]) -> list[tuple[int, int, Values]]:
        """For every kernel position (row, column) the values [*shape, channels] that it meets, zero outside."""
        sides = zip(shape, self.stride, self.kernel, self.dilation, strict=True)
        reach = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in sides]
        padded = np.zeros((max(reach[0], 0), max(reach[1], 0), values.shape[2]), values.dtype)
        top, left = self.padding.top, self.padding.left
        part = values[: max(reach[0] - top, 0), : max(reach[1] - left, 0)]
        padded[top : top + part.shape[0], left : left + part.shape[1]] = part
        taps = []
        for ky in range(self.kernel[0]):
            for kx in range(self.kernel[1]):
                y, x = ky * self.dilation[0], kx * self.dilation[1]
                rows = slice(y, y + (shape[0] - 1) * self.stride[0] + 1, self.stride[0])
                columns = slice(x, x + (shape[1] - 1) * self.stride[1] + 1, self.stride[1])
                taps.append((ky, kx, padded[rows, columns]))
        return taps
