"""How measured values spread: the one definition that ``run``, ``bench``, ``compare``, reports and tests share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Minimum, median, 95th percentile and maximum of integer measurements, in their unit.

    Percentiles are by the nearest rank: the median of n sorted values is number ceil(0.50 n) of them, counted from one,
    the 95th percentile number ceil(0.95 n). So each figure is a value that was measured, and the median of an even
    number of values is the lower one of the two in the middle.
    """

    minimum: int
    median: int
    p95: int
    maximum: int

    @classmethod
    def of(cls, values: Iterable[int]) -> Spread:
        """The spread of one or more values.

        Raises:
            ValueError: there are none.
        """
        ordered = sorted(values)
        if not ordered:
            raise ValueError("no values to spread")

        def percentile(percent: int) -> int:
            return ordered[math.ceil(percent * len(ordered) / 100) - 1]

        return cls(ordered[0], percentile(50), percentile(95), ordered[-1])
