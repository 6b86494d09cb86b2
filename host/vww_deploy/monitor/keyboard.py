"""The keys of a terminal, one at a time and unseen; the operating system's part is a module for each."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Protocol, Self, TextIO


class Keyboard(Protocol):
    """A terminal's keyboard, taken while it is open (a context manager); the terminal is left as it was found."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def read(self, timeout_s: float) -> bytes | None:
        """The keys pressed by now, waiting ``timeout_s`` seconds for the first; None when the terminal has gone.

        Arrow keys and others without a character are the escape sequences that xterm sends for them.
        """
        ...


def open_keyboard(keyboard: TextIO) -> Keyboard:
    """The keyboard of the terminal that ``keyboard``, usually standard input, reads from; not taken yet."""
    opened: Keyboard
    if sys.platform == "win32":
        from vww_deploy.monitor.keyboard_windows import WindowsKeyboard

        opened = WindowsKeyboard()
    else:
        from vww_deploy.monitor.keyboard_posix import PosixKeyboard

        opened = PosixKeyboard(keyboard.fileno())
    return opened


def cell_size(screen: TextIO) -> tuple[int, int] | None:
    """Height and width of a terminal's cell in screen pixels; None where the system does not say."""
    if sys.platform == "win32":
        return None
    from vww_deploy.monitor import keyboard_posix

    return keyboard_posix.cell_size(screen.fileno())
