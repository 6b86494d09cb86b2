"""From a board's name, or none, to a connected device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vww_deploy.boards import ports
from vww_deploy.boards.catalogue import Board, get_board
from vww_deploy.boards.platformio import work_folder
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.errors import BoardError
from vww_deploy.graph.frames import FrameFormat
from vww_deploy.graph.model import Model
from vww_deploy.link.device import Device
from vww_deploy.link.faults import Faults, FaultyTransport
from vww_deploy.link.transport import Transport, open_transport
from vww_deploy.runs.session import Session


def choose_board(name: str | None = None) -> Board:
    """The named board; without a name the one that is attached, and the virtual one if none is.

    Raises:
        BoardError: there is no such board, or several are attached and none is named.
    """
    if name is not None:
        return get_board(name)
    attached = sorted({found.board.name for found in ports.attached() if not found.board.is_virtual})
    if len(attached) > 1:
        raise BoardError(f"several boards are attached: {', '.join(attached)}", hint="Say which: --board NAME")
    return get_board(attached[0] if attached else "virtual")


def firmware_image(board: Board) -> Path:
    """The image that this machine put on the board last; there is no such file if it has not flashed one."""
    if board.is_virtual:
        return VirtualBoard(board.name).firmware
    return work_folder(board) / ".pio" / "build" / board.environment / "firmware.elf"


@contextmanager
def open_device(
    model: Model, *, board: str | None = None, port: str | None = None, faults: Faults | None = None
) -> Iterator[Device]:
    """A connected device that runs ``model``; closed at the end.

    Args:
        model: that must be on the board.
        board: catalogue name; see :func:`choose_board`.
        port: device path or pyserial URL; the board's own when None.
        faults: what to do to the line, on purpose.

    Raises:
        BoardError: the board cannot be found.
        LinkError: its port cannot be opened, or no firmware of ours answers.
        ProtocolMismatch: it speaks another protocol version or runs another model.
    """
    chosen = choose_board(board)

    def locate() -> str | None:
        try:
            return ports.find_port(chosen)
        except BoardError:
            return None

    transport: Transport
    if port is None:  # a board that restarts may come back under another name
        transport = open_transport(ports.find_port(chosen), chosen.baudrate, locate)
    else:
        transport = open_transport(port, chosen.baudrate)
    if faults is not None:
        transport = FaultyTransport(transport, faults)
    with Device.connect(transport, expect_model=model.sha256) as device:
        yield device


@contextmanager
def open_session(
    model: Model,
    *,
    board: str | None = None,
    port: str | None = None,
    compare: bool = True,
    raw_camera: FrameFormat | None = None,
    faults: Faults | None = None,
) -> Iterator[Session]:
    """A session with a board that runs ``model``; arguments and errors as :func:`open_device` has them.

    Args:
        compare: run the host reference beside the device.
        raw_camera: as :class:`Session` has it.
    """
    with open_device(model, board=board, port=port, faults=faults) as device:
        image = firmware_image(get_board(device.info.board))
        firmware_sha256 = hashlib.sha256(image.read_bytes()).hexdigest() if image.is_file() else ""
        yield Session(device, model, compare=compare, firmware_sha256=firmware_sha256, raw_camera=raw_camera)
