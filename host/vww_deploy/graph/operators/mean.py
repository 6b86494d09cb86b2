"""MEAN over any axes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.ir import Activation, Channels, Graph, Op
from vww_deploy.graph.multipliers import mean_multiplier
from vww_deploy.graph.operators.requantize import Requantize
from vww_deploy.graph.operators.reshape import Reshape
from vww_deploy.graph.ranges import Range, Values, scaled
from vww_deploy.graph.reading import CHANNEL, Axes, Reader, RefusedError, Value
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Mean(Op):
    """Mean over ``axes`` (0 height, 1 width); ``multiplier``/``shift`` rescale sum of the values (see the reader)."""

    axes: tuple[int, ...]
    multiplier: int
    shift: int

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        source, out = graph.activations[self.inputs[0]], graph.activations[self.output]
        count = int(np.prod([source.shape[axis] for axis in self.axes], dtype=np.int64))
        multiplier, shift = mean_multiplier(self.multiplier, self.shift, count)

        def mean(values: Values) -> Values:
            total = values.sum(axis=self.axes, keepdims=True) - count * source.quantization.zero_point
            return np.clip(scaled(total, multiplier, shift) + out.quantization.zero_point, -128, 127)

        return Range(mean(given[0].low), mean(given[0].high))

    def ask_channels(self, channels: Channels) -> None:
        channels.keep_alike(self)


def reduced_picture(reader: Reader, op: FileOperator) -> tuple[Activation, tuple[int, ...], Axes]:
    """What an operator that reduces axes works on: (activation, its axes to reduce: height, width, the output's axes).

    Where channels are reduced, they are brought to the place of the width first: kernels reduce planes.
    """
    value = reader.value(op.inputs[0])
    tensor, out = reader.tensors[op.inputs[0]], reader.tensors[op.outputs[0]]
    rank = len(tensor.shape)
    if value.flat:
        value = Value(reader.unflatten(op.inputs[0], value).id, reader.default_axes(tensor.shape))
    numbers = reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
    if any(not -rank <= number < rank for number in numbers):
        raise RefusedError(f"axes {numbers} of input {list(tensor.shape)}")
    reduced = {number % rank for number in numbers}
    if CHANNEL in {value.axes[d] for d in reduced if tensor.shape[d] > 1}:
        value = _without_channels(reader, op, value, reduced)
    source = reader.activations[value.id]
    axes = {value.axes[d] for d in reduced if tensor.shape[d] > 1}
    if len(out.shape) == rank:
        out_axes: Axes = tuple(None if d in reduced else value.axes[d] for d in range(rank))
    else:
        out_axes = tuple(value.axes[d] for d in range(rank) if d not in reduced)
    kept = [size for d, size in enumerate(tensor.shape) if d not in reduced]
    if len(out.shape) not in (rank, len(kept)) or math.prod(out.shape) != math.prod(kept):
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(tensor.shape)}")
    return source, tuple(sorted(axis for axis in axes if axis is not None)), out_axes


def _without_channels(reader: Reader, op: FileOperator, value: Value, reduced: set[int]) -> Value:
    """The same values with what is reduced as height and width, and the rest, if it is one axis, as channels."""
    tensor, source = reader.tensors[op.inputs[0]], reader.activations[value.id]
    left = [axis for axis in range(3) if axis not in {value.axes[d] for d in reduced} and source.shape[axis] > 1]
    gone = [axis for axis in range(3) if axis not in left]
    if not left:  # everything: one row of values, in whatever order
        row = dataclasses.replace(source, id=len(reader.activations), height=1, width=source.size, channels=1, axes=())
        reader.activations[row.id] = row
        reader.ops.append(Reshape(op.index, "RESHAPE", (source.id,), row.id))
        wide = next(d for d in reduced if tensor.shape[d] > 1)
        return Value(row.id, tuple(1 if d == wide else None for d in range(len(tensor.shape))))
    order = (left[0], gone[0], left[1]) if len(left) == 2 else (gone[0], gone[1], left[0])
    axes = tuple(None if axis is None else order.index(axis) for axis in value.axes)
    return Value(reader.transposed(op.inputs[0], value, axes, order), axes)


def read(reader: Reader, op: FileOperator) -> None:
    source, axes, out_axes = reduced_picture(reader, op)
    out = reader.tensors[op.outputs[0]]
    quantization = reader.quantization(out)
    count = math.prod(source.shape[axis] for axis in axes)
    multiplier, shift = reader.multiplier(source.quantization.scale / quantization.scale, 255 * count)
    output = reader.new(out, out_axes)
    if axes:
        reader.ops.append(Mean(op.index, op.kind, (source.id,), output, axes, multiplier, shift))
    else:  # of single values
        reader.ops.append(Requantize(op.index, op.kind, (source.id,), output, multiplier, shift))


READERS: Final = {"MEAN": read}
