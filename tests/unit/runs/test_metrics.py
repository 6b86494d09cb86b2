"""P(person), accuracy and spreads."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.runs.test_store import result
from vww_deploy.graph.ir import Quantization
from vww_deploy.runs import metrics

SOFTMAX = Quantization(1 / 256, -128)
LABELS = ("no person", "person")


def int8(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    return np.array(values, dtype=np.int8)


def test_softmax_outputs_are_probabilities_already() -> None:
    assert metrics.person_probability(int8(-128, 127), SOFTMAX, LABELS) == pytest.approx(255 / 256)
    assert metrics.person_probability(int8(57, -57), SOFTMAX, LABELS) == pytest.approx(71 / 256)


def test_the_label_decides_which_output_is_the_person() -> None:
    assert metrics.person_probability(int8(127, -128), SOFTMAX, ("person", "nobody")) == pytest.approx(255 / 256)
    assert metrics.person_probability(int8(127, -128), SOFTMAX, ("a", "b")) == 0.0


def test_logits_go_through_a_softmax() -> None:
    quantization = Quantization(0.1, 0)
    assert metrics.person_probability(int8(0, 0), quantization, LABELS) == pytest.approx(0.5)
    assert metrics.person_probability(int8(0, 20), quantization, LABELS) == pytest.approx(1 / (1 + np.exp(-2)))
    assert metrics.person_probability(int8(20), quantization, LABELS) == pytest.approx(1 / (1 + np.exp(-2)))


def test_accuracy_counts_truth_by_prediction() -> None:
    results = [
        result(0, truth=1, label=1),
        result(1, truth=1, label=0),
        result(2, truth=0, label=0),
        result(2, truth=None, label=1),
    ]
    accuracy = metrics.accuracy(results)
    assert accuracy is not None
    assert accuracy.confusion == ((1, 0), (1, 1))
    assert accuracy.total == 3
    assert accuracy.top1 == pytest.approx(2 / 3)
    assert metrics.accuracy([result(0, truth=None)]) is None


def test_a_spread_is_made_of_the_values() -> None:
    assert metrics.spread(range(1, 101)) == metrics.Spread(1, 50, 95, 100)
    assert metrics.spread([7]) == metrics.Spread(7, 7, 7, 7)
    assert metrics.spread([]) is None
