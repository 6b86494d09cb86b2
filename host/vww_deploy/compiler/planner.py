"""Which schedule and layouts to take: the search for the plan with the least RAM that costs next to no speed.

The search starts from the plain plan, every layer whole, and improves it step by step: stream the first layers as a
band whose output follows the input that it consumes; stream the layers around the peak; keep what lowers the peak most.
Where the picture is so large that it is the peak, one band after the other follows the input: a cascade.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from vww_deploy.compiler.cost import CostModel
from vww_deploy.compiler.kernels import InPlace
from vww_deploy.compiler.plan import Choice, Plan, make_plan
from vww_deploy.compiler.schedule import LayerOrder, Segment
from vww_deploy.graph.ir import Graph

SPEED_LOSS: Final = 0.02
"""The share of an inference's instructions that `optimize="speed"` gives for RAM."""

_LONGEST_BAND: Final = 10
_LONGEST_TAIL: Final = 12
_FRONT_ROWS: Final = (1, 2, 3, 4, 6)
_ROWS: Final = (1, 2, 4)
_STEPS: Final = 5
_QUICK: Final = 8
_THOROUGH: Final = 100


def choose_plan(graph: Graph, scratch_bytes: Mapping[int, int], *, optimize: str) -> tuple[Choice, Plan]:
    """The best choice found, and its plan; the same graph always gives the same one."""
    choice = _Search(graph, scratch_bytes, SPEED_LOSS if optimize == "speed" else float("inf")).run()
    return choice, follow(graph, scratch_bytes, choice)


def follow(graph: Graph, scratch_bytes: Mapping[int, int], choice: Choice) -> Plan:
    """The plan of a choice, with more placements tried than the search has time for."""
    layers = LayerOrder(graph)
    quick, thorough = (make_plan(layers, choice, scratch_bytes, effort=effort) for effort in (_QUICK, _THOROUGH))
    assert quick is not None and thorough is not None
    return thorough if thorough.arena_bytes < quick.arena_bytes else quick


class _Search:
    def __init__(self, graph: Graph, scratch_bytes: Mapping[int, int], limit: float) -> None:
        self.graph = graph
        self.scratch_bytes = scratch_bytes
        self.limit = limit
        self.layers = LayerOrder(graph)
        self.cost = CostModel(graph)
        self.choice = Choice()
        plan = make_plan(self.layers, self.choice, scratch_bytes, effort=_QUICK)
        assert plan is not None
        self.plan = plan
        self.slowdown = 0.0

    def run(self) -> Choice:
        self._improve_front()
        self._improve_peaks()
        if self._improve(_cascades(self.layers)):
            self._improve_peaks()
        self._improve(self._filled_slowly())
        return self.choice

    def _improve_peaks(self) -> None:
        for _ in range(_STEPS):
            if not self._improve(_bands(self.layers, self.choice, self.plan)):
                break

    def _filled_slowly(self) -> Iterator[Choice]:
        """The choice so far with bands that fill their rings step by step: one of them, or all."""
        choice = self.choice
        slow = [self.layers.filled_slowly(band) for band in choice.bands]
        changed = [number for number, band in enumerate(choice.bands) if slow[number] != band]
        together = [changed] if len(changed) > 1 else []
        for numbers in [*([number] for number in changed), *together]:
            bands = tuple(slow[n] if n in numbers else band for n, band in enumerate(choice.bands))
            yield Choice(bands, choice.by_rows)

    def _improve_front(self) -> None:
        """Finds the first layers' band: with single rows, which take the least RAM, then with as many as are fast."""
        smallest: list[tuple[int, int, tuple[int, int, bool]]] = []
        for number, shape in enumerate(_front_shapes(self.layers)):
            choice = _front(self.layers, shape, 1, 1)
            plan = make_plan(self.layers, choice, self.scratch_bytes, effort=_QUICK, below=self.plan.arena_bytes)
            if plan is not None and plan.arena_bytes < self.plan.arena_bytes:
                smallest.append((plan.arena_bytes, number, shape))
        for least, _, shape in sorted(smallest):
            if least > self.plan.arena_bytes:
                break
            self._improve(_front(self.layers, shape, rows, step) for rows in _FRONT_ROWS for step in _ROWS)

    def _improve(self, candidates: Iterable[Choice]) -> bool:
        """Takes the candidate of the least RAM, and of those that of the least slowdown; False when none is better."""
        found = False
        for candidate in candidates:
            slower = self.cost.slowdown(candidate)
            if slower > self.limit:
                continue
            below = self.plan.arena_bytes + 1
            plan = make_plan(self.layers, candidate, self.scratch_bytes, effort=_QUICK, below=below)
            if plan is not None and (plan.arena_bytes, slower) < (self.plan.arena_bytes, self.slowdown):
                self.plan, self.choice, self.slowdown = plan, candidate, slower
                found = True
        return found


def _front_shapes(layers: LayerOrder) -> Iterator[tuple[int, int, bool]]:
    """(layers in the first band, layers behind it whose tensors lie row after row, whether some of those grow)."""
    graph = layers.graph
    length = _chain(layers)
    for end in range(2, min(length, _LONGEST_BAND) + 1):
        # tail == end - 1 leaves even the band's own output planar.
        for tail in range(end - 1, min(length, end + _LONGEST_TAIL) + 1):
            if all(graph.ops[i].output != graph.output for i in range(end - 1, tail)):
                yield end, tail, False
                if any(_grows(layers, i) for i in range(end, tail)):
                    yield end, tail, True


def _front(layers: LayerOrder, shape: tuple[int, int, bool], rows: int, step: int) -> Choice:
    """The first layers as one band, and some layers behind it row after row, so that they can follow the input."""
    graph = layers.graph
    end, tail, growing = shape
    bands = [Segment(0, end, rows)]
    for index in range(end, tail):
        if growing and _grows(layers, index):
            bands.append(Segment(index, index + 1, 1, backward=True))
        elif not _stays_in_place(layers, index):
            bands.append(Segment(index, index + 1, step))
    return Choice(tuple(bands), frozenset(graph.ops[i].output for i in range(end - 1, tail)))


def _cascades(layers: LayerOrder) -> Iterator[Choice]:
    """Two and more bands from the first layer on, each of which ends where tensors are small and follows its input."""
    graph = layers.graph
    sizes = [graph.input_activation.size, *(graph.activations[op.output].size for op in graph.ops)]
    ends = [
        end
        for end in range(1, _chain(layers))
        if sizes[end] < sizes[end - 1] and sizes[end] <= sizes[end + 1] and graph.ops[end - 1].output != graph.output
    ]
    for count in range(2, len(ends) + 1):
        outputs = frozenset(graph.ops[end - 1].output for end in ends[:count])
        for rows in _FRONT_ROWS:
            for step in _ROWS:
                later = (Segment(begin, end, step) for begin, end in pairwise(ends[:count]))
                yield Choice((Segment(0, ends[0], rows), *later), outputs)


def _chain(layers: LayerOrder) -> int:
    """How many of the first layers form a chain that can stream, each read by the next alone."""
    graph = layers.graph
    readers: dict[int, int] = {}
    for op in graph.ops:
        for tensor in op.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
    previous = graph.input
    for index, op in enumerate(graph.ops):
        if not layers.can_stream(index) or op.inputs != (previous,) or readers[previous] != 1:
            return index
        previous = op.output
    return len(graph.ops)


def _stays_in_place(layers: LayerOrder, index: int) -> bool:
    """True for layers that can overwrite a tensor that lies row after row, all rows in one call."""
    graph, op = layers.graph, layers.graph.ops[index]
    source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
    same = (source.height, source.width) == (out.height, out.width)
    return same and InPlace.SAME in layers.in_place[index]


def _grows(layers: LayerOrder, index: int) -> bool:
    """True for layers that widen every row: with rows packed tight they can still work in place, from the last row."""
    return InPlace.BACKWARD in layers.in_place[index]


def _bands(layers: LayerOrder, choice: Choice, plan: Plan) -> Iterator[Choice]:
    """The choice so far with one more band, over a layer at which the plan peaks."""
    graph = layers.graph
    taken = {i for band in choice.bands for i in range(band.begin, band.end)}
    readers: dict[int, set[int]] = {}
    for index, op in enumerate(graph.ops):
        for tensor in op.inputs:
            readers.setdefault(tensor, set()).add(index)
    for peak in _peaks(plan):
        for begin in range(max(peak - 4, 0), peak + 1):
            for end in range(max(begin + 2, peak + 1), min(begin + 6, len(graph.ops)) + 1):
                span = range(begin, end)
                if taken.intersection(span) or not all(layers.can_stream(i) for i in span):
                    continue
                inner = [graph.ops[i].output for i in span[:-1]]
                linked = all(readers.get(tensor, set()) == {i + 1} for tensor, i in zip(inner, span, strict=False))
                first = all(graph.ops[i + 1].inputs[0] == graph.ops[i].output for i in span[:-1])
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
