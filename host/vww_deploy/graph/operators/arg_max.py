"""ARG_MAX over the channels: which class is the largest, of a vector or at each position of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import tflite

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Graph, Op, Quantization
from vww_deploy.graph.ranges import Range
from vww_deploy.graph.reading import CHANNEL, Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator

_MOST_CLASSES: Final = 128
"""The numbers that an int8 holds; the file has int32 or int64."""


@dataclass(frozen=True, eq=False)
class ArgMax(Op):
    """The number of the largest channel, the first of equal ones."""

    def row_map(self, graph: Graph) -> RowMap:
        return RowMap()

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        shape = graph.activations[self.output].shape
        last = graph.activations[self.inputs[0]].channels - 1
        return Range(np.zeros(shape, np.int64), np.full(shape, last, np.int64))


def read(reader: Reader, op: FileOperator) -> None:
    source, out = reader.picture(op.inputs[0]), reader.tensors[op.outputs[0]]
    shape = reader.tensors[op.inputs[0]].shape
    axes = reader.default_axes(shape)
    number = int(reader.whole_numbers(op.inputs[1]).reshape(-1)[0])
    axis = axes[number] if -len(axes) <= number < len(axes) else None
    if axis != CHANNEL:
        raise RefusedError(f"the largest along axis {number} of {list(shape)}; only the last axis is supported")
    if source.channels > _MOST_CLASSES:
        raise RefusedError(f"{source.channels} classes; at most {_MOST_CLASSES} can be numbered in 8 bits")
    if out.index not in reader.file.outputs:
        raise RefusedError("ARG_MAX inside the model; only the output may be the number of a class")
    if reader.options(op).OutputType() not in (tflite.TensorType.INT32, tflite.TensorType.INT64):
        raise RefusedError("its options name no type of whole numbers for the output")
    if out.shape != shape[:-1]:
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(shape)}")
    output = reader.new(out, axes[:-1], Quantization(1.0, 0))
    reader.ops.append(ArgMax(op.index, op.kind, (source.id,), output))


READERS: Final = {"ARG_MAX": read}
