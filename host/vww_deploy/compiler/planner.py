"""Which schedule and layouts to take: the search for the plan with the least RAM that costs next to no speed.

The search starts from the plain plan, every layer whole, and improves it step by step: stream the first layers as a
band whose output follows the input that it consumes; stream the layers around the peak; keep what lowers the peak most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from vww_deploy.compiler.plan import Choice, Plan, is_pointwise, make_plan
from vww_deploy.compiler.schedule import Segment, can_stream
from vww_deploy.graph.ir import Conv2D, DepthwiseConv2D, Graph

SPEED_LOSS: Final = 0.02
"""The share of an inference's instructions that `optimize="speed"` gives for RAM."""

_LONGEST_BAND: Final = 10
_LONGEST_TAIL: Final = 12
_ROWS: Final = (1, 2, 4)
_STEPS: Final = 6
_EFFORT: Final = 60

# A rough model of the kernels on a Cortex-M4, in instructions; it only ranks schedules.
_PER_MAC: Final = 1.25
_PER_CALL: Final = 120
_PER_CHANNEL_CALL: Final = 60  # a depthwise kernel's set-up for one channel
_PER_WIDENED_BYTE: Final = 0.9
_SHORT_BLOCK: Final = 1.6  # a block of fewer than four pixels, against its share of a full one


def choose_plan(graph: Graph, scratch_bytes: Mapping[int, int], *, optimize: str) -> Plan:
    """The best plan found; the same graph always gives the same one."""
    limit = SPEED_LOSS if optimize == "speed" else float("inf")
    choice = Choice()
    plan = make_plan(graph, choice, scratch_bytes, effort=5)
    assert plan is not None
    for step in range(_STEPS):
        found = False
        candidates = _fronts(graph) if step == 0 else _bands(graph, choice, plan)
        for candidate in candidates:
            if slowdown(graph, candidate) > limit:
                continue
            better = make_plan(graph, candidate, scratch_bytes, effort=2, below=plan.arena_bytes)
            if better is not None and better.arena_bytes < plan.arena_bytes:
                plan, best = better, candidate
                found = True
        if found:
            choice = best
        elif step > 0:
            break
    final = make_plan(graph, choice, scratch_bytes, effort=_EFFORT)
    assert final is not None
    return final


def _fronts(graph: Graph) -> Iterator[Choice]:
    """The first layers as one band, and some layers behind it row after row, so that they can follow the input."""
    length = _chain(graph)
    for end in range(2, min(length, _LONGEST_BAND) + 1):
        for tail in range(end - 1, min(length, end + _LONGEST_TAIL) + 1):
            for rows in _ROWS:
                # The band's own output, then those of the tail; tail == end - 1 leaves even that one planar.
                by_rows = frozenset(graph.ops[i].output for i in range(end - 1, tail))
                if graph.output in by_rows:
                    continue
                front = Segment(0, end, rows)
                stepped = [Segment(i, i + 1, rows) for i in range(end, tail) if not _stays_in_place(graph, i)]
                yield Choice((front, *stepped), by_rows)
                growing = [Segment(i, i + 1, 1, backward=True) for i in range(end, tail) if _grows(graph, i)]
                if growing:
                    yield Choice((front, *stepped, *growing), by_rows)


def _chain(graph: Graph) -> int:
    """How many of the first layers form a chain that can stream, each read by the next alone."""
    readers: dict[int, int] = {}
    for op in graph.ops:
        for tensor in op.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
    previous = graph.input
    for index, op in enumerate(graph.ops):
        if not can_stream(op) or op.inputs != (previous,) or readers[previous] != 1:
            return index
        previous = op.output
    return len(graph.ops)


def _stays_in_place(graph: Graph, index: int) -> bool:
    """True for layers that can overwrite a tensor that lies row after row, all rows in one call."""
    op = graph.ops[index]
    source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
    same = (source.height, source.width) == (out.height, out.width)
    return is_pointwise(op) or (isinstance(op, DepthwiseConv2D) and op.depth_multiplier == 1 and same)


def _grows(graph: Graph, index: int) -> bool:
    """True for layers that widen every row: with rows packed tight they can still work in place, from the last row."""
    op = graph.ops[index]
    return is_pointwise(op) and graph.activations[op.output].channels > graph.activations[op.inputs[0]].channels


def _bands(graph: Graph, choice: Choice, plan: Plan) -> Iterator[Choice]:
    """The choice so far with one more band, over a layer at which the plan peaks."""
    taken = {i for band in choice.bands for i in range(band.begin, band.end)}
    readers: dict[int, set[int]] = {}
    for index, op in enumerate(graph.ops):
        for tensor in op.inputs:
            readers.setdefault(tensor, set()).add(index)
    for peak in _peaks(plan):
        for begin in range(max(peak - 4, 0), peak + 1):
            for end in range(max(begin + 2, peak + 1), min(begin + 6, len(graph.ops)) + 1):
                layers = range(begin, end)
                if taken.intersection(layers) or not all(can_stream(graph.ops[i]) for i in layers):
                    continue
                inner = [graph.ops[i].output for i in layers[:-1]]
                linked = all(readers.get(tensor, set()) == {i + 1} for tensor, i in zip(inner, layers, strict=False))
                first = all(graph.ops[i + 1].inputs[0] == graph.ops[i].output for i in layers[:-1])
                if linked and first and graph.output not in inner and not choice.by_rows.intersection(inner):
                    for rows in _ROWS:
                        yield Choice((*choice.bands, Segment(begin, end, rows)), choice.by_rows)


def _peaks(plan: Plan) -> list[int]:
    """The layers during which the arena is fullest."""
    top = [
        max((s.offset + s.high[t] for s in plan.storages if s.high[t] > s.low[t]), default=0)
        for t in range(len(plan.calls))
    ]
    most = max(top)
    return sorted({call.layer for call, bytes_used in zip(plan.calls, top, strict=True) if bytes_used == most})


def slowdown(graph: Graph, choice: Choice) -> float:
    """The share of instructions that a choice adds to the plain schedule, by a rough model of the kernels."""
    total = _PER_MAC * graph.macs + 1
    extra = 0.0
    for band in choice.bands:
        for index in range(band.begin, band.end):
            op = graph.ops[index]
            source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
            height = graph.activations[graph.ops[band.end - 1].output].height
            calls = -(-height // band.rows)
            extra += _PER_CALL * calls
            if isinstance(op, DepthwiseConv2D):
                # The rows that two windows share are widened again by every call.
                again = max((op.window.kernel[0] - 1) * op.window.dilation[0] + 1 - op.window.stride[0], 0)
                extra += calls * source.channels * (_PER_CHANNEL_CALL + again * source.width * _PER_WIDENED_BYTE)
            elif isinstance(op, Conv2D):
                extra += _row_blocks(op, out.width, out.height) * _PER_MAC * op.macs(graph)
    for index, op in enumerate(graph.ops):
        banded = any(b.begin <= index < b.end for b in choice.bands)
        if isinstance(op, Conv2D) and op.output in choice.by_rows and not banded:
            out = graph.activations[op.output]
            extra += _row_blocks(op, out.width, out.height) * _PER_MAC * op.macs(graph)
    return extra / total


def _row_blocks(op: Conv2D, width: int, height: int) -> float:
    """The share that blocks of fewer than four pixels at the ends of rows add, against whole planes in one row."""
    if not is_pointwise(op) or width % 4 == 0:
        return 0.0
    short = width % 4
    whole = width * height
    return short * height / whole * (_SHORT_BLOCK - 1)
