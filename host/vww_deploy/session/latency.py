"""Latency in words: measured time where the board has a clock, instructions and an estimate where it only counts them.

The virtual board counts instructions. That is exact, and no time: beside it stands what the compiler's model of a core
makes of so many instructions on a real board, labelled as an estimate.
"""

from __future__ import annotations

from typing import Final

from vww_deploy.boards.catalogue import get_board

ESTIMATE_BOARD: Final = "nano33ble"
"""The Tiny Machine Learning Kit's board."""


def timed_us(clock: str, latency_us: int) -> int | None:
    """Microseconds that a board measured; None where its clock counts instructions."""
    return None if clock == "instructions" else latency_us


def estimated_us(instructions: int, board: str = ESTIMATE_BOARD) -> int | None:
    """Microseconds that so many instructions are estimated to take on a board of the catalogue; None if unknown.

    Raises:
        BoardError: there is no such board.
    """
    milliseconds = get_board(board).estimated_ms(instructions)
    return None if milliseconds is None else round(1000 * milliseconds)


def latency_text(clock: str, ticks: int, latency_us: int) -> str:
    """``72.30 ms``, or ``8,704,735 instructions (estimate: 175 ms on nano33ble)``."""
    if clock != "instructions":
        return f"{latency_us / 1000:.2f} ms"
    estimate = estimated_us(ticks)
    beside = "" if estimate is None else f" (estimate: {estimate / 1000:.0f} ms on {ESTIMATE_BOARD})"
    return f"{ticks:,} instructions{beside}"
