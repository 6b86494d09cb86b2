"""PAD and PADV2."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import Kernel, KernelRule, KernelWork
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.pad import Pad


class _Pad(KernelRule[Pad]):
    name = "pad"

    def lower(self, graph: Graph, op: Pad, *, interleaved: bool) -> Kernel:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        params = struct_of("pad", "PadParams").fill(
            in_h=source.height,
            in_w=source.width,
            in_c=source.channels,
            out_h=out.height,
            out_w=out.width,
            out_c=out.channels,
            top=op.padding.top,
            left=op.padding.left,
            front=op.channels_before,
            value=op.value,
        )
        return Kernel("pad", "pad", params)

    def work(self, graph: Graph, op: Pad) -> KernelWork:
        out = graph.activations[op.output]
        return KernelWork("pad", {"outputs": out.size, "channels": out.channels})


RULE: Final = _Pad()
