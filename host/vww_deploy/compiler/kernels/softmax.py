"""SOFTMAX over the channels, of a vector or at each position of a map."""

from __future__ import annotations

import math
from typing import Final

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, Site
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.multipliers import quantize_multiplier
from vww_deploy.graph.operators.softmax import Softmax


class _Softmax(KernelRule[Softmax]):
    name = "softmax"

    def lower(self, graph: Graph, op: Softmax, *, interleaved: bool) -> Kernel:
        source = graph.activations[op.inputs[0]]
        multiplier, left_shift, diff_min = softmax_scaling(source.quantization.scale, op.beta)
        params = struct_of("softmax", "SoftmaxParams").fill(
            size=source.channels, w=source.width, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min
        )
        return Kernel("softmax", "softmax", params)

    def in_place(self, graph: Graph, op: Softmax) -> InPlace:
        source = graph.activations[op.inputs[0]]
        return InPlace.ANY if source.height * source.width == 1 else InPlace.ROWS

    def call(self, graph: Graph, op: Softmax, kernel: Kernel, site: Site) -> list[str]:
        source = graph.activations[op.inputs[0]]
        if source.height * source.width > 1:
            return [f"vww::softmax_map({site.params}, {site.view(op.inputs[0])}, {site.view(op.output)}, {site.rows});"]
        return [f"vww::softmax({site.params}, {site.address(op.inputs[0])}, {site.address(op.output)});"]


RULE: Final = _Softmax()


def softmax_scaling(input_scale: float, beta: float) -> tuple[int, int, int]:
    """SOFTMAX's (multiplier, left_shift, diff_min) as TFLite's PreprocessSoftmaxScaling computes them."""
    integer_bits = 5
    real = min(beta * input_scale * (1 << (31 - integer_bits)), (1 << 31) - 1.0)
    multiplier, left_shift = quantize_multiplier(real)
    radius = math.floor(((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift))
    return multiplier, left_shift, -radius
