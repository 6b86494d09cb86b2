"""Networks whose exporter cut the picture into strips of rows, to need less memory, become whole again.

Such a file slices the picture, runs the same layers on every slice and joins what comes out. The slices overlap, so
rows are computed twice, and all of them exist at once; whole, the planner streams the layers row by row, which needs
less of both. What the whole computes is the same to the last bit: every row of a strip is made by the same weights of
the same rows, and padding is where the picture ends only.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vww_deploy.graph.geometry import RowMap, Window
from vww_deploy.graph.ir import Activation, Graph, Op
from vww_deploy.graph.operators.concatenation import Concatenation
from vww_deploy.graph.operators.gather import Gather

_LEFT_OUT = {"index", "inputs", "output", "window"}
"""Fields in which the layers of two strips may differ; of the window, the rows of its padding."""


def join_row_tiles(graph: Graph) -> Graph:
    """The graph with every set of strips joined that can be."""
    for op in graph.ops:
        if isinstance(op, Concatenation) and op.axis == 0:
            graph = _joined(graph, op) or graph
    return graph


@dataclass(frozen=True)
class _Rows:
    """Where the strips lie in a whole: each one's first row and height, and the whole's height."""

    first: tuple[int, ...]
    heights: tuple[int, ...]
    whole: int

    @property
    def covers(self) -> bool:
        """Whether every row of the whole is in a strip."""
        return {row for at, size in zip(self.first, self.heights, strict=True) for row in range(at, at + size)} == set(
            range(self.whole)
        )


def _joined(graph: Graph, join: Concatenation) -> Graph | None:
    """The graph with the strips that ``join`` puts together as one; None where they cannot be."""
    strips = _strips(graph, join)
    if strips is None:
        return None
    slices = [strip[0] for strip in strips]
    source = graph.activations[slices[0].inputs[0]]
    rows = _sliced(slices, graph, source)
    if rows is None:
        return None
    activations, made = dict(graph.activations), list[Op]()
    tensor = source.id
    for layers in zip(*(strip[1:] for strip in strips), strict=True):
        outputs = [graph.activations[layer.output] for layer in layers]
        placed = _next(layers, rows, [one.height for one in outputs], graph)
        if placed is None:
            return None
        rows, changes = placed
        identity = max(activations) + 1
        activations[identity] = _whole(outputs, rows, identity)
        made.append(dataclasses.replace(layers[0], inputs=(tensor,), output=identity, **changes))
        tensor = identity
    out = graph.activations[join.output]
    ends = np.cumsum(rows.heights)
    if not made or rows.whole != out.height or rows.first != tuple((ends - rows.heights).tolist()):
        return None
    made[-1] = dataclasses.replace(made[-1], output=out.id)
    del activations[tensor]
    gone = {op.output for strip in strips for op in strip}
    ops: list[Op] = []
    for op in graph.ops:
        if op is join:
            ops += made
        elif op.output not in gone:
            ops.append(op)
    notice = f"{len(strips)} strips of rows, which the file computes one after the other, are computed as one picture"
    return graph.replace(
        ops=tuple(ops),
        activations={i: one for i, one in activations.items() if i not in gone},
        notices=graph.notices if notice in graph.notices else (*graph.notices, notice),
    )


def _strips(graph: Graph, join: Concatenation) -> list[list[Op]] | None:
    """The operators of each strip from its slice on, alike in all; None if they are not."""
    makers = {op.output: op for op in graph.ops}
    readers = Counter(tensor for op in graph.ops for tensor in op.inputs)
    strips: list[list[Op]] = []
    for tensor in join.inputs:
        strip: list[Op] = []
        while not strip or not isinstance(strip[-1], Gather):
            op = makers.get(tensor)
            if op is None or len(op.inputs) > 1 or readers[tensor] > 1 or tensor == graph.output:
                return None
            strip.append(op)
            tensor = op.inputs[0]
        strips.append(strip[::-1])
    lengths = {len(strip) for strip in strips}
    same = len(lengths) == 1 and all(
        _alike(op, like) for strip in strips for op, like in zip(strip[1:], strips[0][1:], strict=True)
    )
    return strips if same else None


def _sliced(slices: Sequence[Op], graph: Graph, source: Activation) -> _Rows | None:
    """The rows that the slices take of one tensor, the first from its beginning; None if they take anything else."""
    rows = []
    for op in slices:
        if not isinstance(op, Gather) or op.inputs[0] != source.id:
            return None
        wanted = tuple(range(op.rows[0], op.rows[0] + len(op.rows)))
        rest = tuple(range(source.width)), tuple(range(source.channels))
        if (op.rows, op.columns, op.channels) != (wanted, *rest):
            return None
        rows.append(op.rows)
    found = _Rows(tuple(one[0] for one in rows), tuple(len(one) for one in rows), source.height)
    return found if found.first[0] == 0 else None


def _next(
    layers: Sequence[Op], rows: _Rows, heights: Sequence[int], graph: Graph
) -> tuple[_Rows, Mapping[str, Any]] | None:
    """Where the strips lie behind one layer, and how the whole's layer differs from the first strip's."""
    windows = [getattr(layer, "window", None) for layer in layers]
    changes: dict[str, Any] = {}
    if not all(isinstance(window, Window) for window in windows):
        if any(layer.row_map(graph) != RowMap() for layer in layers):
            return None
        first = rows.first
    else:
        found = _behind(windows, rows, heights)
        if found is None:
            return None
        first = found
    whole = max(at + height for at, height in zip(first, heights, strict=True))
    result = _Rows(first, tuple(heights), whole)
    if not result.covers:
        return None
    if isinstance(window := windows[0], Window):
        padding = window.padding
        bottom = window.row_map.end_for(whole) - rows.whole
        changes["window"] = dataclasses.replace(window, padding=dataclasses.replace(padding, bottom=bottom))
    return result, changes


def _behind(windows: Sequence[Any], rows: _Rows, heights: Sequence[int]) -> tuple[int, ...] | None:
    """The strips' first rows behind a window; None where one reads padding inside the picture, or between its rows."""
    first = []
    for window, at, size, height in zip(windows, rows.first, rows.heights, heights, strict=True):
        top, stride = window.padding.top, window.stride[0]
        if (top > 0 and at > 0) or (window.row_map.end_for(height) > size and at + size < rows.whole):
            return None
        place, between = divmod(at - top + windows[0].padding.top, stride)
        if between or place < 0:
            return None
        first.append(place)
    return tuple(first)


def _whole(strips: Sequence[Activation], rows: _Rows, identity: int) -> Activation:
    """The tensor that the strips are parts of, named by what their names have in common."""
    levels = zip(*(one.name.split("/") for one in strips), strict=False)
    name = "/".join(level[0] for level in itertools.takewhile(lambda level: len(set(level)) == 1, levels))
    tiles = tuple((one.source, at) for one, at in zip(strips, rows.first, strict=True))
    return dataclasses.replace(strips[0], id=identity, name=name or strips[0].name, height=rows.whole, tiles=tiles)


def _alike(one: Op, other: Op) -> bool:
    """Whether two operators do the same to a row."""
    if type(one) is not type(other):
        return False
    names = [field.name for field in dataclasses.fields(one)]
    mine, its = getattr(one, "window", None), getattr(other, "window", None)
    if isinstance(mine, Window) and isinstance(its, Window):
        sides = dataclasses.replace(its.padding, top=mine.padding.top, bottom=mine.padding.bottom)
        if mine != dataclasses.replace(its, padding=sides):
            return False
    return all(_equal(getattr(one, name), getattr(other, name)) for name in names if name not in _LEFT_OUT)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and all(
            _equal(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one)
        )
    return one == other
