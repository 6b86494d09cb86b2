"""ADD of two tensors of one shape."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, KernelWork
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.add import Add


class _Add(KernelRule[Add]):
    name = "add"

    def lower(self, graph: Graph, op: Add, *, interleaved: bool) -> Kernel:
        first, second = (graph.activations[i] for i in op.inputs)
        out = graph.activations[op.output]
        params = struct_of("add", "AddParams").fill(
            h=out.height,
            w=out.width,
            channels=out.channels,
            input1_offset=-first.quantization.zero_point,
            input2_offset=-second.quantization.zero_point,
            output_offset=out.quantization.zero_point,
            clamp_min=op.clamp_min,
            clamp_max=op.clamp_max,
            input1_multiplier=op.multipliers[0],
            input2_multiplier=op.multipliers[1],
            output_multiplier=op.multipliers[2],
            input1_shift=op.shifts[0],
            input2_shift=op.shifts[1],
            output_shift=op.shifts[2],
        )
        return Kernel("add", "add", params)

    def in_place(self, graph: Graph, op: Add) -> InPlace:
        return InPlace.ROWS

    def work(self, graph: Graph, op: Add) -> KernelWork:
        out = graph.activations[op.output]
        return KernelWork("add", {"outputs": out.size, "channels": out.channels})


RULE: Final = _Add()
