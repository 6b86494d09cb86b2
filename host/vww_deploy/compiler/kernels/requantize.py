"""QUANTIZE between two int8 tensors."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.requantize import Requantize


class _Requantize(KernelRule[Requantize]):
    name = "requantize"

    def lower(self, graph: Graph, op: Requantize, *, interleaved: bool) -> Kernel:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        params = struct_of("requantize", "RequantizeParams").fill(
            h=out.height,
            w=out.width,
            channels=out.channels,
            input_zero_point=source.quantization.zero_point,
            output_zero_point=out.quantization.zero_point,
            multiplier=op.multiplier,
            shift=op.shift,
        )
        return Kernel("requantize", "requantize", params)

    def in_place(self, graph: Graph, op: Requantize) -> InPlace:
        return InPlace.ROWS


RULE: Final = _Requantize()
