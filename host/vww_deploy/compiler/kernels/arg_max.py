"""ARG_MAX over the channels."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, KernelWork
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.arg_max import ArgMax


class _ArgMax(KernelRule[ArgMax]):
    name = "arg_max"

    def lower(self, graph: Graph, op: ArgMax, *, interleaved: bool) -> Kernel:
        source = graph.activations[op.inputs[0]]
        params = struct_of("arg_max", "ArgMaxParams").fill(channels=source.channels, w=source.width)
        return Kernel("arg_max", "arg_max", params)

    def in_place(self, graph: Graph, op: ArgMax) -> InPlace:
        return InPlace.ROWS

    def work(self, graph: Graph, op: ArgMax) -> KernelWork:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        return KernelWork("arg_max", {"outputs": out.size, "values": source.size})


RULE: Final = _ArgMax()
