"""Layers whose weights have a zero point."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import Kernel, KernelRule, KernelWork
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.compiler.kernels.windows import window_fields
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.wide_conv2d import WideConv2D


class _WideConv2D(KernelRule[WideConv2D]):
    name = "wide_conv2d"

    def lower(self, graph: Graph, op: WideConv2D, *, interleaved: bool) -> Kernel:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        scaling = op.requantization
        params = struct_of("wide_conv2d", "WideConvParams").fill(
            weights="$weights",
            biases="$biases",
            multiplier=int(scaling.multiplier[0]),
            in_h=source.height,
            in_w=source.width,
            group_in=source.channels // op.groups,
            group_out=out.channels // op.groups,
            out_w=out.width,
            out_c=out.channels,
            **window_fields(op.window),
            input_zero_point=source.quantization.zero_point,
            weight_zero_point=op.zero_point,
            output_zero_point=out.quantization.zero_point,
            clamp_min=scaling.clamp_min,
            clamp_max=scaling.clamp_max,
            shift=int(scaling.shift[0]),
            rounds_once=scaling.rounds_once,
        )
        arrays = (("weights", "int8_t", op.weights), ("biases", "int32_t", scaling.bias))
        return Kernel("wide_conv2d", "wide_conv2d", params, arrays)

    def work(self, graph: Graph, op: WideConv2D) -> KernelWork:
        return KernelWork("wide_conv2d", {"macs": op.macs(graph), "outputs": graph.activations[op.output].size})


RULE: Final = _WideConv2D()
