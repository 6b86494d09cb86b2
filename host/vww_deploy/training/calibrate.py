"""Setting a trained network's classifier right: augmented views hold fewer persons than whole pictures do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vww_deploy.training.interpret import to_real


def shift_bias(model: Any, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], *, batch: int = 128) -> float:
    """Shift the classifier's bias so that the mean P(person) over whole pictures is the part that are persons.

    Cropped views lose persons, and a teacher doubts in poor ones: what is learned from them is too low here.

    Args:
        model: ends in the layer ``classes``, a softmax over (no person, person); changed in place.
        pixels: uint8 ``[N, height, width, channels]``, training pictures as the model sees them.
        labels: ``[N]``.

    Returns:
        What was added to log(P(person) / P(no person)).
    """
    person = np.concatenate(
        [model(to_real(pixels[i : i + batch]), training=False).numpy()[:, 1] for i in range(0, len(pixels), batch)]
    )
    person = np.clip(person.astype(np.float64), 1e-7, 1 - 1e-7)
    shift = _shift_for(np.log(person / (1 - person)), float(labels.mean()))
    kernel, bias = model.get_layer("classes").get_weights()
    model.get_layer("classes").set_weights([kernel, bias + np.array([-shift / 2, shift / 2], np.float32)])
    return shift


def _shift_for(odds: npt.NDArray[np.float64], mean: float) -> float:
    """The shift of log odds at which the mean probability is ``mean``; by bisection, for it grows with the shift."""
    low, high = -8.0, 8.0
    for _ in range(50):
        middle = (low + high) / 2
        if float(np.mean(1 / (1 + np.exp(-(odds + middle))))) < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2
