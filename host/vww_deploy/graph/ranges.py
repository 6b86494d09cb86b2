"""What values every element of a tensor can take: intervals, and the arithmetic on them, exact to the bit.

An element whose interval is a single value is known before any picture is seen. Intervals are kept for every position,
so that the borders of padded layers, where fewer taps meet real pixels, come out right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


def anything(shape: tuple[int, int, int]) -> Range:
    """Nothing is known but that it is int8."""
    return Range(np.full(shape, -128, np.int64), np.full(shape, 127, np.int64))


def scaled(values: Values, multiplier: Factor, shift: Factor) -> Values:
    """TFLite's MultiplyByQuantizedMultiplier: a rounding doubling high multiply, then a rounding right shift."""
    left, right = np.maximum(shift, 0), np.maximum(np.negative(shift), 0)
    high = ((values << left) * multiplier + (np.int64(1) << 30)) >> 31
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
    return np.where(high >= 0, (high + half) >> right, -((-high + half) >> right))
