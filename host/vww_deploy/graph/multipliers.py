"""Fixed-point multipliers exactly as TFLite computes them: double arithmetic on float32 scales."""

from __future__ import annotations

import math

import numpy as np


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with real = multiplier / 2**31 * 2**shift; multiplier in [2**30, 2**31) or 0, positive
    shift to the left.
    """
    if real == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    multiplier = _round_half_away(mantissa * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return (1 << 31) - 1, 30
    return multiplier, shift


def mean_multiplier(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """MEAN's (multiplier, shift): the ratio of the scales with LiteRT's division by ``count`` elements worked in."""
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


def _round_half_away(value: float) -> int:
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


def activation_clamp(activation: str, scale: float, zero_point: int) -> tuple[int, int]:
    """The int8 range of a fused activation (NONE, RELU, RELU_N1_TO_1 or RELU6); rounds in float32 as TFLite does.

    Raises:
        ValueError: the scale is so small that the range leaves LiteRT's 32 bits.
    """

    def quantize(value: float) -> int:
        with np.errstate(over="ignore"):
            steps = float(np.float32(value) / np.float32(scale))
        if abs(steps) >= 1 << 31:  # its pools do not look, its other operators refuse it
            raise ValueError(f"an output scale of {scale:g}")
        return zero_point + _round_half_away(steps)

    low, high = -128, 127
    if activation in ("RELU", "RELU6"):
        low = max(low, quantize(0.0))
    if activation == "RELU6":
        high = min(high, quantize(6.0))
    if activation == "RELU_N1_TO_1":
        low, high = max(low, quantize(-1.0)), min(high, quantize(1.0))
    return low, high
