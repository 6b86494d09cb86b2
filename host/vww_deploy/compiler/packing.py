"""Weights, biases and scales as the kernels of ``firmware/lib/vww_nn`` want them, and the scratch memory they need.

The formats are a contract between this module and the C++ of the same release; nothing else may depend on them.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.multipliers import quantize_multiplier

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]

PIXELS_PER_BLOCK: Final = 4
"""Output pixels that a convolution gathers and multiplies at a time (kPixels in conv2d.cpp)."""

READ_PAST_BYTES: Final = 4
"""The arena ends with so many bytes that no tensor uses: kernels may read up to 3 bytes past a tensor."""


class RequantKind(enum.Enum):
    """Names of ``vww::RequantKind``'s members; a layer uses the cheapest that is exact for all its channels."""

    GENERIC = "kGeneric"
    CLAMP = "kClamp"
    SATURATE = "kSaturate"
    RELU = "kRelu"


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
class Packed:
    """A layer's weights, biases and scales as one run of bytes (align it to 4), and ``vww::Requant``'s fields."""

    constants: Int8
    output_offset: int
    clamp_min: int
    clamp_max: int
    kind: RequantKind
    rounds_once: bool


def mean_multiplier(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """MEAN's (multiplier, shift): the ratio of the scales with LiteRT's division by ``count`` elements worked in."""
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


def softmax_scaling(input_scale: float, beta: float) -> tuple[int, int, int]:
    """SOFTMAX's (multiplier, left_shift, diff_min) as TFLite's PreprocessSoftmaxScaling computes them."""
    integer_bits = 5
    real = min(beta * input_scale * (1 << (31 - integer_bits)), (1 << 31) - 1.0)
    multiplier, left_shift = quantize_multiplier(real)
    radius = math.floor(((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift))
    return multiplier, left_shift, -radius


def pack_conv(weights: Int8, bias: Int32 | None, input_zero_point: int, scale: Scale, *, input_is_hwc: bool) -> Packed:
    """A CONV_2D or FULLY_CONNECTED layer's constants.

    ``weights`` int8 (out channels, kernel height, kernel width, in channels); ``bias`` int32 (out channels,) or None.
    The order of the bytes is told at the top of conv2d.cpp.

    Raises ValueError when a folded bias leaves 32 bits.
    """
    channels = weights.shape[0]
    live = _live_weights(weights, scale)
    taps = _interleaved_taps(live) if input_is_hwc else _planar_taps(live)
    bias, multipliers, exponents = _folded(taps, bias, input_zero_point, scale)
    kind = _kind(exponents, multipliers, scale)
    pairs = np.zeros((_even(channels), taps.shape[1]), np.int8)
    pairs[:channels] = taps
    biases = _even_long(bias)
    if kind is not RequantKind.GENERIC and not _can_combine(pairs[::2], pairs[1::2], biases[1::2]):
        kind = RequantKind.GENERIC
    blocks: list[npt.NDArray[np.generic]] = []
    for first, second in zip(range(0, len(pairs), 2), range(1, len(pairs), 2), strict=True):
        if kind is RequantKind.GENERIC:
            weights = np.stack([pairs[first], pairs[second]], axis=1).reshape(-1).view(np.int16)
            bias_of_second = int(biases[second])
        else:
            weights = pairs[first] + 256 * pairs[second].astype(np.int16)
            bias_of_second = int(biases[first]) + 256 * int(biases[second])
        two_biases = np.array([int(biases[first]), bias_of_second], np.int64).astype(np.int32)
        both = slice(first, second + 1)
        blocks += [
            two_biases,
            weights,
            _even_long(multipliers)[both],
            _even_long(exponents)[both],
            np.zeros(2, np.int8),
        ]
    return _packed(blocks, kind, scale)


def _can_combine(low: Int8, high: Int8, high_bias: Int32) -> bool:
    """Whether weights low + 256 * high fit 16 bits, and the sums of the high channels 24."""
    weights = low.astype(np.int32) + 256 * high.astype(np.int32)
    most = np.abs(high_bias.astype(np.int64)) + 128 * np.abs(high.astype(np.int64)).sum(axis=1)
    return bool(weights.min() >= -(1 << 15)) and bool(most.max() < 1 << 23)


def pack_depthwise(weights: Int8, bias: Int32 | None, input_zero_point: int, scale: Scale) -> Packed:
    """A DEPTHWISE_CONV_2D layer's constants.

    ``weights`` int8 (kernel height, kernel width, out channels); ``bias`` int32 (out channels,) or None.
    The order of the bytes is told at the top of depthwise_conv2d.cpp.

    Raises ValueError when a folded bias leaves 32 bits.
    """
    rows = _live_weights(weights.transpose(2, 0, 1), scale).reshape(weights.shape[2], -1)
    bias, multipliers, exponents = _folded(rows, bias, input_zero_point, scale)
    blocks = [part for c in range(len(rows)) for part in (bias[c], multipliers[c], rows[c], exponents[c])]
    return _packed(blocks, _kind(exponents, multipliers, scale), scale)


def conv_scratch_bytes(kernel_h: int, kernel_w: int, in_c: int, *, input_is_hwc: bool) -> int:
    """Scratch of ``vww::conv2d``: the windows of a block of pixels as int16."""
    if input_is_hwc:
        row = kernel_w * in_c
        taps = kernel_h * (row // 4 * 4 + (0, 2, 2, 4)[row % 4])
    else:
        taps = kernel_h * kernel_w * _even(in_c)
    return PIXELS_PER_BLOCK * taps * 2


def depthwise_scratch_bytes(
    kernel_h: int, kernel_w: int, stride_w: int, dilation_h: int, dilation_w: int, *, in_w: int, out_w: int
) -> int:
    """Scratch of ``vww::depthwise_conv2d``: weights of one channel and rows of one plane, padded, as int16."""
    weights = kernel_h * (kernel_w // 2 + 1) * 2 * 4
    span = (kernel_h - 1) * dilation_h + 1
    reach = ((out_w + 3) // 4 * 4 - 1) * stride_w + (kernel_w - 1) * dilation_w + 2
    size = weights + span * _even(reach) * 2
    # Windows of 3 by 3 usually take another way: kRows rows and two columns a word (kWidest columns at most).
    if kernel_h == kernel_w == 3 and dilation_h == dilation_w == 1 and stride_w <= 2 and in_w <= 60:
        size = max(size, (2 * ((in_w + 3) // 4) + 3) * 14 * 4)
    return size


def _even(n: int) -> int:
    return n + n % 2


def _planar_taps(weights: Int8) -> Int8:
    """(channels, taps): by kernel position, input channels padded to an even number."""
    out_c, kernel_h, kernel_w, in_c = weights.shape
    taps = np.zeros((out_c, kernel_h, kernel_w, _even(in_c)), np.int8)
    taps[..., :in_c] = weights
    return taps.reshape(out_c, -1)


def _interleaved_taps(weights: Int8) -> Int8:
    """(channels, taps): by kernel row, its bytes in pairs as conv2d.cpp gathers them."""
    out_c, kernel_h, kernel_w, in_c = weights.shape
    row = kernel_w * in_c
    rest = {0: [], 1: [0, -1], 2: [0, 1], 3: [0, 2, 1, -1]}[row % 4]
    order = [4 * group + i for group in range(row // 4) for i in (0, 2, 1, 3)]
    order += [row // 4 * 4 + i if i >= 0 else row for i in rest]
    with_zero = np.zeros((out_c, kernel_h, row + 1), np.int8)
    with_zero[..., :row] = weights.reshape(out_c, kernel_h, row)
    return with_zero[..., order].reshape(out_c, -1)


def _live_weights(weights: Int8, scale: Scale) -> Int8:
    """Weights (channels, ...) without those of channels that are scaled by 0."""
    dead = scale.multipliers == 0
    return np.where(dead.reshape(-1, *[1] * (weights.ndim - 1)), np.int8(0), weights)


def _folded(
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


def _even_long(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values with a zero after them if their number is odd."""
    return np.concatenate([values, np.zeros(len(values) % 2, values.dtype)])


def _packed(blocks: Sequence[npt.NDArray[np.generic] | np.generic], kind: RequantKind, scale: Scale) -> Packed:
    return Packed(
        constants=np.frombuffer(b"".join(block.tobytes() for block in blocks), np.int8),
        output_offset=scale.output_zero_point,
        clamp_min=scale.clamp_min,
        clamp_max=scale.clamp_max,
        kind=kind,
        rounds_once=scale.rounds_once,
    )


def _kind(exponents: npt.NDArray[np.uint8], multipliers: npt.NDArray[np.uint32], scale: Scale) -> RequantKind:
    if scale.rounds_once or multipliers.min() < 1 << 31 or exponents.max() > 30:
        return RequantKind.GENERIC
    if (scale.clamp_min, scale.clamp_max) != (-128, 127):
        return RequantKind.CLAMP
    return RequantKind.RELU if scale.output_zero_point == -128 else RequantKind.SATURATE
