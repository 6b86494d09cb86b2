"""Into a real board's bootloader and back out, through ports that vanish, come back late, renamed, or never.

A board with a serial bootloader (the Nano 33 BLE) is taken there by opening its port at 1200 baud; it re-enumerates as
another USB device, is written, and re-enumerates as the application, each time perhaps under another name. Boards whose
bootloader is no serial port (DFU, UF2) are left to PlatformIO's uploader; only their coming back is waited for.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import serial
from filelock import FileLock
from serial.tools import list_ports

from vww_deploy.advice import advice
from vww_deploy.boards.catalogue import Board, UsbId
from vww_deploy.errors import BoardError
from vww_deploy.resources import cache_dir

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
    product: str = ""
    """What it calls itself; may be empty."""


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
            Port(
                port.device,
                (port.vid, port.pid) if port.vid is not None and port.pid is not None else None,
                port.serial_number,
                port.product or "",
            )
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
                hint=f"{advice().port_in_use}; if none has it: {advice().port_denied}".format(port=device),
            ) from error

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class FlashTarget:
    """The one board that is meant, as it was before it was touched."""

    board: Board
    port: str | None
    """Of its application or, in its bootloader, of that; None where nothing is seen and nothing need be."""
    in_bootloader: bool
    serial_number: str | None
    """Of its application, which has the same one when it comes back."""
    others: frozenset[str]
    """Serial numbers of the other boards of its kind."""


def pick(board: Board, port: str | None, system: System | None = None) -> FlashTarget:
    """Finds the board that is meant.

    Args:
        port: of the board; found by its USB ids when None.

    Raises:
        BoardError: it is not there, or several are and no port is named. Boards whose bootloader is no serial port
            need not be seen: they may be in it.
    """
    system = ThisMachine() if system is None else system
    here = [there for there in system.ports() if there.usb_id in board.usb_ids + board.bootloader_usb_ids]
    mine = here if port is None else [there for there in here if there.device == os.path.realpath(port)]
    if not mine and port is not None and not Path(port).exists():
        # In its bootloader a board may have another name than the one that its user knows.
        mine = [there for there in here if there.usb_id in board.bootloader_usb_ids]
    if len({there.serial_number or there.device for there in mine}) > 1:
        names = ", ".join(there.device for there in mine)
        raise BoardError(f"several boards {board.name} are attached: {names}", hint="say which with --port")
    others = frozenset(there.serial_number for there in here if there.serial_number and there not in mine)
    if mine:
        found = mine[0]
        in_bootloader = found.usb_id in board.bootloader_usb_ids
        return FlashTarget(board, found.device, in_bootloader, None if in_bootloader else found.serial_number, others)
    if board.bootloader == "serial" and port is None:
        raise BoardError(f"no {board.title} is attached", hint=_NOT_SEEN.format(name=board.name))
    if board.bootloader == "serial" and port is not None and not Path(port).exists():
        raise BoardError(f"{port}: there is no such port", hint="`vww-deploy boards` shows the ports of boards")
    return FlashTarget(board, port, False, None, others)


@contextlib.contextmanager
def alone(board: Board) -> Iterator[None]:
    """No other process flashes a board of this kind meanwhile: two that leave the bus at once look alike."""
    folder = cache_dir() / "flashing"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / board.name):
        yield


def enter(target: FlashTarget, system: System | None = None) -> str | None:
    """Takes the board into its bootloader; returns the port to upload to.

    Raises:
        BoardError: its bootloader does not come.
    """
    system = ThisMachine() if system is None else system
    board, port = target.board, target.port
    if board.bootloader != "serial" or target.in_bootloader or port is None:
        return port
    system.touch(port)
    # By the others' serial numbers, not its own: a bootloader need not have its application's.
    found = _wait(system, _may_be(target, board.bootloader_usb_ids), BOOTLOADER_TIMEOUT_S)
    if found is None:
        raise BoardError(
            f"{board.title} on {port} does not go into its bootloader",
            hint="press its reset button twice within half a second (the LED then pulses) and flash again",
        )
    return found


def wait_for_application(target: FlashTarget, system: System | None = None) -> str:
    """The port of the application after an upload, whatever its name is now.

    Raises:
        BoardError: the board does not come back.
    """
    system = ThisMachine() if system is None else system
    board = target.board
    candidate = _may_be(target, board.usb_ids)

    def same(port: Port) -> bool:
        return candidate(port) and target.serial_number in (None, port.serial_number)

    # The serial number may be new: what ran before may have been built by somebody else.
    found = _wait(system, same, APPLICATION_TIMEOUT_S) or _find(system, candidate)
    if found is not None:
        return found
    if _find(system, _may_be(target, board.bootloader_usb_ids)):
        raise BoardError(
            f"{board.title} stays in its bootloader", hint="the upload was not whole: press reset once and flash again"
        )
    # A port that USB ids say nothing of, named by hand.
    if target.port is not None and _find(system, lambda there: there.device == target.port):
        return target.port
    raise BoardError(
        f"{board.title} did not come back after the upload",
        hint=f"unplug it and plug it in again, then `vww-deploy boards`; {_NOT_SEEN.format(name=board.name)}",
    )


def follow(board: Board, port: str, system: System | None = None) -> Callable[[], str | None]:
    """Says whenever it is called under which name the ``board`` is that is at ``port`` now; None while it is away.

    By its serial number; without one it is the only board of its kind. A port that says nothing of a board keeps its
    name.
    """
    machine = ThisMachine() if system is None else system
    found = next((there for there in machine.ports() if there.device == os.path.realpath(port)), None)

    def where() -> str | None:
        if found is None or found.usb_id not in board.usb_ids:
            return port
        here = [there for there in machine.ports() if there.usb_id in board.usb_ids]
        mine = [there for there in here if found.serial_number in (None, there.serial_number)]
        return mine[0].device if len(mine) == 1 else None

    return where


_NOT_SEEN: Final = (
    "a cable without data lines, a missing udev rule or another operating system's driver all look like no board; "
    "try another cable, then press reset twice; `vww-deploy boards` shows when {name} is seen"
)


def _may_be(target: FlashTarget, ids: Sequence[UsbId]) -> Callable[[Port], bool]:
    """Whether a port with one of ``ids`` may be the target's."""
    return lambda port: port.usb_id in ids and port.serial_number not in target.others


def _find(system: System, matches: Callable[[Port], bool]) -> str | None:
    return next((port.device for port in system.ports() if matches(port)), None)


def _wait(system: System, matches: Callable[[Port], bool], timeout_s: float) -> str | None:
    deadline = system.monotonic() + timeout_s
    while True:
        if (found := _find(system, matches)) is not None:
            return found
        if system.monotonic() >= deadline:
            return None
        system.sleep(POLL_INTERVAL_S)
