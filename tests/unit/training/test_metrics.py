"""Figures against values worked out by hand, and against their definitions on random answers."""

from __future__ import annotations

import numpy as np
import pytest

from vww_deploy.errors import DataError
from vww_deploy.training import metrics

# Two persons and two others; one other is called a person with more certainty than one person.
PERSON = [0.9, 0.6, 0.7, 0.1]
LABELS = [1, 1, 0, 0]


def test_by_hand() -> None:
    assert metrics.confusion(PERSON, LABELS, 0.5) == ((1, 1), (0, 2))
    assert metrics.roc_auc(PERSON, LABELS) == pytest.approx(3 / 4)
    assert metrics.average_precision(PERSON, LABELS) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    f1 = metrics.f1_curve(PERSON, LABELS)
    assert float(f1.y.max()) == pytest.approx(0.8)
    assert float(f1.x[np.argmax(f1.y)]) == pytest.approx(0.6)


def test_ties_count_half() -> None:
    assert metrics.roc_auc([0.5, 0.5, 0.5, 0.5], LABELS) == pytest.approx(0.5)


def test_auc_is_the_chance_that_a_person_is_ranked_above_another() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 300)
    person = np.round(np.clip(0.3 * labels + rng.random(300) * 0.7, 0, 1), 2)
    ones, zeros = person[labels == 1], person[labels == 0]
    pairs = ones[:, None] - zeros[None, :]
    expected = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    assert metrics.roc_auc(person, labels) == pytest.approx(expected)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.2, 0.5, 1.0])
def test_a_threshold_keeps_its_false_alarm_rate_and_is_the_lowest_that_does(rate: float) -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 400)
    person = np.round(np.clip(0.4 * labels + rng.random(400) * 0.6, 0, 1), 3)
    threshold = metrics.threshold_for(person, labels, rate)
    others = person[labels == 0]
    assert np.mean(others >= threshold) <= rate
    lower = person[person < threshold]
    if lower.size:
        assert np.mean(others >= lower.max()) > rate or not np.any(others >= lower.max())


def test_a_threshold_that_nobody_reaches() -> None:
    assert metrics.threshold_for([0.2, 1.0], [1, 0], 0.0) > 1.0


def test_calibration() -> None:
    bins = metrics.calibration([0.05, 0.05, 0.95, 1.0], [0, 1, 1, 1])
    assert [(one.pictures, one.observed) for one in bins] == [(2, 0.5), (2, 1.0)]
    assert metrics.calibration_error(bins) == pytest.approx(0.5 * 0.45 + 0.5 * 0.025)


def test_one_class_has_no_curves() -> None:
    with pytest.raises(DataError, match="one class only"):
        metrics.roc_auc([0.1, 0.2], [1, 1])


def test_a_rate_must_be_a_rate() -> None:
    with pytest.raises(DataError, match="not within"):
        metrics.threshold_for(PERSON, LABELS, 5.0)
