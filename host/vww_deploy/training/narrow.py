"""A narrower network from a trained one: the channels that matter most, as a place to begin training from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.costs import BLOCKS


def take_channels(wide: Any, narrow: Any) -> None:
    """Fill a network's weights with the most useful channels of a wider one of the same input.

    A channel counts by the size that its activations have after normalisation and ReLU6 times the size of the weights
    that read it. The normalisation's statistics no longer hold, so the narrow network must be trained on.
    """
    kept = np.arange(wide.input_shape[3])
    last = len(BLOCKS)
    for index in range(last + 1):
        name = "conv0" if index == 0 else f"pw{index}"
        if index:
            narrow.get_layer(f"dw{index}").set_weights([wide.get_layer(f"dw{index}").get_weights()[0][:, :, kept]])
            _normalisation(wide, narrow, f"dw{index}", kept)
        reader = wide.get_layer("classes" if index == last else f"pw{index + 1}").get_weights()[0]
        seen = _activity(wide, f"pw{last}" if index == last else f"dw{index + 1}")
        worth = seen * np.sqrt(np.square(reader.reshape(-1, reader.shape[-1])).sum(axis=1))
        chosen = np.sort(np.argsort(-worth)[: narrow.get_layer(name).filters])
        narrow.get_layer(name).set_weights([wide.get_layer(name).get_weights()[0][:, :, kept][..., chosen]])
        _normalisation(wide, narrow, name, chosen)
        kept = chosen
    kernel, bias = wide.get_layer("classes").get_weights()
    narrow.get_layer("classes").set_weights([kernel[kept], bias])


def _normalisation(wide: Any, narrow: Any, name: str, kept: npt.NDArray[np.int64]) -> None:
    values = wide.get_layer(f"{name}_bn").get_weights()
    narrow.get_layer(f"{name}_bn").set_weights([one[kept] for one in values])


def _activity(model: Any, name: str) -> npt.NDArray[np.float64]:
    """Root mean square of each channel after ReLU6, if normalised values are normally distributed."""
    gamma, beta, _, _ = model.get_layer(f"{name}_bn").get_weights()
    normal = np.random.default_rng(0).standard_normal((2000, 1))
    values = np.clip(beta + gamma * normal, 0.0, 6.0)
    return np.asarray(np.sqrt(np.square(values).mean(axis=0)), np.float64)
