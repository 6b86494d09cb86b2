"""The keyboard of a terminal on Linux and macOS."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import termios
import tty
from typing import Any, Self

assert sys.platform != "win32"  # for the type checker: what these modules have is not there on Windows


class PosixKeyboard:
    """Characters at once and without echo; Ctrl-C still interrupts.

    Args:
        terminal: a file descriptor.
    """

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._terminal)
        tty.setcbreak(self._terminal)
        return self

    def __exit__(self, *_: object) -> None:
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def read(self, timeout_s: float) -> bytes | None:
        """As :class:`~vww_deploy.monitor.keyboard.Keyboard` has it."""
        if not select.select([self._terminal], [], [], timeout_s)[0]:
            return b""
        return os.read(self._terminal, 256) or None


def cell_size(terminal: int) -> tuple[int, int] | None:
    """Height and width of a cell in screen pixels."""
    try:
        answer = fcntl.ioctl(terminal, termios.TIOCGWINSZ, b"\0" * 8)
    except OSError:
        return None
    rows, columns, wide, high = struct.unpack("HHHH", answer)
    return (high // rows, wide // columns) if high and wide else None
