"""What a run amounts to: predictions, accuracy and latency."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.ir import Quantization
from vww_deploy.runs.store import Result

_SOFTMAX_OUTPUT: Final = Quantization(1 / 256, -128)  # TFLite gives every int8 SOFTMAX and LOGISTIC output this one


def person_probability(outputs: npt.NDArray[np.int8], quantization: Quantization, labels: Sequence[str]) -> float:
    """P(person), 0..1, from a model's int8 outputs.

    Outputs in the quantisation that TFLite gives to SOFTMAX are probabilities already; any other are logits and go
    through a softmax (a sigmoid if there is only one). The person's output is the one labelled ``person``, or the last.
    """
    index = labels.index("person") if "person" in labels and len(labels) == outputs.size else outputs.size - 1
    real = (outputs.astype(np.float64).reshape(-1) - quantization.zero_point) * quantization.scale
    if (
        math.isclose(quantization.scale, _SOFTMAX_OUTPUT.scale)
        and quantization.zero_point == _SOFTMAX_OUTPUT.zero_point
    ):
        return float(real[index])
    if real.size == 1:
        return float(1.0 / (1.0 + np.exp(-real[0])))
    powers = np.exp(real - real.max())
    return float(powers[index] / powers.sum())


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


def accuracy(results: Iterable[Result]) -> Accuracy | None:
    """Accuracy over the labelled results; None if there are none."""
    counts = [[0, 0], [0, 0]]
    for result in results:
        if result.truth is not None:
            counts[result.truth][result.label] += 1
    if not any(map(any, counts)):
        return None
    return Accuracy(((counts[0][0], counts[0][1]), (counts[1][0], counts[1][1])))


@dataclass(frozen=True)
class Spread:
    """Minimum, median, 95th percentile (nearest rank) and maximum of some values, in their unit."""

    minimum: int
    median: int
    p95: int
    maximum: int


def spread(values: Iterable[int]) -> Spread | None:
    """Their spread; None if there are none. Each figure is one of the values."""
    ordered = sorted(values)
    if not ordered:
        return None

    def rank(share: float) -> int:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(ordered[0], rank(0.5), rank(0.95), ordered[-1])
