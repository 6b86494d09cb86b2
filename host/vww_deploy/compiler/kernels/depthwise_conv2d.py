"""DEPTHWISE_CONV_2D."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, KernelWork, Site
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.compiler.kernels.scaling import (
    Int8,
    Int32,
    PackedScaling,
    Scale,
    even,
    folded_scales,
    fused_scales,
    kind_of,
    live_weights,
    packed,
    scale_of,
    words,
)
from vww_deploy.compiler.kernels.windows import window_fields
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.depthwise_conv2d import DepthwiseConv2D


class _DepthwiseConv2D(KernelRule[DepthwiseConv2D]):
    name = "depthwise_conv2d"

    def lower(self, graph: Graph, op: DepthwiseConv2D, *, interleaved: bool) -> Kernel:
        source, out, window = graph.activations[op.inputs[0]], graph.activations[op.output], op.window
        zero_point = source.quantization.zero_point
        constants = pack_depthwise(op.weights, op.requantization.bias, zero_point, scale_of(op.requantization, out))
        params = struct_of("depthwise_conv2d", "DepthwiseParams").fill(
            constants="$constants",
            requant=constants.requant,
            in_h=source.height,
            in_w=source.width,
            in_c=source.channels,
            out_h=out.height,
            out_w=out.width,
            multiplier=op.depth_multiplier,
            **window_fields(window),
            input_zero_point=zero_point,
        )
        scratch = depthwise_scratch_bytes(
            *window.kernel, window.stride[1], *window.dilation, in_w=source.width, out_w=out.width
        )
        arrays = (("constants", "int8_t", constants.constants),)
        return Kernel("depthwise_conv2d", "depthwise_conv2d", params, arrays, scratch)

    def in_place(self, graph: Graph, op: DepthwiseConv2D) -> InPlace:
        return InPlace.SAME | InPlace.SHRINK if op.depth_multiplier == 1 else InPlace.NEVER

    def call(self, graph: Graph, op: DepthwiseConv2D, kernel: Kernel, site: Site) -> list[str]:
        views = f"{site.view(op.inputs[0])}, {site.view(op.output)}"
        return [f"vww::depthwise_conv2d({site.params}, {views}, {site.rows}, {site.scratch()});"]

    def work(self, graph: Graph, op: DepthwiseConv2D) -> KernelWork:
        out, source = graph.activations[op.output], graph.activations[op.inputs[0]]
        amounts = {
            "macs": op.macs(graph),
            "outputs": out.size,
            "channels": out.channels,
            "lines": out.height * out.channels,
            "places": out.height * out.width,
        }
        if source.channels == 1 and op.depth_multiplier > 1:  # becomes a convolution
            return KernelWork("conv2d windows", amounts)
        if op.window.kernel != (3, 3):
            return KernelWork("depthwise_conv2d any", amounts)
        dense = op.window.stride == (1, 1)
        return KernelWork("depthwise_conv2d 3x3" if dense else "depthwise_conv2d 3x3 strided", amounts)

    def work_of_rows(self, graph: Graph, op: DepthwiseConv2D, calls: int) -> KernelWork:
        source, window = graph.activations[op.inputs[0]], op.window
        # The rows that two windows share are widened again by every call; 3x3 windows have a kernel of their own.
        again = max((window.kernel[0] - 1) * window.dilation[0] + 1 - window.stride[0], 0)
        copied = "bytes widened" if window.kernel == (3, 3) else "bytes copied"
        channels = calls * source.channels
        return KernelWork("rows", {"calls": calls, "channel calls": channels, copied: channels * again * source.width})


RULE: Final = _DepthwiseConv2D()


def pack_depthwise(weights: Int8, bias: Int32 | None, input_zero_point: int, scale: Scale) -> PackedScaling:
    """A DEPTHWISE_CONV_2D layer's constants.

    ``weights`` int8 (kernel height, kernel width, out channels); ``bias`` int32 (out channels,) or None.
    The order of the bytes is described at the top of depthwise_conv2d.cpp.

    Raises ValueError when a folded bias leaves 32 bits.
    """
    rows = live_weights(weights.transpose(2, 0, 1), scale).reshape(weights.shape[2], -1)
    biases, multipliers, exponents = folded_scales(rows, bias, input_zero_point, scale)
    fused = fused_scales(rows, biases, multipliers, exponents, scale)
    blocks: list[npt.NDArray[np.generic]] = []
    for c, row in enumerate(rows):
        numbers = (int(biases[c]), int(multipliers[c]), int(exponents[c]))
        if fused.exact[c]:
            numbers = (256 * int(biases[c]) + int(fused.offsets[c]), int(fused.multipliers[c]), 0)
        blocks += [words(*numbers[:2]), row, np.array([numbers[2]], np.uint8)]
    return packed(blocks, kind_of(exponents, multipliers, fused.exact, scale), scale)


def depthwise_scratch_bytes(
    kernel_h: int, kernel_w: int, stride_w: int, dilation_h: int, dilation_w: int, *, in_w: int, out_w: int
) -> int:
    """Scratch of ``vww::depthwise_conv2d``: weights of one channel and rows of one plane, padded, as int16."""
    weights = kernel_h * (kernel_w // 2 + 1) * 2 * 4
    span = (kernel_h - 1) * dilation_h + 1
    reach = ((out_w + 3) // 4 * 4 - 1) * stride_w + (kernel_w - 1) * dilation_w + 2
    size = weights + span * even(reach) * 2
    # Windows of 3 by 3 usually take another way: kRows rows and two columns a word (kWidest columns at most).
    if kernel_h == kernel_w == 3 and dilation_h == dilation_w == 1 and stride_w <= 2 and in_w <= 60:
        size = max(size, (2 * ((in_w + 3) // 4) + 3) * 14 * 4)
    return size
