"""Which boards are attached, and where."""

from __future__ import annotations

from dataclasses import dataclass

from serial.tools import list_ports

from vww_deploy.boards.catalogue import Board, UsbId, load_boards
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.errors import BoardError


@dataclass(frozen=True)
class Attached:
    """A board that is plugged in, or the virtual one when it runs."""

    board: Board
    port: str
    serial_number: str | None
    in_bootloader: bool = False


def attached() -> list[Attached]:
    """The boards of the catalogue that are attached, by their USB ids; the virtual one when it runs."""
    found: list[Attached] = []
    for board in load_boards():
        if board.is_virtual:
            virtual = VirtualBoard(board.name)
            if virtual.running:
                found.append(Attached(board, str(virtual.tty), None))
            else:
                virtual.sweep()
            continue
        found += [Attached(board, port, number) for port, number in _usb_ports(board.usb_ids)]
        found += [Attached(board, port, number, True) for port, number in _usb_ports(board.bootloader_usb_ids)]
    return found


def find_port(board: Board) -> str:
    """The port of the one attached ``board``; :class:`BoardError` when there is none, or more than one."""
    here = [found for found in attached() if found.board.name == board.name and not found.in_bootloader]
    if not here and board.is_virtual:
        raise BoardError("the virtual board is off", hint="`vww-deploy flash --board virtual` starts it with a model")
    if not here:
        raise BoardError(
            f"no {board.title} is attached",
            hint="plug it in with a cable that has data lines (many have none); `vww-deploy boards` shows what is "
            "seen, and --port names a port by hand",
        )
    if len(here) > 1:
        ports = ", ".join(found.port for found in here)
        raise BoardError(f"{len(here)} boards {board.name} are attached: {ports}", hint="say which with --port")
    return here[0].port


def serial_number(port: str) -> str:
    """Of the USB device at ``port``; empty where it has none."""
    return next((found.serial_number or "" for found in list_ports.comports() if found.device == port), "")


def _usb_ports(ids: tuple[UsbId, ...]) -> list[tuple[str, str | None]]:
    return [(port.device, port.serial_number) for port in list_ports.comports() if (port.vid, port.pid) in ids]
