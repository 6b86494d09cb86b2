"""MEAN over height, width or both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.ir import (
    Graph,
    Op,
)
from vww_deploy.graph.multipliers import mean_multiplier
from vww_deploy.graph.ranges import Channels, Range, Values, scaled
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


def read(reader: Reader, op: FileOperator) -> None:
    value = reader.value(op.inputs[0])
    if value.flat:
        value = Value(reader.unflatten(op.inputs[0], value).id, reader.default_axes(reader.tensors[op.inputs[0]].shape))
    tensor, out = reader.tensors[op.inputs[0]], reader.tensors[op.outputs[0]]
    rank = len(tensor.shape)
    reduced = {int(a) % rank for a in reader.whole_numbers(op.inputs[1]).reshape(-1)}
    axes = {value.axes[d] for d in reduced if tensor.shape[d] > 1}
    if CHANNEL in axes:  # where channels came by a transposition, they may be no channels in the file's own layout
        value = Value(reader.picture(op.inputs[0]).id, reader.default_axes(tensor.shape))
        axes = {value.axes[d] for d in reduced if tensor.shape[d] > 1}
    source = reader.activations[value.id]
    if CHANNEL in axes:
        raise RefusedError("a mean over the channels; only height and width are supported")
    kept = [d for d in range(rank) if d not in reduced]
    if len(out.shape) == rank:
        out_axes: Axes = tuple(None if d in reduced else value.axes[d] for d in range(rank))
    elif len(out.shape) == len(kept):
        out_axes = tuple(value.axes[d] for d in kept)
    else:
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(tensor.shape)}")
    quantization = reader.quantization(out)
    values = math.prod(source.shape) // source.channels
    multiplier, shift = reader.multiplier(source.quantization.scale / quantization.scale, 255 * values)
    canonical = tuple(sorted(a for a in axes if a is not None))
    reader.ops.append(Mean(op.index, op.kind, (source.id,), reader.new(out, out_axes), canonical, multiplier, shift))


READERS: Final = {"MEAN": read}
