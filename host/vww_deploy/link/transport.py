"""Ports: a device path or any pyserial URL, opened for this process alone; failures become :class:`LinkError`."""

from __future__ import annotations

import contextlib
import errno
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import serial
from serial.tools import list_ports

from vww_deploy.advice import advice
from vww_deploy.errors import LinkError
from vww_deploy.link import portlock

# A board that restarts takes its port along and comes back under another name: USB enumeration takes
# 1-3 s, a slow hub longer.
REOPEN_TIMEOUT_S: Final = 10.0
REOPEN_INTERVAL_S: Final = 0.1

# Longest a board may hold the sender back (it stops reading while it infers) without taking so many bytes. Counted for
# each piece: the emulator on a busy host takes them slowly, and that is no reason to give it up.
WRITE_TIMEOUT_S: Final = 5.0
WRITE_PIECE_BYTES: Final = 256


class PortStuck(LinkError):  # noqa: N818
    """The board took no bytes for :data:`WRITE_TIMEOUT_S`; those that wait for it are thrown away."""


@dataclass(frozen=True)
class Line:
    """What a way to a board is like."""

    bytes_per_s: float = math.inf
    """What it carries at most."""
    lossless: bool = False
    """Every byte arrives: what is not answered was lost in a restart, or the other side has not got round to it."""


class Transport(Protocol):
    """A way for bytes to a board and back. Failures are :class:`LinkError`."""

    @property
    def line(self) -> Line:
        """What the timeouts of the link follow."""
        ...

    @property
    def name(self) -> str:
        """What to call it in messages: ``/dev/ttyACM0``."""
        ...

    def read(self, timeout_s: float) -> bytes:
        """What has come, at least one byte unless ``timeout_s`` passes first; then ``b""``."""
        ...

    def write(self, data: bytes) -> None:
        """Hands over all of ``data``; raises :class:`PortStuck` when the board does not take it."""
        ...

    def reopen(self) -> None:
        """Connects again after a failure, waiting for the port to come back."""
        ...

    def close(self) -> None:
        """Gives the port back; harmless when it is closed."""
        ...


class SerialTransport:
    """A serial port. ``locate`` says under which name the board is now, for boards that come back renamed."""

    def __init__(self, port: str, baudrate: int, locate: Callable[[], str | None] | None = None) -> None:
        self._port = port
        self._baudrate = baudrate
        self._locate = locate
        self._serial: serial.Serial = _open(port, baudrate)

    @property
    def line(self) -> Line:
        # A pseudo-terminal: its other end is a program, the emulator for one, and its baud rate only a number.
        if Path(self._port).resolve().is_relative_to("/dev/pts"):
            return Line(lossless=True)
        # 10 bits a byte; a board's own USB port is faster than it says, and its answers show that.
        return Line(self._baudrate / 10)

    @property
    def name(self) -> str:
        return self._port

    def read(self, timeout_s: float) -> bytes:
        try:
            self._serial.timeout = max(0.0, timeout_s)
            first = self._serial.read(1)
            waiting = self._serial.in_waiting if first else 0
            rest = self._serial.read(waiting) if waiting else b""
            return bytes(first) + bytes(rest)
        except (serial.SerialException, OSError, TypeError) as error:  # TypeError: closed by another thread
            raise _lost(self._port, error) from error

    def write(self, data: bytes) -> None:
        try:
            for at in range(0, len(data), WRITE_PIECE_BYTES):
                self._serial.write(data[at : at + WRITE_PIECE_BYTES])
        except serial.SerialTimeoutException as error:
            # A USB port with bytes left to send takes up to 30 s to close. Of the errors that pyserial lets through,
            # some systems have one of their own (termios.error).
            with contextlib.suppress(Exception):
                self._serial.reset_output_buffer()
            raise PortStuck(
                f"{self._port}: the board takes no more bytes",
                hint="press its reset button, or unplug it and plug it in again",
            ) from error
        except (serial.SerialException, OSError, TypeError) as error:
            raise _lost(self._port, error) from error

    def reopen(self) -> None:
        self.close()
        deadline = time.monotonic() + REOPEN_TIMEOUT_S
        while True:
            port = self._port if self._locate is None else self._locate()
            try:
                if port is not None:
                    self._serial = _open(port, self._baudrate)
                    self._port = port
                    return
                why = "no port is the board's"
            except LinkError as error:
                why = error.message
            if time.monotonic() > deadline:
                raise LinkError(
                    f"{self._port}: the board is gone and did not come back within {REOPEN_TIMEOUT_S:.0f} s ({why})",
                    hint=_PLUG_HINT,
                )
            time.sleep(REOPEN_INTERVAL_S)

    def close(self) -> None:
        with contextlib.suppress(serial.SerialException, OSError, TypeError):
            self._serial.close()


_PLUG_HINT: Final = "plug the board in again; `vww-deploy boards` shows what is attached"


def open_transport(
    port: str, baudrate: int = 115200, locate: Callable[[], str | None] | None = None
) -> SerialTransport:
    """Opens ``port``, a device path or a pyserial URL (``socket://host:port``, ``rfc2217://host:port``).

    Raises :class:`LinkError` when it is missing, busy, not permitted, or no port at all.
    """
    return SerialTransport(port, baudrate, locate)


def _open(port: str, baudrate: int) -> serial.Serial:
    try:
        opened: serial.Serial = serial.serial_for_url(port, do_not_open=True)
        opened.baudrate = baudrate
        opened.write_timeout = WRITE_TIMEOUT_S
        if "://" not in port:
            opened.exclusive = True
        opened.open()
        with contextlib.suppress(serial.SerialException, OSError):
            opened.reset_input_buffer()
        return opened
    except (serial.SerialException, OSError, ValueError, AttributeError) as error:
        raise _unopened(port, error) from error


def _unopened(port: str, error: BaseException) -> LinkError:
    if "://" in port:
        return LinkError(f"{port}: {error}", hint="check the address, and that the other side is listening")
    number = _errno(error)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or not _exists(port):
        return LinkError(f"{port}: there is no such port", hint="`vww-deploy boards` shows what is attached")
    if number in (errno.EACCES, errno.EPERM) and sys.platform != "win32":  # Windows: another program has it
        return LinkError(f"{port}: no permission to open it", hint=advice().port_denied.format(port=port))
    busy = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)
    if number in busy or "lock" in str(error).lower():
        owner = portlock.owner_of(port)
        return LinkError(
            f"{port}: {owner or 'another program'} has it open",
            hint="close it first" if owner else advice().port_in_use.format(port=port),
        )
    return LinkError(f"{port}: not a serial port ({error})", hint="`vww-deploy boards` shows the ports")


def _errno(error: BaseException) -> int | None:
    """The system's number for why a port does not open; pyserial has it in the error, in its cause or in its words."""
    for one in (error, error.__context__):
        if isinstance(one, OSError) and one.errno is not None:
            return one.errno
    for kind, number in (("FileNotFoundError", errno.ENOENT), ("PermissionError", errno.EACCES)):
        if kind in str(error):
            return number
    return None


def _exists(port: str) -> bool:
    # COM7 is no path.
    return Path(port).exists() or any(port == found.device for found in list_ports.comports())


def _lost(port: str, error: BaseException) -> LinkError:
    return LinkError(f"{port}: the board is gone ({error})", hint=_PLUG_HINT)
