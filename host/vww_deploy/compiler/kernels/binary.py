"""MUL, SUB, PRELU, and ADD with a constant or with broadcasting."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, KernelWork, Site
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.operators.binary import Binary


class _Binary(KernelRule[Binary]):
    name = "binary"

    def lower(self, graph: Graph, op: Binary, *, interleaved: bool) -> Kernel:
        out, numbers = graph.activations[op.output], op.arithmetic
        second = op.constant.shape if op.constant is not None else graph.activations[op.inputs[1]].shape
        params = struct_of("binary", "BinaryParams").fill(
            function=f"vww::BinaryFunction::k{numbers.function.capitalize()}",
            repeats_rows=second[0] == 1,
            repeats_columns=second[1] == 1,
            repeats_channels=second[2] == 1,
            w=out.width,
            channels=out.channels,
            input1_zero_point=numbers.zero_points[0],
            input2_zero_point=numbers.zero_points[1],
            output_zero_point=numbers.zero_points[2],
            clamp_min=numbers.clamp[0],
            clamp_max=numbers.clamp[1],
            input1_multiplier=numbers.factors[0][0],
            input2_multiplier=numbers.factors[1][0],
            output_multiplier=numbers.factors[2][0],
            input1_shift=numbers.factors[0][1],
            input2_shift=numbers.factors[1][1],
            output_shift=numbers.factors[2][1],
        )
        if op.constant is not None:
            return Kernel("binary", "binary", params, (("operand", "int8_t", op.constant.transpose(2, 0, 1).copy()),))
        return Kernel("binary", "binary", params)

    def in_place(self, graph: Graph, op: Binary) -> InPlace:
        return InPlace.ROWS

    def call(self, graph: Graph, op: Binary, kernel: Kernel, site: Site) -> list[str]:
        if op.constant is None:
            return super().call(graph, op, kernel, site)
        height, width, _ = op.constant.shape
        operand = f"vww::ConstView{{{site.array('operand')}, {height * width}, {width}, {height}}}"
        views = f"{site.view(op.inputs[0])}, {operand}, {site.view(op.output)}"
        return [f"vww::binary({site.params}, {views}, {site.rows});"]

    def work(self, graph: Graph, op: Binary) -> KernelWork:
        return KernelWork("binary", {"outputs": graph.activations[op.output].size})


RULE: Final = _Binary()
