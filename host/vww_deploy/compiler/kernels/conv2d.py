"""CONV_2D: the kernel for windows over all channels, and for dense layers, whose window is the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.kernels.fused_scaling import Int64
from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, KernelWork, Site
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.compiler.kernels.scaling import (
    Int8,
    Int32,
    PackedScaling,
    RequantKind,
    Scale,
    even,
    even_long,
    fast_kind,
    folded_scales,
    fused_scales,
    live_weights,
    packed,
    scale_of,
    two_roundings_fit,
    words,
)
from vww_deploy.compiler.kernels.windows import window_fields
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.conv2d import Conv2D

PIXELS_PER_BLOCK: Final = 4
"""Output pixels that a convolution gathers and multiplies at a time (kPixels in conv2d.cpp)."""

_SHORT_BLOCK: Final = 2.5  # what a block of fewer than four pixels takes, against its share of a full one


class _Conv2D(KernelRule[Conv2D]):
    name = "conv2d"

    def lower(self, graph: Graph, op: Conv2D, *, interleaved: bool) -> Kernel:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        # With one channel both layouts are the same, and the kernel for interleaved pictures is the faster one.
        hwc = interleaved or source.channels == 1
        zero_point = source.quantization.zero_point
        constants = pack_conv(
            op.weights, op.requantization.bias, zero_point, scale_of(op.requantization, out), input_is_hwc=hwc
        )
        params = struct_of("conv2d", "ConvParams").fill(
            constants="$constants",
            requant=constants.requant,
            in_h=source.height,
            in_w=source.width,
            in_c=source.channels,
            out_h=out.height,
            out_w=out.width,
            out_c=out.channels,
            **window_fields(op.window),
            input_zero_point=zero_point,
            input_is_hwc=hwc,
            in_runs=constants.in_runs,
        )
        scratch = conv_scratch_bytes(*op.window.kernel, source.channels, input_is_hwc=hwc)
        return Kernel("conv2d", "conv2d", params, (("constants", "int8_t", constants.constants),), scratch)

    def in_place(self, graph: Graph, op: Conv2D) -> InPlace:
        if not op.is_pointwise:
            return InPlace.NEVER
        widens = graph.activations[op.output].channels > graph.activations[op.inputs[0]].channels
        return InPlace.ROWS | InPlace.SAME | (InPlace.BACKWARD if widens else InPlace.NEVER)

    def call(self, graph: Graph, op: Conv2D, kernel: Kernel, site: Site) -> list[str]:
        views = f"{site.view(op.inputs[0])}, {site.view(op.output)}"
        return [f"vww::conv2d({site.params}, {views}, {site.rows}, {site.scratch()});"]

    def work(self, graph: Graph, op: Conv2D) -> KernelWork:
        out, macs = graph.activations[op.output], op.macs(graph)
        places = out.height * out.width
        pointwise = op.window.kernel == (1, 1)
        if places == 1:  # four pixels at a time are computed, one is needed
            case = "conv2d vector" if pointwise else "conv2d one window"
        else:
            case = "conv2d pointwise" if pointwise else "conv2d windows"
        return KernelWork(case, {"layers": 1, "macs": macs, "outputs": out.size, "places": places})

    def work_of_short_rows(self, graph: Graph, op: Conv2D) -> KernelWork:
        out = graph.activations[op.output]
        if not op.is_pointwise or out.width % PIXELS_PER_BLOCK == 0:
            return KernelWork("rows")
        short = out.width % PIXELS_PER_BLOCK * out.height / (out.width * out.height)
        return KernelWork("rows", {"macs": short * (_SHORT_BLOCK - 1) * op.macs(graph)})

    def work_of_rows(self, graph: Graph, op: Conv2D, calls: int) -> KernelWork:
        return KernelWork("rows", {"calls": calls, **self.work_of_short_rows(graph, op).amounts})


RULE: Final = _Conv2D()


def pack_conv(
    weights: Int8, bias: Int32 | None, input_zero_point: int, scale: Scale, *, input_is_hwc: bool
) -> PackedScaling:
    """A CONV_2D or FULLY_CONNECTED layer's constants.

    ``weights`` int8 (out channels, kernel height, kernel width, in channels); ``bias`` int32 (out channels,) or None.
    The order of the bytes is described at the top of conv2d.cpp.

    Raises ValueError when a folded bias leaves 32 bits.
    """
    live = live_weights(weights, scale)
    taps = _interleaved_taps(live) if input_is_hwc else _planar_taps(live)
    biases, multipliers, exponents = folded_scales(taps, bias, input_zero_point, scale)
    fused = fused_scales(taps, biases, multipliers, exponents, scale)
    exact = two_roundings_fit(exponents, multipliers, scale)
    neighbours = [slice(first, first + 2) for first in range(len(taps))]
    scalable = [bool(fused.exact[both].all() or exact[both].all()) for both in neighbours]
    combinable = [_can_combine(taps[both], biases[both]) for both in neighbours]
    runs = _runs(scalable, combinable)
    in_runs = len(runs) > 1
    blocks: list[npt.NDArray[np.generic]] = []
    for run in runs:
        if in_runs:
            blocks.append(words(2 * run.channels + run.combined))
        for first in range(run.first, run.first + run.channels, 2):
            both = slice(first, min(first + 2, run.first + run.channels))
            block = _pair(taps[both], biases[both], combined=run.combined, offsets=None)
            scales = [even_long(multipliers[both]), even_long(exponents[both]), np.zeros(2, np.int8)]
            if run.combined and fused.exact[both].all():
                block = _pair(taps[both], biases[both], combined=True, offsets=fused.offsets[both])
                scales = [even_long(fused.multipliers[both]).astype(np.uint32)]
            blocks += [*block, *scales]
    kind = fast_kind(scale) if any(run.combined for run in runs) else RequantKind.GENERIC
    return packed(blocks, kind, scale, in_runs=in_runs)


@dataclass
class _Run:
    """Channels one after the other that are stored the same way: in pairs, of which the last may lack one."""

    first: int
    channels: int
    combined: bool


def _runs(scalable: Sequence[bool], combinable: Sequence[bool]) -> list[_Run]:
    """The layer's channels in as few pairs as may be, those of one kind together.

    Both arguments are by channel and say something of it and the next one, or of the last one alone.
    """
    pairs = (len(scalable) + 1) // 2
    runs = _cut(scalable, combinable, splits=True)
    if sum((run.channels + 1) // 2 for run in runs) > pairs + pairs // 4:
        return _cut(scalable, combinable, splits=False)
    return runs


def _cut(scalable: Sequence[bool], combinable: Sequence[bool], *, splits: bool) -> list[_Run]:
    """Runs in which a pair that cannot be combined is split, or left to the general path."""
    runs: list[_Run] = []
    first = 0
    while first < len(scalable):
        alone = splits and scalable[first] and not combinable[first]
        combined = scalable[first] and (alone or combinable[first])
        channels = 1 if alone else min(2, len(scalable) - first)
        if runs and runs[-1].combined == combined and runs[-1].channels % 2 == 0:
            runs[-1].channels += channels
        else:
            runs.append(_Run(first, channels, combined))
        first += channels
    return runs


def _pair(taps: Int8, biases: Int32, *, combined: bool, offsets: Int64 | None) -> list[npt.NDArray[np.generic]]:
    """Biases and weights of two output channels, or of the last one alone: (1 or 2, taps) and (1 or 2,)."""
    low, high = even_long(taps)
    first, second = (int(bias) for bias in even_long(biases))
    if not combined:
        return [words(first, second), np.stack([low, high], axis=1).reshape(-1)]
    offset = 0
    if offsets is not None:
        whole, fraction = divmod(int(offsets[0]), 256)
        first += whole + (fraction << 24)
        offset = int(even_long(offsets)[1])
    return [words(first, first + 256 * second + offset), low + 256 * high.astype(np.int16)]


def _can_combine(taps: Int8, biases: Int32) -> bool:
    """Whether two channels' weights low + 256 * high fit 16 bits, and the sums of the high channel 24."""
    low, high = even_long(taps).astype(np.int64)
    most = abs(int(even_long(biases)[1])) + 128 * int(np.abs(high).sum())
    return bool((low + 256 * high).min() >= -(1 << 15)) and most < 1 << 23


def conv_scratch_bytes(kernel_h: int, kernel_w: int, in_c: int, *, input_is_hwc: bool) -> int:
    """Scratch of ``vww::conv2d``: the windows of a block of pixels as int16."""
    taps = kernel_h * (even(kernel_w * in_c) if input_is_hwc else kernel_w * even(in_c))
    return PIXELS_PER_BLOCK * taps * 2


def _planar_taps(weights: Int8) -> Int8:
    """(channels, taps): by kernel position, input channels padded to an even number."""
    out_c, kernel_h, kernel_w, in_c = weights.shape
    taps = np.zeros((out_c, kernel_h, kernel_w, even(in_c)), np.int8)
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
