"""AVERAGE_POOL_2D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.operators.pool import Pool, read_pool
from vww_deploy.graph.ranges import Values
from vww_deploy.graph.reading import Reader
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class AveragePool(Pool):
    """AVERAGE_POOL_2D: the mean, rounded half away from zero."""

    def pooled(self, values: Values, shape: tuple[int, int]) -> Values:
        offset = 128 if self.unsigned else 0
        total = sum(tap for _, _, tap in self.window.taps(values + offset, shape))
        count = sum(tap for _, _, tap in self.window.taps(np.ones_like(values), shape))
        half = count // 2
        average = np.where(total > 0, (total + half) // count, -((-total + half) // count))
        result: Values = average - offset
        return result


def read(reader: Reader, op: FileOperator) -> None:
    read_pool(reader, op, AveragePool)


READERS: Final = {"AVERAGE_POOL_2D": read}
