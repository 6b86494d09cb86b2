"""Requantisation with one multiplication instead of the reference's two roundings, where that is proved to be exact.

The reference scales an accumulator ``s`` with a doubling high multiply and a rounding shift, adds the output's zero
point and clamps. That is a step function of ``s``: it never falls, and it is known by its thresholds, for each output
value the smallest sum that reaches it. The fused form

    saturate8((((256 * s + offset) * multiplier >> 32) + 512 * zero_point + 256) >> 9)

(SMMLA and SSAT on a Cortex-M4) is one, too. So both are equal for every sum that the weights can reach if they are
equal at the thresholds: next to each of them, the sum that reaches the output value and the one below that does not.
That is what :func:`fuse` looks for, channel by channel; a channel without such a pair keeps the reference's form.

A threshold leaves ``offset`` a range of 256 values at most, which the phases of the others narrow down to a few. Where
outputs lie on both sides of the zero point there is usually none: the reference rounds halves away from zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

SHIFT: Final = 9
"""Binary places of the fused form's intermediate result."""
_STEPS: Final = (0, 1, -1, 2, -2, 3, -3, 5, -5, 8, -8, 13, -13, 21, -21, 34, -34, 55, -55, 89, -89)
"""Distances from the nearest multiplier that are tried."""
_MOST: Final = 1 << 22
"""Sums at least as large as this are left alone: 256 times as much must fit 32 bits."""
_MOST_RIGHT: Final = 20
"""Right shifts beyond this are left alone: no sum that small is scaled to more than one output value."""


@dataclass(frozen=True)
class Fused:
    """By output channel: whether the fused form is exact, and its numbers (0 where it is not).

    ``multipliers`` in 1 ..< 2**31 (dead channels have 0), ``offsets`` in 1/256 of an accumulator. Exact also if
    ``offset - 1`` stands for ``offset`` where ``s + offset // 256`` is negative. No offset is a multiple of 256 where
    that occurs: it lies in the highest byte beside the sum, from which a negative sum would take 1 without a borrow.
    """

    exact: npt.NDArray[np.bool_]
    multipliers: Int64
    offsets: Int64


def fuse(
    doubled_multipliers: npt.NDArray[np.uint32],
    exponents: npt.NDArray[np.uint8],
    sums: tuple[Int64, Int64],
    *,
    output_zero_point: int,
    clamp: tuple[int, int],
    rounds_once: bool,
) -> Fused:
    """Looks for the fused form of each channel's scaling by ``doubled_multiplier / 2**32 * 2**(exponent - 32)``.

    ``sums`` are the least and the greatest accumulator that can occur; all arrays have shape (channels,). ``clamp`` is
    the range of the output, which both forms are clamped to afterwards. ``rounds_once``: see
    :class:`vww_deploy.compiler.kernels.scaling.Scale`.
    """
    least, most = sums
    right = 32 - exponents.astype(np.int64)
    candidates = (right >= 2) & (right <= _MOST_RIGHT) & (least > -_MOST) & (most < _MOST)
    candidates &= doubled_multipliers >= 1 << 31
    channels = np.flatnonzero(candidates)
    result = Fused(np.zeros(len(right), np.bool_), np.zeros(len(right), np.int64), np.zeros(len(right), np.int64))
    # How far the outputs that have a threshold lie from the zero point.
    values = np.arange(clamp[0] + 1, clamp[1] + 1, dtype=np.int64) - output_zero_point
    nearest = np.round(doubled_multipliers * 2.0 ** (SHIFT - 8 - right)).astype(np.int64)
    thresholds = np.zeros((len(right), len(values)), np.int64)
    thresholds[channels] = _thresholds(
        values, doubled_multipliers[channels, None].astype(np.int64), right[channels, None], rounds_once=rounds_once
    )
    for step in _STEPS:
        if len(channels) == 0:
            break
        multipliers = nearest[channels] + step
        at, low, high = thresholds[channels], least[channels, None], most[channels, None]
        found, offsets = _offsets(np.maximum(multipliers, 1), at, low, high, values)
        found &= (multipliers > 0) & (multipliers < 1 << 31)
        done = channels[found]
        result.exact[done] = True
        result.multipliers[done] = multipliers[found]
        result.offsets[done] = offsets[found]
        channels = channels[~found]
    return result


def _thresholds(values: Int64, multipliers: Int64, right: Int64, *, rounds_once: bool) -> Int64:
    """The smallest sum that the reference scales to each value or more: (channels, values)."""
    half = np.int64(1) << (right - 1)
    if rounds_once:  # (s * multiplier + 2**(31 + right)) >> (32 + right) >= value, 2**(1 + right) taken out first
        return -(-(((2 * values - 1) << 31) << right) // multipliers)
    # The second rounding reaches a value where the first one's result reaches this: halves go away from zero.
    scaled = (values << right) - half + np.where(values > 0, 0, 1)
    return -(-((scaled << 32) - (1 << 31)) // multipliers)


def _offsets(
    multipliers: Int64, thresholds: Int64, low: Int64, high: Int64, values: Int64
) -> tuple[npt.NDArray[np.bool_], Int64]:
    """Whether some offset gives all thresholds, and such an offset, by channel."""
    # (256 * s + offset) * multiplier must reach this at the threshold, and must not at the sum below.
    reached = (2 * values - 1) << (32 + SHIFT - 1)
    needed = -(-reached // multipliers[:, None])
    at = np.clip(thresholds, low, high + 1)
    distance = needed - 256 * at
    none, all_ = np.int64(-(1 << 40)), np.int64(1 << 40)
    least = np.where(thresholds <= high, distance, none).max(axis=1, initial=none)
    most = np.where(thresholds > low, distance + 255, all_).min(axis=1, initial=all_)
    least, most = np.maximum(least, -(1 << 15)), np.minimum(most, 1 << 15)
    offsets = (least + most + 1) // 2
    awkward = offsets % 256 == 0
    offsets += np.where(awkward & (offsets < most), 1, np.where(awkward & (offsets > least), -1, 0))
    # And where a negative sum takes one away.
    strict = np.where((thresholds <= high) & (at + (offsets[:, None] >> 8) < 0), distance + 1, none)
    found = (least <= most) & (offsets >= strict.max(axis=1, initial=none))
    found &= (offsets % 256 != 0) | (low[:, 0] + offsets // 256 >= 0)
    return found, offsets
