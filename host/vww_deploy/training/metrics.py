"""Figures of a binary classifier from its probabilities: plain numpy, each by its textbook definition."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Points of a curve, and the thresholds they belong to: a picture counts as a person from that probability on."""

    x: Floats
    y: Floats
    thresholds: Floats


@dataclass(frozen=True)
class Bin:
    """Pictures of a range of predicted probabilities: how sure the model was, and how often it was a person."""

    low: float
    high: float
    pictures: int
    predicted: float
    observed: float


def confusion(
    person: npt.ArrayLike, labels: npt.ArrayLike, threshold: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """``[truth][prediction]`` counts; class 1 is the person."""
    predicted, truth = np.asarray(person) >= threshold, np.asarray(labels) == 1
    return (
        (int(np.sum(~truth & ~predicted)), int(np.sum(~truth & predicted))),
        (int(np.sum(truth & ~predicted)), int(np.sum(truth & predicted))),
    )


def roc(person: npt.ArrayLike, labels: npt.ArrayLike) -> Curve:
    """False-alarm rate (x) against hit rate (y), from no picture called a person to all; needs both classes.

    Raises:
        DataError: a class is missing.
    """
    hits, alarms, thresholds = _cumulative(person, labels)
    return Curve(alarms / alarms[-1], hits / hits[-1], thresholds)


def roc_auc(person: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Area under the ROC curve; ties count half."""
    curve = roc(person, labels)
    return float(np.trapezoid(curve.y, curve.x))


def precision_recall(person: npt.ArrayLike, labels: npt.ArrayLike) -> Curve:
    """Recall (x) against precision (y), by falling threshold."""
    hits, alarms, thresholds = _cumulative(person, labels)
    hits, alarms = hits[1:], alarms[1:]
    return Curve(hits / hits[-1], hits / (hits + alarms), thresholds[1:])


def average_precision(person: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The mean of the precision over the recall it adds, without interpolation."""
    curve = precision_recall(person, labels)
    return float(np.sum(np.diff(curve.x, prepend=0.0) * curve.y))


def f1_curve(person: npt.ArrayLike, labels: npt.ArrayLike) -> Curve:
    """F1 of the person (y) at each threshold (x and ``thresholds``)."""
    curve = precision_recall(person, labels)
    total = curve.x + curve.y
    f1 = np.divide(2 * curve.x * curve.y, total, out=np.zeros_like(total), where=total > 0)
    return Curve(curve.thresholds, f1, curve.thresholds)


def threshold_for(person: npt.ArrayLike, labels: npt.ArrayLike, false_alarm_rate: float) -> float:
    """The smallest threshold at which at most this part of the pictures without a person counts as one with a person.

    Above 1 if even the surest pictures are false alarms too often.

    Raises:
        DataError: the rate is not within 0..1, or a class is missing.
    """
    if not 0.0 <= false_alarm_rate <= 1.0:
        raise DataError(f"a false-alarm rate of {false_alarm_rate} is not within 0..1")
    curve = roc(person, labels)
    allowed = curve.x <= false_alarm_rate + 1e-12
    return float(np.min(curve.thresholds[allowed]))


def calibration(person: npt.ArrayLike, labels: npt.ArrayLike, bins: int = 10) -> list[Bin]:
    """Bins of equal width over the predicted probability; empty ones are left out."""
    predicted, truth = np.asarray(person, np.float64), np.asarray(labels, np.float64)
    place = np.minimum((predicted * bins).astype(int), bins - 1)
    return [
        Bin(
            i / bins,
            (i + 1) / bins,
            int(np.sum(place == i)),
            float(predicted[place == i].mean()),
            float(truth[place == i].mean()),
        )
        for i in range(bins)
        if np.any(place == i)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: the mean distance of predicted from observed, weighted by pictures."""
    total = sum(one.pictures for one in bins)
    return sum(one.pictures * abs(one.predicted - one.observed) for one in bins) / total


def wilson(successes: int, total: int) -> tuple[float, float]:
    """The 95 % score interval (Wilson 1927) of a share, 0..1."""
    z = 1.959964
    share = successes / total
    centre = share + z * z / (2 * total)
    margin = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def _cumulative(person: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Hits and false alarms at every distinct threshold, falling, beginning with none at a threshold nobody reaches."""
    predicted, truth = np.asarray(person, np.float64), np.asarray(labels) == 1
    if truth.all() or not truth.any():
        raise DataError(
            "the pictures are of one class only", hint="These figures need pictures with and without persons."
        )
    order = np.argsort(-predicted, kind="stable")
    predicted, truth = predicted[order], truth[order]
    last = np.append(np.flatnonzero(np.diff(predicted)), len(predicted) - 1)
    hits, alarms = np.cumsum(truth)[last], np.cumsum(~truth)[last]
    nobody = np.nextafter(max(1.0, predicted[0]), 2.0)
    return np.append(0.0, hits), np.append(0.0, alarms), np.append(nobody, predicted[last])
