"""CONCATENATION: a copy of each input into a part of the output."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import Kernel, KernelRule, KernelWork, Site
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.concatenation import Concatenation


class _Concatenation(KernelRule[Concatenation]):
    name = "concatenation"

    def lower(self, graph: Graph, op: Concatenation, *, interleaved: bool) -> Kernel:
        return Kernel("copy_planar", "copy")

    def call(self, graph: Graph, op: Concatenation, kernel: Kernel, site: Site) -> list[str]:
        offset, channel_stride, row_stride, _ = site.fields(op.output)
        stride = (row_stride, 1, channel_stride)[op.axis]
        lines = []
        for tensor in op.inputs:
            source = graph.activations[tensor]
            part = {"offset": offset} if op.axis else {"offset": offset, "rows": source.height}
            views = f"{site.view(tensor)}, {site.view(op.output, **part)}"
            rows = site.rows if op.axis else f"0, {source.height}"
            lines.append(f"vww::copy_planar({source.channels}, {source.width}, {views}, {rows});")
            offset += source.shape[op.axis] * stride
        return lines

    def work(self, graph: Graph, op: Concatenation) -> KernelWork:
        return KernelWork("copy", {"outputs": graph.activations[op.output].size})


RULE: Final = _Concatenation()
