"""Whatever picks rows, columns and channels, each along its own axis: SLICE, STRIDED_SLICE, SPLIT, MIRROR_PAD,
RESIZE_NEAREST_NEIGHBOR.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Channels, Graph, Op
from vww_deploy.graph.ranges import Range, Values
from vww_deploy.graph.reading import Reader, RefusedError, Rule
from vww_deploy.graph.tflite_file import FileOperator

Indices = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Gather(Op):
    """Output element (y, x, c) is input element (rows[y], columns[x], channels[c])."""

    rows: Indices
    columns: Indices
    channels: Indices

    def row_map(self, graph: Graph) -> RowMap | None:
        first = self.rows[0]
        repeat = sum(row == first for row in self.rows)
        stride = self.rows[repeat] - first if repeat < len(self.rows) else 1
        regular = all(row == first + y // repeat * stride for y, row in enumerate(self.rows))
        return RowMap(stride, first, first + 1, repeat) if regular and stride > 0 else None

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        return Range(self._picked(given[0].low), self._picked(given[0].high))

    def ask_channels(self, channels: Channels) -> None:
        picked = np.array(self.channels)[channels.keep[self.output]]
        channels.keep[self.inputs[0]][picked] = True

    def narrowed(self, channels: Channels) -> Op:
        place = np.cumsum(channels.keep[self.inputs[0]]) - 1
        picked = np.array(self.channels)[channels.keep[self.output]]
        return dataclasses.replace(self, channels=tuple(place[picked].tolist()))

    def _picked(self, values: Values) -> Values:
        result: Values = values[np.ix_(self.rows, self.columns, self.channels)]
        return result


def add_gather(reader: Reader, op: FileOperator, picks: Sequence[Sequence[int]], output: int | None = None) -> None:
    """Adds the operator that takes, along each dimension of its first input, the elements of ``picks``.

    ``output`` is the file tensor that is made; None for the operator's first.
    """
    source = reader.picture(op.inputs[0])
    given = reader.tensors[op.inputs[0]].shape
    out = reader.tensors[op.outputs[0] if output is None else output]
    reader.needs_scale(out, source.quantization)
    by_axis = {axis: tuple(range(size)) for axis, size in enumerate(source.shape)}
    for axis, size, picked in zip(reader.default_axes(given), given, picks, strict=True):
        if not picked or not 0 <= min(picked) <= max(picked) < size:
            raise RefusedError(f"what it takes lies outside its input {list(given)}, or is nothing")
        if axis is not None:
            by_axis[axis] = tuple(picked)
        elif list(picked) != [0]:
            raise RefusedError("it repeats the batch")
    identity = reader.new(out)
    wanted = tuple(len(by_axis[axis]) for axis in range(3))
    if reader.activations[identity].shape != wanted:
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(given)}")
    reader.ops.append(Gather(op.index, op.kind, (source.id,), identity, by_axis[0], by_axis[1], by_axis[2]))


READERS: Final[Mapping[str, Rule]] = {}
