"""What is known about a compiled model before it is built: the figures behind `inspect`, `compile` and `flash`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vww_deploy.compiler import footprint
from vww_deploy.compiler.cost import estimate
from vww_deploy.compiler.emit import layer_table
from vww_deploy.compiler.kernels import Kernel
from vww_deploy.compiler.plan import Plan
from vww_deploy.graph.ir import Graph


@dataclass(frozen=True)
class LayerReport:
    """One layer: ``shape`` is its output's (height, width, channels), ``streamed`` tells if it runs in a band.

    ``instructions`` is an estimate for a Cortex-M4, see :mod:`vww_deploy.compiler.cost`.
    """

    index: int
    kind: str
    name: str
    shape: tuple[int, int, int]
    macs: int
    parameters: int
    instructions: int
    constant_bytes: int
    scratch_bytes: int
    streamed: bool


@dataclass(frozen=True)
class PassReport:
    """What a pass saved: multiply-accumulates, and bytes of weights and biases."""

    name: str
    text: str
    macs_saved: int
    bytes_saved: int


TIGHT: Final = 0.05
"""Of a board's RAM: a model that leaves less to everything else fits tightly."""


@dataclass(frozen=True)
class Fit:
    """Whether a model fits into given memory; the ``_over`` fields say by how many bytes it doesn't (0 if it does)."""

    ram_over: int
    flash_over: int
    tight: bool = False
    """It fits, but leaves less than :data:`TIGHT` of the RAM."""

    @property
    def ok(self) -> bool:
        """True when both fit."""
        return not self.ram_over and not self.flash_over


@dataclass(frozen=True)
class Report:
    """A compiled model in figures; bytes unless said otherwise.

    ``macs`` and ``parameters`` are the file's, ``macs_left`` what is computed after all passes. ``activation_bytes`` is
    the most that tensors take at once, ``scratch_bytes`` the largest scratch, ``ram_bytes`` the arena that both share.
    ``code_bytes`` and ``stack_bytes`` are figures measured for a Cortex-M4, see :mod:`vww_deploy.compiler.footprint`.
    """

    name: str
    sha256: str
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    operators: Mapping[str, int]
    macs: int
    macs_left: int
    parameters: int
    activation_bytes: int
    scratch_bytes: int
    ram_bytes: int
    stack_bytes: int
    weight_bytes: int
    table_bytes: int
    code_bytes: int
    passes: tuple[PassReport, ...]
    layers: tuple[LayerReport, ...]
    notices: tuple[str, ...]

    @property
    def flash_bytes(self) -> int:
        """Flash for weights, tables and engine code."""
        return self.weight_bytes + self.table_bytes + self.code_bytes

    @property
    def instructions(self) -> int:
        """An estimate of one inference's instructions on a Cortex-M4."""
        return sum(layer.instructions for layer in self.layers)

    def fit(self, *, ram_bytes: int, flash_bytes: int) -> Fit:
        """Whether arena and stack fit into ``ram_bytes`` and weights, tables and code into ``flash_bytes``."""
        ram = self.ram_bytes + self.stack_bytes
        ram_over, flash_over = max(ram - ram_bytes, 0), max(self.flash_bytes - flash_bytes, 0)
        return Fit(ram_over, flash_over, not ram_over and not flash_over and ram_bytes - ram < TIGHT * ram_bytes)


def make_report(
    source: Graph, graph: Graph, plan: Plan, kernels: Mapping[int, Kernel], passes: tuple[PassReport, ...]
) -> Report:
    """The report on a compiled graph."""
    streamed = {i for s in plan.segments if s.is_band for i in range(s.begin, s.end)}
    layers = []
    for index, position in enumerate(layer_table(graph).positions):
        op, kernel = graph.ops[position], kernels[position]
        out = graph.activations[op.output]
        layers.append(
            LayerReport(
                index=index,
                kind=op.kind,
                name=out.name,
                shape=out.shape,
                macs=op.macs(graph),
                parameters=op.parameters,
                instructions=round(estimate(graph, op)),
                constant_bytes=kernel.constant_bytes,
                scratch_bytes=kernel.scratch_bytes,
                streamed=position in streamed,
            )
        )
    return Report(
        name=source.name,
        sha256=source.sha256,
        input_shape=source.input_activation.shape,
        output_shape=source.output_activation.shape,
        operators=dict(sorted(Counter(op.kind for op in source.ops).items())),
        macs=source.macs,
        macs_left=graph.macs,
        parameters=source.parameters,
        activation_bytes=plan.activation_bytes,
        scratch_bytes=plan.most_scratch_bytes,
        ram_bytes=plan.arena_bytes,
        stack_bytes=footprint.stack_bytes(kernels),
        weight_bytes=footprint.constant_bytes(kernels),
        table_bytes=footprint.table_bytes(plan, kernels),
        code_bytes=footprint.code_bytes(plan, kernels),
        passes=passes,
        layers=tuple(layers),
        notices=source.notices,
    )


def parameter_bytes(graph: Graph) -> int:
    """Bytes of weights and biases as the file stores them."""
    return sum(op.parameter_bytes for op in graph.ops)
