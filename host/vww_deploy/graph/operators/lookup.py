"""Whatever makes one int8 value from one int8 value: a table of 256, or one for each channel."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Channels, Graph, Int8Array, Op
from vww_deploy.graph.ranges import Range, Values
from vww_deploy.graph.reading import Reader
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Lookup(Op):
    """``tables`` int8 [1, 256]: the output for -128, -127 and so on."""

    tables: Int8Array

    keeps_order: ClassVar[bool] = True

    def row_map(self, graph: Graph) -> RowMap | None:
        return None if graph.is_interleaved(self.output) else RowMap()

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        low, high = given[0].low, given[0].high
        known = self.tables[np.arange(low.shape[2]) % len(self.tables), low + 128].astype(np.int64)
        least, most = self.tables.min(axis=1).astype(np.int64), self.tables.max(axis=1).astype(np.int64)
        same = low == high
        return Range(np.where(same, known, least), np.where(same, known, most))

    def ask_channels(self, channels: Channels) -> None:
        channels.keep_alike(self)


@dataclass(frozen=True, eq=False)
class ChannelLookup(Lookup):
    """A table of its own for each channel: ``tables`` int8 [channels, 256]."""

    keeps_order: ClassVar[bool] = False

    def narrowed(self, channels: Channels) -> Op:
        return dataclasses.replace(self, tables=self.tables[channels.keep[self.output]])


VALUES = np.arange(-128, 128, dtype=np.int64)
"""All int8 values."""


def tabulate(reader: Reader, op: FileOperator, values: Values) -> None:
    """Adds an operator whose output for :data:`VALUES` is ``values``; they are clamped to int8."""
    value = reader.value(op.inputs[0])
    axes = value.axes
    if value.flat:
        reader.unflatten(op.inputs[0], value)
        value, axes = reader.values[op.inputs[0]], reader.values[op.inputs[0]].axes
    table = np.clip(values, -128, 127).astype(np.int8)
    output = reader.new(reader.tensors[op.outputs[0]], axes)
    reader.ops.append(Lookup(op.index, op.kind, (value.id,), output, table[np.newaxis]))


def tabulate_real(reader: Reader, op: FileOperator, results: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """The same for a float32 function's results, which LiteRT quantises in float32."""
    out = reader.quantization(reader.tensors[op.outputs[0]])
    scaled = results * (np.float32(1) / np.float32(out.scale))
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int64)
    tabulate(reader, op, rounded + out.zero_point)


def real_values(reader: Reader, op: FileOperator) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What :data:`VALUES` are in float32, as an operator's input."""
    source = reader.activations[reader.value(op.inputs[0]).id].quantization
    return np.float32(source.scale) * (VALUES - source.zero_point).astype(np.float32)


def _merged(first: Lookup, second: Lookup) -> Lookup:
    """The second table of the first one's values, as one operator."""
    inner, outer = np.broadcast_arrays(first.tables, second.tables)
    tables = np.take_along_axis(outer, inner.astype(np.int64) + 128, axis=1)
    record = ChannelLookup if len(tables) > 1 else Lookup
    return record(second.index, second.kind, first.inputs, second.output, tables)


def merge_lookups(graph: Graph) -> Graph:
    """A table of a table, where nobody else reads the first, is one table."""
    readers: dict[int, int] = {}
    for op in graph.ops:
        for tensor in op.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
    ops: dict[int, Lookup] = {}
    kept: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Lookup):
            before = ops.get(op.inputs[0])
            if before is not None and readers[before.output] == 1 and before.output != graph.output:
                kept.remove(before)
                op = _merged(before, op)
            ops[op.output] = op
        kept.append(op)
    live = {graph.input, graph.output} | {i for op in kept for i in (*op.inputs, op.output)}
    activations = {i: activation for i, activation in graph.activations.items() if i in live}
    return graph.replace(ops=tuple(kept), activations=activations)
