"""Into a real board's bootloader and back out, through ports that vanish, come back late, renamed, or never.

A board with a serial bootloader (the Nano 33 BLE) is taken there by opening its port at 1200 baud; it re-enumerates as
another USB device, is written, and re-enumerates as the application, each time perhaps under another name. Boards whose
bootloader is no serial port (DFU, UF2) are left to PlatformIO's uploader; only their coming back is waited for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import serial
from serial.tools import list_ports

from vww_deploy.boards.catalogue import Board, UsbId
from vww_deploy.errors import BoardError

# A touched board leaves the bus within 0.5 s and its bootloader is there 1-2 s later; hubs and virtual machines take
# longer.
BOOTLOADER_TIMEOUT_S: Final = 10.0
# After the upload the bootloader starts the application, which enumerates anew; the first time the driver may load.
APPLICATION_TIMEOUT_S: Final = 20.0
POLL_INTERVAL_S: Final = 0.1
TOUCH_BAUDRATE: Final = 1200


@dataclass(frozen=True)
class Port:
    """A serial port as the system lists it."""

    device: str
    usb_id: UsbId | None
    serial_number: str | None


class System(Protocol):
    """What waiting for a board needs of the machine; tests have one whose ports do as they like."""

    def ports(self) -> Sequence[Port]:
        """The serial ports that there are now."""
        ...

    def touch(self, device: str) -> None:
        """Opens and closes ``device`` at 1200 baud."""
        ...

    def monotonic(self) -> float:
        """Seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class ThisMachine:
    """The real ports and the real clock."""

    def ports(self) -> Sequence[Port]:
        return [
            Port(port.device, (port.vid, port.pid) if port.vid is not None else None, port.serial_number)
            for port in list_ports.comports()
        ]

    def touch(self, device: str) -> None:
        try:
            # The board may leave the bus before the port is closed; that is what was wanted.
            with contextlib.suppress(OSError):
                port = serial.Serial(device, TOUCH_BAUDRATE)
                port.dtr = False
                port.close()
        except serial.SerialException as error:
            raise BoardError(
                f"{device}: cannot be opened to start the bootloader ({error})",
                hint=f"another program may hold it (`fuser {device}`), or `sudo usermod -aG dialout $USER` is missing",
            ) from error

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def check_attached(board: Board, port: str | None, system: System | None = None) -> None:
    """Raises :class:`BoardError` when ``board`` is not there: told before a build that may take minutes.

    Only boards with a serial bootloader; the others' bootloaders, which they may be in already, are not seen as ports.
    """
    system = ThisMachine() if system is None else system
    if board.bootloader != "serial" or _find(system, board.bootloader_usb_ids):
        return
    if port is None:
        _application(board, system)
    elif not Path(port).exists():
        raise BoardError(f"{port}: there is no such port", hint="`vww-deploy boards` shows the ports of boards")


def enter(board: Board, port: str | None, system: System | None = None) -> str | None:
    """Takes ``board`` into its bootloader; returns the port to upload to.

    Args:
        port: of the board; found by its USB ids when None.

    Raises:
        BoardError: no board, or its bootloader does not come.
    """
    system = ThisMachine() if system is None else system
    if board.bootloader != "serial":
        return port or _find(system, board.usb_ids)
    if waiting := _find(system, board.bootloader_usb_ids):
        return waiting
    application = port or _application(board, system)
    system.touch(application)
    found = _wait(system, board.bootloader_usb_ids, BOOTLOADER_TIMEOUT_S)
    if found is None:
        raise BoardError(
            f"{board.title} on {application} does not go into its bootloader",
            hint="press its reset button twice within half a second (the LED then pulses) and flash again",
        )
    return found


def wait_for_application(board: Board, port: str | None, system: System | None = None) -> str:
    """The port of the application after an upload, whatever its name is now.

    Args:
        port: the name it had, taken if it is a name that USB ids say nothing of.
    """
    system = ThisMachine() if system is None else system
    found = _wait(system, board.usb_ids, APPLICATION_TIMEOUT_S)
    if found is not None:
        return found
    if port is not None and any(there.device == port for there in system.ports()):
        return port
    if _find(system, board.bootloader_usb_ids):
        raise BoardError(
            f"{board.title} stays in its bootloader", hint="the upload was not whole: press reset once and flash again"
        )
    raise BoardError(
        f"{board.title} did not come back after the upload",
        hint=f"unplug it and plug it in again, then `vww-deploy boards`; {_NOT_SEEN.format(name=board.name)}",
    )


_NOT_SEEN: Final = (
    "a cable without data lines, a missing udev rule or another operating system's driver all look like no board; "
    "try another cable, then press reset twice; `vww-deploy boards` shows when {name} is seen"
)


def _application(board: Board, system: System) -> str:
    port = _find(system, board.usb_ids)
    if port is None:
        raise BoardError(f"no {board.title} is attached", hint=_NOT_SEEN.format(name=board.name))
    return port


def _find(system: System, ids: Sequence[UsbId]) -> str | None:
    return next((port.device for port in system.ports() if port.usb_id in ids), None)


def _wait(system: System, ids: Sequence[UsbId], timeout_s: float) -> str | None:
    deadline = system.monotonic() + timeout_s
    while True:
        if (found := _find(system, ids)) is not None:
            return found
        if system.monotonic() >= deadline:
            return None
        system.sleep(POLL_INTERVAL_S)
