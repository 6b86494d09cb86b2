"""What the two pools have in common."""

from __future__ import annotations

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, KernelWork
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.compiler.kernels.windows import window_fields
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.pool import Pool


class PoolRule(KernelRule[Pool]):
    """A pool; its kernel is called as its files are."""

    def __init__(self, name: str) -> None:
        self.name = name

    def lower(self, graph: Graph, op: Pool, *, interleaved: bool) -> Kernel:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        params = struct_of("pool", "PoolParams").fill(
            in_h=source.height,
            in_w=source.width,
            channels=source.channels,
            out_h=out.height,
            out_w=out.width,
            **window_fields(op.window, dilates=False),
            clamp_min=op.clamp_min,
            clamp_max=op.clamp_max,
            offset=128 if op.unsigned else 0,
        )
        return Kernel(self.name, self.name, params)

    def in_place(self, graph: Graph, op: Pool) -> InPlace:
        return InPlace.SHRINK if op.window.padding.top == op.window.padding.left == 0 else InPlace.NEVER

    def work(self, graph: Graph, op: Pool) -> KernelWork:
        out = graph.activations[op.output]
        values = out.size * op.window.kernel[0] * op.window.kernel[1]
        return KernelWork(self.name, {"outputs": out.size, "channels": out.channels, "values": values})
