"""MEAN over height, width or both."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, KernelWork, Site
from vww_deploy.compiler.kernels.params import struct_of
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.multipliers import mean_multiplier
from vww_deploy.graph.operators.mean import Mean


class _Mean(KernelRule[Mean]):
    name = "mean"

    def lower(self, graph: Graph, op: Mean, *, interleaved: bool) -> Kernel:
        source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
        height, width, channels = source.shape
        if op.axes == (1,):  # one row of each of height * channels planes
            height, channels = 1, height * channels
        elif op.axes == (0,) and width > 1:  # channel by channel: its columns as planes one pixel wide
            width, channels = 1, width
        multiplier, shift = mean_multiplier(op.multiplier, op.shift, height * width)
        params = struct_of("mean", "MeanParams").fill(
            h=height,
            w=width,
            channels=channels,
            input_zero_point=source.quantization.zero_point,
            output_zero_point=out.quantization.zero_point,
            multiplier=multiplier,
            shift=shift,
        )
        return Kernel("mean", "mean", params)

    def in_place(self, graph: Graph, op: Mean) -> InPlace:
        out = graph.activations[op.output]
        return InPlace.ANY if out.size == out.channels else InPlace.NEVER

    def call(self, graph: Graph, op: Mean, kernel: Kernel, site: Site) -> list[str]:
        source, out = graph.activations[op.inputs[0]], site.address(op.output)
        offset, channel_stride, row_stride, rows = site.fields(op.inputs[0])
        if op.axes == (1,):
            view = site.view(op.inputs[0], channel_stride=row_stride, rows=1)
            return [f"vww::mean({site.params}, {view}, {out});"]
        if op.axes == (0,) and source.width > 1:
            view = f"vww::View{{g_arena + {offset} + c * {channel_stride}, 1, {row_stride}, {rows}}}"
            return [
                f"for (int c = 0; c < {source.channels}; ++c)",
                f"  vww::mean({site.params}, {view}, {out} + c * {source.width});",
            ]
        return [f"vww::mean({site.params}, {site.view(op.inputs[0])}, {out});"]

    def work(self, graph: Graph, op: Mean) -> KernelWork:
        return KernelWork(
            "mean", {"outputs": graph.activations[op.output].size, "values": graph.activations[op.inputs[0]].size}
        )


RULE: Final = _Mean()
