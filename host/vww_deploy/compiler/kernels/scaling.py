"""A weighted layer's biases and scales as the kernels want them: ``vww::Requant`` and the words of each channel.

The formats are a contract between these modules and the C++ of the same release; nothing else may depend on them.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.kernels.fused_scaling import Fused, fuse
from vww_deploy.graph.ir import Activation, Requantization

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]


class RequantKind(enum.Enum):
    """Names of ``vww::RequantKind``'s members; a layer uses the cheapest that is exact for its channels."""

    GENERIC = "kGeneric"
    CLAMP = "kClamp"
    SATURATE = "kSaturate"


@dataclass(frozen=True)
class Scale:
    """How a layer's accumulators are scaled, by output channel, and the range of its output.

    ``multipliers`` are TFLite's: Q31 in [2**30, 2**31) or 0; ``shifts`` in -31..30, negative ones to the right;
    both are int32 of shape (channels,). ``rounds_once`` is for FULLY_CONNECTED, which LiteRT scales with one rounding.
    """

    multipliers: Int32
    shifts: Int32
    output_zero_point: int
    clamp_min: int
    clamp_max: int
    rounds_once: bool = False


@dataclass(frozen=True)
class PackedScaling:
    """A layer's weights, biases and scales as one run of bytes (align it to 4), and ``vww::Requant``'s fields."""

    constants: Int8
    output_offset: int
    clamp_min: int
    clamp_max: int
    kind: RequantKind
    rounds_once: bool
    in_runs: bool = False
    """A convolution's constants are in runs of channels, some of which are of kind GENERIC whatever ``kind`` is."""

    @property
    def requant(self) -> str:
        """The initialiser of a ``vww::Requant``."""
        rounding = ", true" if self.rounds_once else ""
        kind = f"vww::RequantKind::{self.kind.value}{rounding}"
        return f"{{{self.output_offset}, {self.clamp_min}, {self.clamp_max}, {kind}}}"


def scale_of(requantization: Requantization, out: Activation) -> Scale:
    """A layer's scaling."""
    return Scale(
        multipliers=requantization.multiplier,
        shifts=requantization.shift,
        output_zero_point=out.quantization.zero_point,
        clamp_min=requantization.clamp_min,
        clamp_max=requantization.clamp_max,
        rounds_once=requantization.rounds_once,
    )


def even(n: int) -> int:
    """The next even number."""
    return n + n % 2


def live_weights(weights: Int8, scale: Scale) -> Int8:
    """Weights (channels, ...) without those of channels that are scaled by 0."""
    dead = scale.multipliers == 0
    return np.where(dead.reshape(-1, *[1] * (weights.ndim - 1)), np.int8(0), weights)


def folded_scales(
    rows: Int8, bias: Int32 | None, input_zero_point: int, scale: Scale
) -> tuple[Int32, npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """Biases with the input's zero point folded in, doubled multipliers and exponents, by channel."""
    if (scale.multipliers < 0).any() or scale.shifts.min() < -31 or scale.shifts.max() > 30:
        raise ValueError("a multiplier or shift is out of TFLite's range")
    dead = scale.multipliers == 0
    folded = -input_zero_point * rows.astype(np.int64).sum(axis=1)
    if bias is not None:
        folded = folded + np.where(dead, 0, bias)
    if np.abs(folded).max(initial=0) >= 1 << 31:
        raise ValueError("a bias leaves 32 bits when the input's zero point is folded into it")
    # With its weights and bias cleared a channel scaled by 0 may have any scale: one that the fast kernels take.
    multipliers = np.where(dead, 1 << 30, scale.multipliers)
    shifts = np.where(dead, -2, scale.shifts)
    return folded.astype(np.int32), (2 * multipliers).astype(np.uint32), (32 + shifts).astype(np.uint8)


def fused_scales(
    rows: Int8,
    biases: Int32,
    multipliers: npt.NDArray[np.uint32],
    exponents: npt.NDArray[np.uint8],
    scale: Scale,
) -> Fused:
    """The fused scaling of channels with these weights (channels, taps) and any int8 input."""
    above = np.clip(rows, 0, None).sum(axis=1, dtype=np.int64)
    below = np.clip(rows, None, 0).sum(axis=1, dtype=np.int64)
    return fuse(
        multipliers,
        exponents,
        (biases - 128 * above + 127 * below, biases + 127 * above - 128 * below),
        output_zero_point=scale.output_zero_point,
        clamp=(scale.clamp_min, scale.clamp_max),
        rounds_once=scale.rounds_once,
    )


def even_long(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values with zeros after them if their number is odd."""
    return np.concatenate([values, np.zeros((len(values) % 2, *values.shape[1:]), values.dtype)])


def words(*values: int) -> npt.NDArray[np.uint32]:
    """The lowest 32 bits of each value."""
    return np.array([value & 0xFFFFFFFF for value in values], np.uint32)


def packed(
    blocks: Sequence[npt.NDArray[np.generic]], kind: RequantKind, scale: Scale, *, in_runs: bool = False
) -> PackedScaling:
    """The blocks as one run of bytes."""
    return PackedScaling(
        constants=np.frombuffer(b"".join(block.tobytes() for block in blocks), np.int8),
        output_offset=scale.output_zero_point,
        clamp_min=scale.clamp_min,
        clamp_max=scale.clamp_max,
        kind=kind,
        rounds_once=scale.rounds_once,
        in_runs=in_runs,
    )


def two_roundings_fit(
    exponents: npt.NDArray[np.uint8], multipliers: npt.NDArray[np.uint32], scale: Scale
) -> npt.NDArray[np.bool_]:
    """By channel, whether the fast kernels can scale it as the reference does, with two roundings."""
    return (multipliers >= 1 << 31) & (exponents <= 30) & (not scale.rounds_once)


def fast_kind(scale: Scale) -> RequantKind:
    """The kind of a layer that the fast kernels can scale."""
    return RequantKind.SATURATE if (scale.clamp_min, scale.clamp_max) == (-128, 127) else RequantKind.CLAMP


def kind_of(
    exponents: npt.NDArray[np.uint8],
    multipliers: npt.NDArray[np.uint32],
    fused: npt.NDArray[np.bool_],
    scale: Scale,
) -> RequantKind:
    """The cheapest kind that is exact for all channels; ``fused`` tells which of them have the fused scaling."""
    if not fused.all() and not two_roundings_fit(exponents, multipliers, scale).all():
        return RequantKind.GENERIC
    return fast_kind(scale)
