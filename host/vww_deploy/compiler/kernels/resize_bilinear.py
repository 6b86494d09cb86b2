"""RESIZE_BILINEAR."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import Kernel, KernelRule
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.resize_bilinear import ResizeBilinear


class _ResizeBilinear(KernelRule[ResizeBilinear]):
    name = "resize_bilinear"

    def lower(self, graph: Graph, op: ResizeBilinear, *, interleaved: bool) -> Kernel:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        params = struct_of("resize_bilinear", "ResizeBilinearParams").fill(
            in_h=source.height,
            in_w=source.width,
            out_w=out.width,
            channels=out.channels,
            first_row=op.down.first,
            row_step=op.down.step,
            first_column=op.across.first,
            column_step=op.across.step,
        )
        return Kernel("resize_bilinear", "resize_bilinear", params)


RULE: Final = _ResizeBilinear()
