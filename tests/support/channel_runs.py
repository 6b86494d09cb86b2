"""Convolutions some of whose channels fit no pair: -128 beside negative weights, large multipliers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.support.random_models import RandomModel
from tests.support.tflite_writer import options


def spoil(weights: np.ndarray, first: int, how: str) -> None:
    """Puts -128 into the pair (first, first + 1) of (out channels, ...): into its low or high channel, or both."""
    low, high = weights[first].reshape(-1), weights[first + 1].reshape(-1)
    for one, other in ((low, high), (high, low)):
        one[one == -128], other[other == -128] = -127, -127
    if how in ("low", "both"):
        low[0], high[0] = -128, -5
    if how in ("high", "both"):
        low[-1], high[-1] = -5, -128


def given_layer(model: RandomModel, weights: np.ndarray, multipliers: Sequence[float], zero_point: int) -> None:
    """A SAME convolution with these weights (out channels, height, width, in channels) and multipliers."""
    source = model.now
    out_scale = 0.05
    scales = np.array(multipliers) * out_scale / source.scale
    index = model.writer.tensor(weights.shape, scale=scales.tolist(), data=weights, axis=0)
    bias = model.random.integers(-500, 500, len(weights))
    bias_index = model.writer.tensor(
        bias.shape, dtype="INT32", scale=(scales * source.scale).astype(np.float32).tolist(), data=bias
    )
    out = model.output((*source.shape[:3], len(weights)), out_scale, zero_point)
    fields = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    table = options("Conv2DOptions", Padding=0, FusedActivationFunction=int(zero_point == -128), **fields)
    model.writer.op("CONV_2D", [source.index, index, bias_index], [out.index], table)


def model_in_runs(seed: int) -> bytes:
    """Convolutions with -128 and large multipliers here and there, of odd and even numbers of channels."""
    model = RandomModel(np.random.default_rng(seed), 6, 7, 3)
    for channels, kernel, zero_point in ((9, 3, -128), (16, 1, -128), (13, 1, 5), (8, 3, -128), (5, 1, -20)):
        taps = (kernel, kernel, model.now.shape[3])
        weights = model.random.integers(-127, 128, (channels, *taps))
        multipliers = model.random.uniform(0.5, 2, channels) / (40 * np.sqrt(np.prod(taps)))
        for first in model.random.integers(0, channels - 1, 2):
            spoil(weights, int(first), "both")
        multipliers[int(model.random.integers(channels))] = model.random.choice([0.25, 0.3, 0.45, 0.6])
        given_layer(model, weights, multipliers, zero_point)
    return model.finish()
