"""SPACE_TO_DEPTH and DEPTH_TO_SPACE."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import Kernel, KernelRule
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.space_to_depth import SpaceToDepth


class _SpaceToDepth(KernelRule[SpaceToDepth]):
    name = "space_to_depth"

    def lower(self, graph: Graph, op: SpaceToDepth, *, interleaved: bool) -> Kernel:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        params = struct_of("space_to_depth", "SpaceToDepthParams").fill(
            block=op.block, shallow_c=min(source.channels, out.channels), out_w=out.width, out_c=out.channels
        )
        return Kernel("depth_to_space" if op.back else "space_to_depth", "space_to_depth", params)


RULE: Final = _SpaceToDepth()
