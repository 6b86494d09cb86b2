"""In which order rows are computed: whole layers, or bands of layers that stream rows through small rings.

A schedule is a list of calls. Each call computes some output rows of one layer; a band's calls are interleaved so
that the rows between its layers are used soon after they are made, and never exist all at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.kernels import rule_of
from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Graph

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Segment:
    """Layers [begin, end) of the graph that run together: one layer whole, or a band that streams.

    A band makes ``rows`` rows of its last layer at a time. A ``backward`` one is a single layer, made from its last row
    to its first: so can a picture grow in place.

    A band's first rows need many rows of its first layers, more than any later ones. ``lead`` is how many steps it
    begins before its first row: in those the first layers make a few rows each, and the rings between need hold no
    more than later.
    """

    begin: int
    end: int
    rows: int = 0  # 0: a single layer, computed whole
    backward: bool = False
    lead: int = 0

    @property
    def is_band(self) -> bool:
        """True when rows are streamed."""
        return self.rows > 0


@dataclass(frozen=True)
class Call:
    """One kernel call: output rows [row_begin, row_end) of layer ``layer`` (an index into the graph's ops)."""

    layer: int
    row_begin: int
    row_end: int


class LayerOrder:
    """What planning asks about a graph's layers, again and again: worked out once.

    ``in_place`` by layer; ``last_reader`` and ``row_of`` by activation, ``row_of`` being its row in
    :meth:`live_rows`.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        ops, activations = graph.ops, graph.activations
        self.maps = [op.row_map(graph) for op in ops]
        self.in_place = [rule_of(op).in_place(graph, op) for op in ops]
        self.last_reader = {i: index for index, op in enumerate(ops) for i in op.inputs}
        self.last_reader[graph.output] = len(ops)
        self.row_of = {identity: row for row, identity in enumerate(activations)}
        self._heights = np.array([activation.height for activation in activations.values()], np.int64)
        self._made_by = np.array([self.row_of[op.output] for op in ops], np.int64)
        # For the inputs that an operator has: rows of activations, and how output rows become input rows.
        slots = max(len(op.inputs) for op in ops)
        self._reads = np.full((slots, len(ops)), -1, np.int64)
        for index, op in enumerate(ops):
            self._reads[: len(op.inputs), index] = [self.row_of[i] for i in op.inputs]
        known = [row_map or RowMap() for row_map in self.maps]
        self._stride, self._first, self._end, self._repeat = (
            np.array([getattr(row_map, name) for row_map in known], np.int64)
            for name in ("stride", "first", "end", "repeat")
        )
        self._whole = np.array([row_map is None for row_map in self.maps])
        self._calls: dict[Segment, list[Call]] = {}
        self._rings: dict[tuple[Segment, int], int] = {}

    def can_stream(self, layer: int) -> bool:
        """True for layers whose output rows can be computed a few at a time."""
        return self.maps[layer] is not None

    def rows_read(self, layer: int, row_begin: int, row_end: int) -> tuple[int, int]:
        """The input rows [first, last + 1) that output rows [row_begin, row_end) need; all where rows don't map."""
        height = self.graph.activations[self.graph.ops[layer].inputs[0]].height
        row_map = self.maps[layer]
        return (0, height) if row_map is None else row_map.rows(row_begin, row_end, height)

    def calls(self, segment: Segment) -> list[Call]:
        """The kernel calls of a segment, in order; every row of every layer is computed exactly once."""
        if segment not in self._calls:
            self._calls[segment] = self._calls_of(segment)
        return self._calls[segment]

    def ring_rows(self, segment: Segment, index: int) -> int:
        """Rows that the ring between layers ``index`` and ``index + 1`` of a band must hold."""
        key = segment, index
        if key not in self._rings:
            self._rings[key] = self._ring_rows(segment, index)
        return self._rings[key]

    def live_rows(self, calls: Sequence[Call]) -> tuple[Rows, Rows]:
        """By activation (see ``row_of``) and call the rows [low, high) that are written by then and still needed."""
        graph = self.graph
        layer, begin, end = np.array([(call.layer, call.row_begin, call.row_end) for call in calls], np.int64).T
        heights = self._heights[:, None]
        time = np.arange(len(calls))
        # Rows that are written by now, and rows that this call or a later one reads or writes.
        low = np.broadcast_to(heights, (len(self._heights), len(calls))).copy()
        high = np.zeros_like(low)
        first, last = low.copy(), high.copy()
        given, result = self.row_of[graph.input], self.row_of[graph.output]
        low[given], high[given] = 0, heights[given]
        first[result], last[result] = 0, heights[result]
        made = self._made_by[layer], time
        low[made], high[made] = begin, end
        first[made], last[made] = np.minimum(first[made], begin), np.maximum(last[made], end)
        stride, repeat = self._stride[layer], self._repeat[layer]
        top = begin // repeat * stride + self._first[layer]
        bottom = (end - 1) // repeat * stride + self._end[layer]
        whole = self._whole[layer]
        for reads in self._reads:
            tensor = reads[layer]
            there = np.flatnonzero(tensor >= 0)
            at = tensor[there], there
            height = self._heights[at[0]]
            from_row = np.where(whole[there], 0, np.clip(top[there], 0, height))
            to_row = np.where(whole[there], height, np.clip(bottom[there], 0, height))
            first[at], last[at] = np.minimum(first[at], from_row), np.maximum(last[at], to_row)
        low = np.maximum(np.minimum.accumulate(low, axis=1), np.minimum.accumulate(first[:, ::-1], axis=1)[:, ::-1])
        high = np.minimum(np.maximum.accumulate(high, axis=1), np.maximum.accumulate(last[:, ::-1], axis=1)[:, ::-1])
        return low, high

    def _calls_of(self, segment: Segment) -> list[Call]:
        graph = self.graph
        ops = graph.ops[segment.begin : segment.end]
        heights = [graph.activations[op.output].height for op in ops]
        if not segment.is_band:
            return [Call(segment.begin, 0, heights[0])]
        if segment.backward:
            ends = range(heights[0], 0, -segment.rows)
            return [Call(segment.begin, max(end - segment.rows, 0), end) for end in ends]
        calls: list[Call] = []
        done = [0] * len(ops)
        for row in range(-segment.lead * segment.rows, heights[-1], segment.rows):
            end = min(row + segment.rows, heights[-1])
            need = heights if end == heights[-1] else self._rows_needed(segment, end)
            for i in range(len(ops)):
                if need[i] > done[i]:
                    calls.append(Call(segment.begin + i, done[i], need[i]))
                    done[i] = need[i]
        return calls

    def filled_slowly(self, segment: Segment) -> Segment:
        """The same band with a lead long enough that its first step makes no row at all; itself where none helps."""
        if (
            not segment.is_band
            or segment.backward
            or any((self.maps[layer] or RowMap()).repeat > 1 for layer in range(segment.begin + 1, segment.end))
        ):
            return segment
        lead = 0
        while max(self._rows_needed(segment, -lead * segment.rows)) > 0:
            lead += 1
        return dataclasses.replace(segment, lead=lead)

    def _rows_needed(self, segment: Segment, end: int) -> list[int]:
        """How many rows each layer of a band must have made for its last layer's rows [0, end)."""
        need = [end]
        for layer in range(segment.end - 1, segment.begin, -1):
            height = self.graph.activations[self.graph.ops[layer].inputs[0]].height
            row_map = self.maps[layer]
            assert row_map is not None
            need.append(min(row_map.end_for(need[-1]), height))
        return need[::-1]

    def _ring_rows(self, segment: Segment, index: int) -> int:
        producer = segment.begin + index
        made = most = read = 0
        for call in self.calls(segment):
            if call.layer == producer:
                made = call.row_end
                # What nobody reads is computed and reported, too: a call must not write over its own rows.
                fresh = made - call.row_begin
                most = max(most, fresh, made - self.rows_read(producer + 1, read, read + 1)[0])
            elif call.layer == producer + 1:
                read = call.row_end
        return most


def segments_of(count: int, bands: Sequence[Segment]) -> list[Segment]:
    """A whole graph's segments: the bands, and every other layer on its own."""
    segments: list[Segment] = []
    position = 0
    for band in sorted(bands, key=lambda b: b.begin):
        segments += [Segment(i, i + 1) for i in range(position, band.begin)]
        segments.append(band)
        position = band.end
    return segments + [Segment(i, i + 1) for i in range(position, count)]
