"""MAX_POOL_2D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.operators.pool import Pool, read_pool
from vww_deploy.graph.ranges import Values
from vww_deploy.graph.reading import Reader
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class MaxPool(Pool):
    """MAX_POOL_2D."""

    def pooled(self, values: Values, shape: tuple[int, int]) -> Values:
        # Outside counts as smaller than everything: shifted so that the zeros around are below all values.
        taps = self.window.taps(values + 200, shape)
        best: Values = np.max(np.stack([tap for _, _, tap in taps]), axis=0) - 200
        return best


def read(reader: Reader, op: FileOperator) -> None:
    read_pool(reader, op, MaxPool)


READERS: Final = {"MAX_POOL_2D": read}
