"""From a .tflite file to a C++ library: the compiler's public interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from vww_deploy.compiler.emit import emit, layer_table
from vww_deploy.compiler.kernels import Kernel, lower
from vww_deploy.compiler.passes import PASSES
from vww_deploy.compiler.plan import Plan
from vww_deploy.compiler.plan_cache import planned
from vww_deploy.compiler.report import PassReport, Report, make_report, parameter_bytes
from vww_deploy.errors import ModelError
from vww_deploy.files import write_folder
from vww_deploy.graph.ir import Activation, Graph, Op
from vww_deploy.graph.reader import read_model

Optimize = Literal["speed", "ram"]


@dataclass(frozen=True)
class Layer:
    """A layer of the emitted library, as its hook numbers it.

    ``kind`` and ``name`` are the operator's and its output tensor's in the file; ``activation`` says what is compared
    with the reference: its shape and, after folding, which of the file's channels are left.
    """

    index: int
    kind: str
    name: str
    activation: Activation
    macs: int


@dataclass(frozen=True, eq=False)
class Compiled:
    """A compiled model.

    ``source`` is the graph as read, ``graph`` the one after all passes, which the library computes.
    """

    source: Graph
    graph: Graph
    plan: Plan
    kernels: Mapping[int, Kernel]
    passes: tuple[PassReport, ...] = ()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The library's layers in execution order."""
        return _layers(self.graph)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """The library's files: text by path relative to its folder. The same model gives the same bytes."""
        return emit(self.graph, self.plan, self.kernels)

    def report(self) -> Report:
        """RAM, flash, stack, layers and what the passes saved."""
        return make_report(self.source, self.graph, self.plan, self.kernels, self.passes)

    def write(self, folder: str | Path) -> Path:
        """Writes the library into a folder (made when missing; files there of the same names are replaced, whole)."""
        folder = Path(folder)
        try:
            write_folder(folder, self.files)
        except OSError as error:
            raise ModelError(f"{folder}: cannot be written: {error.strerror}", hint="choose another folder") from error
        return folder


def compile_model(source: str | Path | bytes | Graph, *, optimize: Optimize = "speed", name: str = "model") -> Compiled:
    """Compiles a .tflite file (path, bytes, or a graph that was read already).

    ``optimize`` says what the planner prefers: "speed" trades at most 2 % of it for RAM, "ram" takes the least RAM.
    Raises ModelError for what cannot be compiled.
    """
    read = source if isinstance(source, Graph) else read_model(source, name=name)
    graph, passes = _prepared(read)
    kernels = {i: lower(graph, op) for i, op in enumerate(graph.ops)}
    scratch = {i: kernel.scratch_bytes for i, kernel in kernels.items()}
    plan = planned(graph, scratch, optimize=optimize)
    return Compiled(read, graph, plan, kernels, passes)


def compiled_layers(source: Graph) -> tuple[Layer, ...]:
    """:attr:`Compiled.layers` alone, without planning the memory: milliseconds instead of seconds."""
    return _layers(_prepared(source)[0])


def _layers(graph: Graph) -> tuple[Layer, ...]:
    return tuple(
        Layer(index, *_named(graph, graph.ops[position])) for index, position in enumerate(layer_table(graph).positions)
    )


def _prepared(read: Graph) -> tuple[Graph, tuple[PassReport, ...]]:
    """The graph after all passes, and what each saved."""
    folded = ", ".join(f"{count} {kind}" for kind, count in read.folded.items())
    reports = [PassReport("reading", f"folded away: {folded or 'nothing'}", 0, 0)]
    graph = read
    for step in PASSES:
        before, graph = graph, step.run(graph)
        saved = parameter_bytes(before) - parameter_bytes(graph)
        reports.append(PassReport(step.name, step.text, before.macs - graph.macs, saved))
    return graph, tuple(reports)


def _named(graph: Graph, op: Op) -> tuple[str, str, Activation, int]:
    activation = graph.activations[op.output]
    return op.kind, activation.name, activation, op.macs(graph)
