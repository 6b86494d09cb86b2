"""How boards are reached: one :class:`BoardDriver` for each way, which the catalogue names."""

from __future__ import annotations

from typing import Final

from vww_deploy.boards.catalogue import Board, load_boards
from vww_deploy.boards.drivers.driver import Attached, BoardDriver, FeedOpener
from vww_deploy.boards.drivers.qemu import QemuDriver
from vww_deploy.boards.drivers.usb import UsbDriver, plugged_in, serial_number

__all__ = [
    "Attached",
    "BoardDriver",
    "FeedOpener",
    "attached",
    "default_board",
    "driver_for",
    "plugged_in",
    "serial_number",
]

_DRIVERS: Final[dict[str, type[BoardDriver]]] = {"usb": UsbDriver, "qemu": QemuDriver}


def driver_for(board: Board, instance: str | None = None) -> BoardDriver:
    """The driver of a board.

    Args:
        instance: the serial number of one of several of its kind; of a board that is started on demand, the name.
    """
    return _DRIVERS[board.driver](board, instance)


def attached() -> list[Attached]:
    """The boards of the catalogue that are attached or running."""
    return [found for board in load_boards() for found in driver_for(board).attached()]


def default_board() -> Board:
    """The board to take when none is attached: the one that is started on demand."""
    return next(board for board in load_boards() if driver_for(board).emulated)
