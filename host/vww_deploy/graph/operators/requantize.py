"""QUANTIZE between int8 tensors; at the model's edges it only says what the tensor is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Channels, Graph, Op
from vww_deploy.graph.ranges import Range, Values, scaled
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Requantize(Op):
    """From one scale and zero point to another."""

    multiplier: int
    shift: int

    def row_map(self, graph: Graph) -> RowMap:
        return RowMap()

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        source, out = graph.activations[self.inputs[0]].quantization, graph.activations[self.output].quantization

        def rescaled(values: Values) -> Values:
            return np.clip(scaled(values - source.zero_point, self.multiplier, self.shift) + out.zero_point, -128, 127)

        return Range(rescaled(given[0].low), rescaled(given[0].high))

    def ask_channels(self, channels: Channels) -> None:
        channels.keep_alike(self)


def read(reader: Reader, op: FileOperator) -> None:
    out = reader.tensors[op.outputs[0]]
    if op.index in reader.edge_inputs:
        return  # the float input: its int8 output is the graph's input already
    if reader.tensors[op.inputs[0]].dtype == "FLOAT32":
        raise RefusedError(
            f"input '{reader.tensors[op.inputs[0]].name}' is FLOAT32; only the edges of a model may be float"
        )
    value = reader.value(op.inputs[0])
    source = reader.activations[value.id]
    quantization = reader.quantization(out)
    if quantization == source.quantization:
        reader.values[out.index] = value
        return
    if value.flat:
        source = reader.unflatten(op.inputs[0], value)
        value = reader.values[op.inputs[0]]
    multiplier, shift = reader.multiplier(source.quantization.scale / quantization.scale, 255)
    reader.ops.append(Requantize(op.index, op.kind, (source.id,), reader.new(out, value.axes), multiplier, shift))


READERS: Final = {"QUANTIZE": read}
