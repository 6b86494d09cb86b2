"""TRANSPOSE where an operator needs the values in their own order."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import Kernel, KernelRule
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.transpose import Transpose


class _Transpose(KernelRule[Transpose]):
    name = "transpose"

    def lower(self, graph: Graph, op: Transpose, *, interleaved: bool) -> Kernel:
        out = graph.activations[op.output]
        names = dict(zip(("rows", "columns", "channels"), op.order, strict=True))
        params = struct_of("transpose", "TransposeParams").fill(w=out.width, out_c=out.channels, **names)
        return Kernel("transpose", "transpose", params)


RULE: Final = _Transpose()
