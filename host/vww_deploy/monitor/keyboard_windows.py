"""The keyboard of Windows Terminal and of the Windows console."""

from __future__ import annotations

import sys
import time
from typing import Final, Protocol, Self

_POLL_INTERVAL_S: Final = 0.02  # the console has nothing that one could wait for; a key is heard at once for people
_SPECIAL: Final = ("\x00", "\xe0")  # the first character of a key that has none; the second says which
_SEQUENCES: Final = {"K": b"\x1b[D", "M": b"\x1b[C", "G": b"\x1b[H", "H": b"\x1b[A", "P": b"\x1b[B"}

_STDOUT: Final = -11
_ENABLE_VIRTUAL_TERMINAL_PROCESSING: Final = 4


class Console(Protocol):
    """What is used of the module ``msvcrt``."""

    def kbhit(self) -> bool:
        """A key has been pressed and not been read."""
        ...

    def getwch(self) -> str:
        """The next character, unseen."""
        ...


class WindowsKeyboard:
    """The process's console.

    Args:
        console: the module ``msvcrt``; tests have one that plays keys.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = _this_console() if console is None else console
        self._mode_before: int | None = None

    def __enter__(self) -> Self:
        self._mode_before = _output_mode(None)
        if self._mode_before is not None:
            _output_mode(self._mode_before | _ENABLE_VIRTUAL_TERMINAL_PROCESSING)  # the old console needs to be told
        return self

    def __exit__(self, *_: object) -> None:
        if self._mode_before is not None:
            _output_mode(self._mode_before)

    def read(self, timeout_s: float) -> bytes | None:
        """As :class:`~vww_deploy.monitor.keyboard.Keyboard` has it."""
        deadline = time.monotonic() + timeout_s
        while not self._console.kbhit():
            if time.monotonic() >= deadline:
                return b""
            time.sleep(_POLL_INTERVAL_S)
        keys = b""
        while self._console.kbhit():
            character = self._console.getwch()
            if character in _SPECIAL:
                keys += _SEQUENCES.get(self._console.getwch(), b"")
            elif character == "\x03":  # the console hands it over like any other
                raise KeyboardInterrupt
            else:
                keys += character.encode("utf-8", "replace")
        return keys


def _this_console() -> Console:
    if sys.platform != "win32":
        raise OSError("this system has no Windows console")
    import msvcrt

    return msvcrt


def _output_mode(new: int | None) -> int | None:
    """Reads or sets how the console treats what is written to it; None where that is not possible."""
    if sys.platform != "win32":
        return None
    import ctypes

    kernel = ctypes.windll.kernel32
    handle = kernel.GetStdHandle(_STDOUT)
    mode = ctypes.c_uint32(0 if new is None else new)
    done = kernel.GetConsoleMode(handle, ctypes.byref(mode)) if new is None else kernel.SetConsoleMode(handle, mode)
    return mode.value if done else None
