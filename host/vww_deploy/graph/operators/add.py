"""ADD of two tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Channels, Graph, Op
from vww_deploy.graph.multipliers import quantize_multiplier
from vww_deploy.graph.operators import binary
from vww_deploy.graph.ranges import Range, Values, scaled
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Add(Op):
    """Sum of two pictures of one shape, TFLite's three multipliers with a left shift of 20."""

    multipliers: tuple[int, int, int]  # input 1, input 2, output
    shifts: tuple[int, int, int]
    clamp_min: int = -128
    clamp_max: int = 127

    def row_map(self, graph: Graph) -> RowMap:
        return RowMap()

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        left, right = given
        return Range(self._sum(graph, left.low, right.low), self._sum(graph, left.high, right.high))

    def ask_channels(self, channels: Channels) -> None:
        channels.keep_alike(self)

    def _sum(self, graph: Graph, left: Values, right: Values) -> Values:
        total: Values = np.zeros_like(left)
        for i, values in enumerate((left, right)):
            offset = graph.activations[self.inputs[i]].quantization.zero_point
            total = total + scaled((values - offset) << 20, self.multipliers[i], self.shifts[i])
        zero_point = graph.activations[self.output].quantization.zero_point
        return np.clip(scaled(total, self.multipliers[2], self.shifts[2]) + zero_point, self.clamp_min, self.clamp_max)


def read(reader: Reader, op: FileOperator) -> None:
    if any(i in reader.constants for i in op.inputs):
        binary.read(reader, op)
        return
    left, right = reader.picture(op.inputs[0]), reader.picture(op.inputs[1])
    out = reader.tensors[op.outputs[0]]
    quantization = reader.quantization(out)
    if left.shape != right.shape:
        binary.read(reader, op)
        return
    low, high = reader.clamp(op, quantization)
    # TFLite brings both inputs to twice the larger scale with 20 bits to spare (reference add, int8).
    twice = 2.0 * max(left.quantization.scale, right.quantization.scale)
    parts = [
        quantize_multiplier(left.quantization.scale / twice),
        quantize_multiplier(right.quantization.scale / twice),
        quantize_multiplier(twice / ((1 << 20) * quantization.scale)),
    ]
    if parts[2][1] > 0:
        raise RefusedError("its output scale is so small that TFLite refuses it, too")
    multipliers = (parts[0][0], parts[1][0], parts[2][0])
    shifts = (parts[0][1], parts[1][1], parts[2][1])
    reader.ops.append(Add(op.index, op.kind, (left.id, right.id), reader.new(out), multipliers, shifts, low, high))


READERS: Final = {"ADD": read}
