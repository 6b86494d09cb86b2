"""Latency in words: measured time where the board has a clock, instructions and an estimate where it only counts them.

The virtual board counts instructions. That is exact, and no time: beside it stands what the compiler's model of a core
makes of so many instructions on a real board, labelled as an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vww_deploy.boards.catalogue import get_board

ESTIMATE_BOARD: Final = "nano33ble"
"""The Tiny Machine Learning Kit's board."""

COUNTED: Final = "instructions"
"""The clock of a board that measures no time."""


@dataclass(frozen=True)
class Estimate:
    """What the compiler's model of a core makes of counted instructions: no measurement."""

    board: str
    latency_us: int

    def __str__(self) -> str:
        """``estimate: 175 ms on nano33ble``, or ``1.2 ms``."""
        milliseconds = self.latency_us / 1000
        return f"estimate: {milliseconds:,.{0 if milliseconds >= 10 else 1}f} ms on {self.board}"


def estimate(instructions: int, board: str = ESTIMATE_BOARD) -> Estimate | None:
    """What so many instructions are estimated to take on a board; None if nothing is known of its core.

    Raises:
        BoardError: there is no such board.
    """
    milliseconds = get_board(board).estimated_ms(instructions)
    return None if milliseconds is None else Estimate(board, round(1000 * milliseconds))


def clock_text(clock: str, clock_hz: int) -> str:
    """What a board's ticks are: ``cycles, 64,000,000 a second``. Counted instructions are not so many a second."""
    return f"{clock}, which are counted" if clock == COUNTED else f"{clock}, {clock_hz:,} a second"


def latency_text(ticks: int, latency_us: int | None, board: str = ESTIMATE_BOARD) -> str:
    """``72.30 ms``, or ``8,704,735 instructions (estimate: 175 ms on nano33ble)`` where no time was measured."""
    if latency_us is not None:
        return f"{latency_us / 1000:.2f} ms"
    made = estimate(ticks, board)
    return f"{ticks:,} {COUNTED}" + (f" ({made})" if made else "")
