"""What an architecture takes, ever more exactly: by a table, by the memory planner, counted in the emulator."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from vww_deploy.boards.catalogue import Board
from vww_deploy.compiler import compile_model
from vww_deploy.compiler.cost import estimate
from vww_deploy.compiler.targets.cortex_m4 import CYCLES_PER_INSTRUCTION
from vww_deploy.errors import DataError
from vww_deploy.graph.architecture import Architecture
from vww_deploy.graph.synthetic import architecture_graph
from vww_deploy.search import space

TABLE_MARGIN: Final = 1.0
"""How far above the limit the table's cycles may lie. The counted cycles of 37 networks were 5 % below to 13 % above
the table's, 1 % above on average; with a margin of 1.15 most of those that were counted broke the limit."""
_CODE_BYTES: Final = 9000
"""Of the kernels that such networks use, for the table."""
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KM]?)i?B?", re.IGNORECASE)
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h)", re.IGNORECASE)


@dataclass(frozen=True)
class CandidateCost:
    """Figures of one inference on a Cortex-M4; ``exactness`` says how they were got: table, plan or counted.

    ``cycles`` are modelled with zero wait states, ``ram_bytes`` are the arena's (None by table), ``flash_bytes``
    weights, tables and kernels.
    """

    macs: int
    parameters: int
    cycles: int
    flash_bytes: int
    ram_bytes: int | None
    exactness: str

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """The most that a network may take of a board."""

    board: str
    clock_hz: int
    cycles: int
    ram_bytes: int
    flash_bytes: int

    def broken_by(self, cost: CandidateCost) -> dict[str, float]:
        """Which limits a cost breaks: the factor by which it lies above, by name."""
        factors = {
            "cycles": cost.cycles / self.cycles,
            "RAM": (cost.ram_bytes or 0) / self.ram_bytes,
            "flash": cost.flash_bytes / self.flash_bytes,
        }
        return {name: factor for name, factor in factors.items() if factor > 1.0}

    def milliseconds(self, cycles: int) -> float:
        """Of so many cycles on the board."""
        return 1000.0 * cycles / self.clock_hz

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def limits_of(board: Board, *, latency: str | None, ram: str | None, flash: str | None) -> Limits:
    """The limits that a user gives, the board's own where nothing is given.

    Raises:
        DataError: a text is no time or size, or the board has less than is asked for.
    """
    if board.counts_instructions:
        raise DataError(
            f"{board.title} counts instructions and has no time to limit",
            hint="name the board that is to run the network: --board nano33ble",
        )
    if not board.clock_hz or board.target is None:
        raise DataError(
            f"nothing is known of the core of {board.name}", hint="vww-deploy boards lists the boards with a core."
        )
    seconds = parse_time(latency, "--latency") if latency else 1.0
    asked_ram = parse_size(ram, "--ram") if ram else board.ram_bytes
    asked_flash = parse_size(flash, "--flash") if flash else board.flash_bytes
    for name, asked, has in (("RAM", asked_ram, board.ram_bytes), ("flash", asked_flash, board.flash_bytes)):
        if asked > has:
            raise DataError(f"{board.title} leaves {has:,} B of {name} to a model, not {asked:,}", hint="Ask for less.")
    return Limits(board.name, board.clock_hz, int(seconds * board.clock_hz), asked_ram, asked_flash)


def parse_size(text: str, option: str) -> int:
    """Bytes of ``64K``, ``1M`` or ``65536``; K is 1,024."""
    found = _SIZE.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise DataError(f"{option} {text} is no size", hint="Write it like 64K or 65536.")
    return int(float(found[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20}[found[2].upper()])


def parse_time(text: str, option: str) -> float:
    """Seconds of ``150ms``, ``1.5s``, ``30m`` or ``4h``."""
    found = _TIME.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise DataError(f"{option} {text} is no time", hint="Write it like 150ms, 30m or 4h.")
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}[found[2].lower()]


def table_cost(architecture: Architecture) -> CandidateCost:
    """By the target's table of instructions a layer, in milliseconds; RAM is not known."""
    graph = architecture_graph(architecture)
    instructions = sum(estimate(graph, op.as_convolution(graph)) for op in graph.ops)
    weights = sum(op.parameter_bytes for op in graph.ops)
    scaling = sum(8 * graph.activations[op.output].channels for op in graph.ops if op.parameters)
    cycles = round(instructions * CYCLES_PER_INSTRUCTION)
    return CandidateCost(graph.macs, graph.parameters, cycles, weights + scaling + _CODE_BYTES, None, "table")


def planned_cost(architecture: Architecture) -> CandidateCost:
    """By the memory planner, whose RAM is that of the linked program; cycles are the table's for its schedule."""
    report = compile_model(architecture_graph(architecture)).report()
    cycles = round(report.instructions * CYCLES_PER_INSTRUCTION)
    return CandidateCost(report.macs, report.parameters, cycles, report.flash_bytes, report.ram_bytes, "plan")


def counted_cost(architecture: Architecture) -> CandidateCost:
    """Built, run in the emulator and counted.

    Raises:
        ToolMissing: the cross compiler or the emulator is not installed.
    """
    from vww_deploy.compiler.profile.engine import profile_engine

    compiled = compile_model(architecture_graph(architecture))
    report, profile = compiled.report(), profile_engine(compiled)
    cycles = profile.cycles or 0
    return CandidateCost(report.macs, report.parameters, cycles, profile.flash_bytes, profile.ram_bytes, "counted")


def prior(architecture: Architecture, cost: CandidateCost) -> float:
    """:func:`vww_deploy.search.space.capacity` of an architecture whose cost is known."""
    return space.capacity(cost.macs, cost.parameters, architecture.channels)
