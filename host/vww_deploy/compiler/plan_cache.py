"""What the planner found for a model, kept in the user's cache: a second `inspect` or `flash` does not search again.

A file holds the choice alone, from which the plan follows in milliseconds. It is found by a hash of the graph, of what
is preferred and of the compiler's own sources, so that no other model and no other version takes it; it is written
whole or not at all; and what is damaged, or leads to another arena than it says, is as if it were not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Final

from vww_deploy import __version__
from vww_deploy.compiler.plan import Choice, Plan
from vww_deploy.compiler.planner import choose_plan, follow
from vww_deploy.compiler.schedule import Segment
from vww_deploy.errors import VwwError
from vww_deploy.files import write_whole
from vww_deploy.graph.ir import Graph
from vww_deploy.resources import cache_dir

_KEPT: Final = 256


def planned(graph: Graph, scratch_bytes: Mapping[int, int], *, optimize: str) -> Plan:
    """As :func:`choose_plan`, from the cache where the same was asked before."""
    path = None
    with contextlib.suppress(VwwError):  # no cache, no memory; everything else works
        path = cache_dir() / "plans" / f"{_key(graph, scratch_bytes, optimize)}.json"
    plan = _read(path, graph, scratch_bytes) if path is not None else None
    if plan is None:
        choice, plan = choose_plan(graph, scratch_bytes, optimize=optimize)
        if path is not None:
            _write(path, choice, plan.arena_bytes)
    return plan


def _read(path: Path, graph: Graph, scratch_bytes: Mapping[int, int]) -> Plan | None:
    try:
        found = json.loads(path.read_bytes())
        bands = tuple(Segment(int(b), int(e), int(r), bool(w), int(lead)) for b, e, r, w, lead in found["bands"])
        plan = follow(graph, scratch_bytes, Choice(bands, frozenset(map(int, found["by_rows"]))))
        return plan if plan.arena_bytes == found["arena_bytes"] else None
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, AssertionError, RecursionError):
        return None


def _write(path: Path, choice: Choice, arena_bytes: int) -> None:
    found = {"bands": list(map(astuple, choice.bands)), "by_rows": sorted(choice.by_rows), "arena_bytes": arena_bytes}
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        write_whole(path, json.dumps(found).encode())
        files = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in files[:-_KEPT]:
            file.unlink(missing_ok=True)


def _key(graph: Graph, scratch_bytes: Mapping[int, int], optimize: str) -> str:
    """Of all that the planner looks at."""
    ops = [(op.kind, op.inputs, op.output, op.row_map(graph)) for op in graph.ops]
    shapes = {number: activation.shape for number, activation in sorted(graph.activations.items())}
    parts = (graph.sha256, optimize, ops, shapes, sorted(scratch_bytes.items()), _sources())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


@cache
def _sources() -> str:
    """The version, and a hash of the sources that plans come from: a checkout changes without its version."""
    found = hashlib.sha256(__version__.encode())
    package = Path(__file__).parents[1]
    for path in sorted([*(package / "compiler").rglob("*.py"), *(package / "graph").rglob("*.py")]):
        found.update(path.read_bytes())
    return found.hexdigest()
