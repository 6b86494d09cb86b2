"""Whatever picks rows, columns and channels."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.compiler.kernels.kernel import Kernel, KernelRule, KernelWork
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.gather import Gather


class _Gather(KernelRule[Gather]):
    name = "gather"

    def lower(self, graph: Graph, op: Gather, *, interleaved: bool) -> Kernel:
        out = graph.activations[op.output]
        arrays = [("rows", "int16_t", np.array(op.rows, np.int16))]
        arrays += [("channels", "int16_t", np.array(op.channels, np.int16))]
        if not _is_run(op):
            arrays.append(("columns", "int16_t", np.array(op.columns, np.int16)))
        params = struct_of("gather", "GatherParams").fill(
            rows="$rows",
            columns="nullptr" if _is_run(op) else "$columns",
            channels="$channels",
            out_w=out.width,
            out_c=out.channels,
            first_column=op.columns[0],
        )
        return Kernel("gather", "gather", params, tuple(arrays))

    def work(self, graph: Graph, op: Gather) -> KernelWork:
        out = graph.activations[op.output]
        amounts = {"lines": out.height * out.channels, "copied": out.size}
        if not _is_run(op):
            amounts["picked"] = out.size
        return KernelWork("gather", amounts)


def _is_run(op: Gather) -> bool:
    """Whether its columns lie side by side."""
    return op.columns == tuple(range(op.columns[0], op.columns[0] + len(op.columns)))


RULE: Final = _Gather()
