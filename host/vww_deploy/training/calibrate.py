"""Making a trained network's probabilities true: a temperature and a bias, folded into its classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.training.interpret import to_real

_PRIOR: Final = 20.0  # pictures' worth of belief that the network is right as it is: a few pictures move it little


@dataclass(frozen=True)
class Calibration:
    """True log odds are ``log odds / temperature + bias``."""

    temperature: float
    bias: float


def calibrate(
    model: Any, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], *, batch: int = 128
) -> Calibration:
    """Fit the temperature and the bias on whole pictures that were not learned from, and fold them into the classifier.

    Cropped views lose persons, and a teacher doubts in poor ones, so what is learned from them is too low; and networks
    that learn from soft answers are less sure than they are right (Platt 1999; Guo et al. 2017).

    Args:
        model: ends in the layer ``classes``, a softmax over (no person, person); changed in place.
        pixels: uint8 ``[N, height, width, channels]``, as the model sees them.
        labels: ``[N]``.
    """
    person = np.concatenate(
        [model(to_real(pixels[i : i + batch]), training=False).numpy()[:, 1] for i in range(0, len(pixels), batch)]
    )
    person = np.clip(person.astype(np.float64), 1e-7, 1 - 1e-7)
    found = fit(np.log(person / (1 - person)), labels)
    kernel, bias = model.get_layer("classes").get_weights()
    shift = np.array([-found.bias / 2, found.bias / 2], np.float32)
    model.get_layer("classes").set_weights([kernel / found.temperature, bias / found.temperature + shift])
    return found


def fit(log_odds: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], *, steps: int = 50) -> Calibration:
    """The temperature and bias under which the labels are likeliest, by Newton's method.

    A weak prior for (1, 0) keeps both finite where a few pictures are classified without a mistake.
    """
    inputs = np.stack([log_odds, np.ones_like(log_odds)], axis=1)
    values, start = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    for _ in range(steps):
        predicted = 1 / (1 + np.exp(-inputs @ values))
        gradient = inputs.T @ (predicted - labels) + _PRIOR * (values - start)
        curvature = (inputs * (predicted * (1 - predicted))[:, None]).T @ inputs + _PRIOR * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        values -= step * min(1.0, 1.0 / (np.abs(step).max() + 1e-12))
    slope = max(float(values[0]), 0.05)  # a network that distinguishes nothing must not be turned round
    return Calibration(1.0 / slope, float(values[1]))
