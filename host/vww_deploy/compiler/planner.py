"""Which schedule and layouts to take: the search for the plan with the least RAM that costs next to no speed."""

from __future__ import annotations

from collections.abc import Mapping

from vww_deploy.compiler.plan import Choice, Plan, make_plan
from vww_deploy.graph.ir import Graph


def choose_plan(graph: Graph, scratch_bytes: Mapping[int, int], *, optimize: str) -> Plan:
    """The best plan found; the same graph always gives the same one."""
    return make_plan(graph, Choice(), scratch_bytes, effort=20)
