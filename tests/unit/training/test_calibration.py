"""Probabilities that are true: a temperature and a bias from labelled pictures."""

from __future__ import annotations

import numpy as np
import pytest

from vww_deploy.training import metrics
from vww_deploy.training.calibrate import fit


def drawn(slope: float, bias: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Log odds that a network gives, and labels whose true log odds are ``slope * log odds + bias``."""
    rng = np.random.default_rng(3)
    log_odds = rng.normal(0.0, 2.0, count)
    return log_odds, (rng.random(count) < 1 / (1 + np.exp(-(slope * log_odds + bias)))).astype(np.int64)


@pytest.mark.parametrize(("slope", "bias"), [(0.5, 0.0), (2.0, -1.0), (1.0, 0.7)])
def test_the_temperature_and_bias_that_labels_were_drawn_with_are_found(slope: float, bias: float) -> None:
    log_odds, labels = drawn(slope, bias, 20_000)
    found = fit(log_odds, labels)
    assert 1 / found.temperature == pytest.approx(slope, rel=0.06)
    assert found.bias == pytest.approx(bias, abs=0.06)
    calibrated = 1 / (1 + np.exp(-(log_odds / found.temperature + found.bias)))
    assert metrics.calibration_error(metrics.calibration(calibrated, labels)) < 0.015
    assert metrics.calibration_error(metrics.calibration(1 / (1 + np.exp(-log_odds)), labels)) > 0.03


def test_a_few_pictures_told_apart_without_a_mistake_leave_it_finite() -> None:
    found = fit(np.array([-3.0, -1.0, 1.0, 3.0]), np.array([0, 0, 1, 1]))
    assert 0.5 < found.temperature <= 1.0
    assert abs(found.bias) < 0.01


def test_a_network_that_tells_nothing_apart_is_not_turned_round() -> None:
    log_odds = np.linspace(-2, 2, 1000)
    assert fit(log_odds, (log_odds < 0).astype(np.int64)).temperature > 0


def test_what_is_found_is_folded_into_the_classifier() -> None:
    pytest.importorskip("tensorflow")
    from vww_deploy.training.calibrate import calibrate
    from vww_deploy.training.mobilenet import build_mobilenet_v1

    model = build_mobilenet_v1(0.07, (32, 32, 1))
    pixels = np.random.default_rng(1).integers(0, 256, (64, 32, 32, 1), dtype=np.uint8)

    def log_odds() -> np.ndarray:
        out = np.asarray(model((pixels.astype(np.float32) - 128) / 128), np.float64)
        return np.log(out[:, 1] / out[:, 0])

    before = log_odds()
    found = calibrate(model, pixels, (before > np.median(before)).astype(np.int64))
    assert found.temperature != 1.0 and found.bias != 0.0
    np.testing.assert_allclose(log_odds(), before / found.temperature + found.bias, atol=1e-4)
