"""Copies between planes and height, width, channel order."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import Kernel, KernelRule, Site
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.copy import Copy


class _Copy(KernelRule[Copy]):
    name = "copy"

    def lower(self, graph: Graph, op: Copy, *, interleaved: bool) -> Kernel:
        return Kernel("copy_to_hwc" if op.to_interleaved else "copy_from_hwc", "copy")

    def call(self, graph: Graph, op: Copy, kernel: Kernel, site: Site) -> list[str]:
        source, out = op.inputs[0], op.output
        planes = graph.activations[source if op.to_interleaved else out]
        if op.to_interleaved:
            places = f"{site.view(source)}, {site.address(out)}"
        else:
            places = f"{site.address(source)}, {site.view(out)}"
        return [f"vww::{kernel.function}({planes.channels}, {planes.width}, {places}, {site.rows});"]


RULE: Final = _Copy()
