"""In which order rows are computed: whole layers, or bands of layers that stream rows through small rings.

A schedule is a list of calls. Each call computes some output rows of one layer; a band's calls are interleaved so
that the rows between its layers are used soon after they are made, and never exist all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vww_deploy.graph.ir import Add, Conv2D, DepthwiseConv2D, Graph, Op, Pad, Pool, Requantize

_BY_ROWS = (Add, Conv2D, DepthwiseConv2D, Pad, Pool, Requantize)


@dataclass(frozen=True)
class Segment:
    """Layers [begin, end) of the graph that run together: one layer whole, or a band that streams.

    A band makes ``rows`` rows of its last layer at a time. A ``backward`` one is a single layer, made from its last row
    to its first: so can a picture grow in place.
    """

    begin: int
    end: int
    rows: int = 0  # 0: a single layer, computed whole
    backward: bool = False

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


def can_stream(op: Op) -> bool:
    """True for operators whose output rows can be computed a few at a time."""
    return isinstance(op, _BY_ROWS)


def rows_read(graph: Graph, op: Op, row_begin: int, row_end: int) -> tuple[int, int]:
    """The input rows [first, last + 1) that output rows [row_begin, row_end) need; all of them where rows don't map."""
    height = graph.activations[op.inputs[0]].height
    if isinstance(op, Conv2D | DepthwiseConv2D | Pool):
        window = op.window
        first = row_begin * window.stride[0] - window.padding.top
        last = (row_end - 1) * window.stride[0] - window.padding.top + (window.kernel[0] - 1) * window.dilation[0] + 1
    elif isinstance(op, Add | Requantize):
        first, last = row_begin, row_end
    elif isinstance(op, Pad):
        first, last = row_begin - op.padding.top, row_end - op.padding.top
    else:
        return 0, height
    return min(max(first, 0), height), min(max(last, 0), height)


def calls_of(graph: Graph, segment: Segment) -> list[Call]:
    """The kernel calls of a segment, in order; every row of every layer is computed exactly once."""
    ops = graph.ops[segment.begin : segment.end]
    heights = [graph.activations[op.output].height for op in ops]
    if not segment.is_band:
        return [Call(segment.begin, 0, heights[0])]
    if segment.backward:
        ends = range(heights[0], 0, -segment.rows)
        return [Call(segment.begin, max(end - segment.rows, 0), end) for end in ends]
    calls: list[Call] = []
    done = [0] * len(ops)
    for row in range(0, heights[-1], segment.rows):
        end = min(row + segment.rows, heights[-1])
        need = rows_needed(graph, ops, end)
        for i in range(len(ops)):
            if need[i] > done[i]:
                calls.append(Call(segment.begin + i, done[i], need[i]))
                done[i] = need[i]
    return calls


def rows_needed(graph: Graph, ops: Sequence[Op], end: int) -> list[int]:
    """How many rows each layer of a band must have made for its last layer's rows [0, end); all rows at the end."""
    height = graph.activations[ops[-1].output].height
    if end == height:
        return [graph.activations[op.output].height for op in ops]
    need = [end]
    for op in reversed(ops[1:]):
        need.append(rows_read(graph, op, 0, need[-1])[1])
    return need[::-1]


def ring_rows(graph: Graph, segment: Segment, index: int) -> int:
    """Rows that the ring between layers ``index`` and ``index + 1`` of a band must hold."""
    consumer = graph.ops[segment.begin + index + 1]
    producer = segment.begin + index
    made, most = 0, 0
    read = 0
    for call in calls_of(graph, segment):
        if call.layer == producer:
            made = call.row_end
        elif call.layer == producer + 1:
            read = call.row_end
        oldest = rows_read(graph, consumer, read, read + 1)[0] if call.layer == producer else None
        if oldest is not None:
            most = max(most, made - oldest)
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
