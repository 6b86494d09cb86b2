"""Accuracy of a run."""

from __future__ import annotations

import pytest

from tests.unit.runs.test_store import result
from vww_deploy.runs import metrics


def test_accuracy_counts_truth_by_prediction() -> None:
    results = [
        result(0, truth=1, p_person=0.6),
        result(1, truth=1, p_person=0.5),
        result(2, truth=0, p_person=0.1),
        result(2, truth=None, p_person=1.0),
    ]
    accuracy = metrics.accuracy(results, 0.6)
    assert accuracy is not None
    assert accuracy.confusion == ((1, 0), (1, 1))
    assert accuracy.total == 3
    assert accuracy.top1 == pytest.approx(2 / 3)
    assert metrics.accuracy([result(0, truth=None)], 0.6) is None
