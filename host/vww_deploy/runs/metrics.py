"""What a run amounts to: its accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vww_deploy.runs.result import StoredResult


@dataclass(frozen=True)
class Accuracy:
    """Counts over the pictures whose label is known: ``confusion[truth][prediction]``."""

    confusion: tuple[tuple[int, int], tuple[int, int]]

    @property
    def total(self) -> int:
        """Pictures with a label."""
        return sum(map(sum, self.confusion))

    @property
    def top1(self) -> float:
        """The share that was predicted right, 0..1."""
        return (self.confusion[0][0] + self.confusion[1][1]) / self.total


def accuracy(results: Iterable[StoredResult], threshold: float) -> Accuracy | None:
    """Accuracy over the labelled results by a threshold of P(person); None if there are none."""
    counts = [[0, 0], [0, 0]]
    for result in results:
        if result.truth is not None:
            counts[result.truth][result.inference.p_person >= threshold] += 1
    if not any(map(any, counts)):
        return None
    return Accuracy(((counts[0][0], counts[0][1]), (counts[1][0], counts[1][1])))
