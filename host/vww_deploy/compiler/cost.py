"""How many instructions layers take on a target, estimated before anything is built: whole, and as they are scheduled.

A kernel's rule says what a layer does, the target's table what each of it takes. Where a target has no table that of
the Cortex-M4 stands in.
"""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels import KernelWork, rule_of
from vww_deploy.compiler.plan import Choice
from vww_deploy.compiler.targets.cortex_m4 import TARGET
from vww_deploy.compiler.targets.target import Target
from vww_deploy.graph.ir import Graph, Op

DEFAULT: Final = TARGET
"""The target that schedules are chosen for."""


def estimate(graph: Graph, op: Op, target: Target = DEFAULT) -> float:
    """Instructions of one layer, whole."""
    return _instructions(rule_of(op).work(graph, op), target)


class CostModel:
    """The cost of a graph's schedules, on one target."""

    def __init__(self, graph: Graph, target: Target = DEFAULT) -> None:
        self._graph = graph
        self._target = target
        # What is given up is measured against well-running arithmetic, not against slow layers: those are to stay as
        # fast as they can be.
        outputs = sum(graph.activations[op.output].size for op in graph.ops)
        self._total = _instructions(KernelWork("rows", {"macs": graph.macs, "outputs": outputs}), target)
        self._known: dict[tuple[int, int], float] = {}

    def slowdown(self, choice: Choice) -> float:
        """The share of instructions that a choice adds to the plain schedule."""
        graph = self._graph
        extra = 0.0
        banded: set[int] = set()
        for band in choice.bands:
            calls = -(-graph.activations[graph.ops[band.end - 1].output].height // band.rows)
            banded.update(range(band.begin, band.end))
            extra += sum(self._extra(index, calls) for index in range(band.begin, band.end))
        for index, op in enumerate(graph.ops):
            if op.output in choice.by_rows and index not in banded:
                extra += self._extra(index, 0)
        return extra / self._total

    def _extra(self, index: int, calls: int) -> float:
        """Instructions on top for a layer in so many calls; 0: in one, with each row by itself."""
        key = (index, calls)
        if key not in self._known:
            op = self._graph.ops[index]
            rule = rule_of(op)
            work = rule.work_of_rows(self._graph, op, calls) if calls else rule.work_of_short_rows(self._graph, op)
            self._known[key] = _instructions(work, self._target)
        return self._known[key]


def _instructions(work: KernelWork, target: Target) -> float:
    each = (target.instructions or DEFAULT.instructions)[work.case]
    return sum(factor * work.amounts[amount] for amount, factor in each.items() if amount in work.amounts)
