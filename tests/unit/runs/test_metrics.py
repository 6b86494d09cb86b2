"""Accuracy of a run."""

from __future__ import annotations

import pytest

from tests.unit.runs.test_store import result
from vww_deploy.runs import metrics


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
