"""A table of 256 values, or one for each channel."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.lookup import Lookup


class _Lookup(KernelRule[Lookup]):
    name = "lookup"

    def lower(self, graph: Graph, op: Lookup, *, interleaved: bool) -> Kernel:
        out = graph.activations[op.output]
        # An interleaved row is a row of one channel, as wide as its bytes.
        width, channels = (out.width * out.channels, 1) if interleaved else (out.width, out.channels)
        step = op.tables.shape[1] if len(op.tables) > 1 else 0
        params = struct_of("lookup", "LookupParams").fill(tables="$tables", w=width, channels=channels, step=step)
        return Kernel("lookup", "lookup", params, (("tables", "int8_t", op.tables),))

    def in_place(self, graph: Graph, op: Lookup) -> InPlace:
        return InPlace.ROWS | InPlace.SAME


RULE: Final = _Lookup()
