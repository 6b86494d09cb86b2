"""PAD with the zero point, PADV2 with any value."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.geometry import Padding, RowMap
from vww_deploy.graph.ir import Channels, Graph, Op, Quantization
from vww_deploy.graph.ranges import Range
from vww_deploy.graph.reading import Reader, RefusedError, Value
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Pad(Op):
    """One value, as the file stores it, around a picture and beside its channels."""

    padding: Padding
    value: int
    channels_before: int = 0
    channels_after: int = 0

    def is_around(self, graph: Graph) -> bool:
        """Whether it is what a layer's own padding does: zero points, and no channels."""
        zero_point = graph.activations[self.inputs[0]].quantization.zero_point
        return self.value == zero_point and not self.channels_before and not self.channels_after

    def row_map(self, graph: Graph) -> RowMap:
        return RowMap(1, -self.padding.top, 1 - self.padding.top)

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        padding = self.padding
        amounts = (
            (padding.top, padding.bottom),
            (padding.left, padding.right),
            (self.channels_before, self.channels_after),
        )
        low, high = (np.pad(values, amounts, constant_values=self.value) for values in (given[0].low, given[0].high))
        return Range(low, high)

    def ask_channels(self, channels: Channels) -> None:
        out, given = channels.keep[self.output], channels.keep[self.inputs[0]]
        inner = out[self.channels_before : self.channels_before + len(given)]
        given |= inner
        inner |= given

    def narrowed(self, channels: Channels) -> Op:
        out, given = channels.keep[self.output], channels.keep[self.inputs[0]]
        before, size = self.channels_before, len(given)
        return dataclasses.replace(
            self, channels_before=int(out[:before].sum()), channels_after=int(out[before + size :].sum())
        )


def read(reader: Reader, op: FileOperator) -> None:
    source = reader.picture(op.inputs[0])
    tensor, out = reader.tensors[op.inputs[0]], reader.tensors[op.outputs[0]]
    amounts = reader.whole_numbers(op.inputs[1]).reshape(-1, 2)
    if len(amounts) != len(tensor.shape) or amounts.min() < 0:
        raise RefusedError(f"paddings {amounts.tolist()} do not fit input {list(tensor.shape)}")
    reader.needs_scale(out, source.quantization)
    by_axis = dict.fromkeys(range(3), (0, 0))
    for axis, (before, after) in zip(reader.default_axes(tensor.shape), amounts.tolist(), strict=True):
        if axis is None and (before or after):
            raise RefusedError("padding of the batch")
        if axis is not None:
            by_axis[axis] = (before, after)
    if not amounts.any():
        reader.values[out.index] = Value(source.id, reader.default_axes(out.shape))
        return
    padding = Padding(by_axis[0][0], by_axis[1][0], by_axis[0][1], by_axis[1][1])
    identity = reader.new(out)
    expected = (
        source.height + sum(by_axis[0]),
        source.width + sum(by_axis[1]),
        source.channels + sum(by_axis[2]),
    )
    if reader.activations[identity].shape != expected:
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(tensor.shape)}")
    value = _value(reader, op, source.quantization)
    reader.ops.append(Pad(op.index, op.kind, (source.id,), identity, padding, value, *by_axis[2]))


def _value(reader: Reader, op: FileOperator, wanted: Quantization) -> int:
    """What is put around: PADV2's third input."""
    if op.kind == "PAD":
        return wanted.zero_point
    tensor, data = reader.tensors[op.inputs[2]], reader.constant(op.inputs[2])
    if data.size != 1 or reader.quantization(tensor) != wanted:
        raise RefusedError("a value with another scale or zero point than the input, or several")
    return int(data.reshape(-1)[0]) - (128 if tensor.dtype == "UINT8" else 0)


def fold_padding(graph: Graph) -> Graph:
    """PAD into the convolutions behind it: both pad with the zero point, so the amounts add up."""
    pads = {op.output: op for op in graph.ops if isinstance(op, Pad) and op.is_around(graph)}
    ops: list[Op] = []
    for op in graph.ops:
        pad = pads.get(op.inputs[0])
        inner = op.padded(pad.padding) if pad else None
        ops.append(op if pad is None or inner is None else dataclasses.replace(inner, inputs=pad.inputs))
    return graph.replace(ops=tuple(ops))


READERS: Final = {"PAD": read, "PADV2": read}
