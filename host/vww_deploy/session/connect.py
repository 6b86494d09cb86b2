"""From a board's name, or none, to a connected device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vww_deploy.boards import drivers
from vww_deploy.boards.catalogue import UNLISTED, Board, get_board, load_boards
from vww_deploy.boards.drivers import driver_for
from vww_deploy.boards.running import check_model
from vww_deploy.errors import BoardError
from vww_deploy.graph.model import Model
from vww_deploy.link.device import Device
from vww_deploy.link.faults import Faults, FaultyTransport
from vww_deploy.link.transport import Transport, open_transport
from vww_deploy.pictures.camera_format import CameraFormat
from vww_deploy.session.session import Session


def choose_board(name: str | None = None, port: str | None = None) -> Board:
    """The named board; else the one at ``port``; without either the one attached, and the virtual one if none is.

    A port where no board of the catalogue is seen has :data:`UNLISTED`: what is there says itself what it is.

    Raises:
        BoardError: there is no such board, or several are attached and none is named.
    """
    if name is not None:
        return get_board(name)
    if port is not None:
        return next((found.board for found in drivers.attached() if found.port == port), UNLISTED)
    attached = sorted({found.board.name for found in drivers.attached() if not driver_for(found.board).emulated})
    if len(attached) > 1:
        raise BoardError(f"several boards are attached: {', '.join(attached)}", hint="Say which: --board NAME")
    return get_board(attached[0]) if attached else drivers.default_board()


def firmware_image(name: str) -> Path | None:
    """The image that this machine put last on the board of that name; None if it has not flashed one."""
    board = next((board for board in load_boards() if board.name == name), None)
    return None if board is None else driver_for(board).firmware_image()


def running_model(board: str | None = None, port: str | None = None) -> str:
    """SHA-256 of the model that a board runs; arguments and errors as :func:`open_device` has them."""
    chosen = choose_board(board, port)
    with Device.connect(open_transport(port or driver_for(chosen).locate(), chosen.baudrate)) as device:
        return device.info.model_sha256


@contextmanager
def open_device(
    model: Model,
    *,
    board: str | None = None,
    port: str | None = None,
    faults: Faults | None = None,
    reconnect: bool = True,
) -> Iterator[Device]:
    """A connected device that runs ``model``; closed at the end.

    Args:
        model: that must be on the board.
        board: catalogue name.
        port: device path or pyserial URL; the board's own when None. See :func:`choose_board`.
        faults: what to do to the line, on purpose.
        reconnect: go on with a board that restarted or whose port came back; else both are a LinkError at once.

    Raises:
        BoardError: the board cannot be found.
        LinkError: its port cannot be opened, or no firmware of ours answers.
        ProtocolMismatch: it speaks another protocol version or runs another model.
    """
    chosen = choose_board(board, port)
    transport: Transport
    if port is None:  # a board that restarts may come back under another name
        driver = driver_for(chosen)
        where = driver.locate()
        transport = open_transport(where, chosen.baudrate, driver.follow(where))
    else:
        transport = open_transport(port, chosen.baudrate)
    if faults is not None:
        transport = FaultyTransport(transport, faults)
    with Device.connect(transport, reconnect=reconnect) as device:
        check_model(device, model.graph)
        yield device


@contextmanager
def open_session(
    model: Model,
    *,
    board: str | None = None,
    port: str | None = None,
    compare: bool = True,
    raw_camera: CameraFormat | None = None,
    faults: Faults | None = None,
    reconnect: bool = True,
) -> Iterator[Session]:
    """A session with a board that runs ``model``; arguments and errors as :func:`open_device` has them.

    Args:
        compare: run the host reference beside the device.
        raw_camera: as :class:`Session` has it.
    """
    with open_device(model, board=board, port=port, faults=faults, reconnect=reconnect) as device:
        image = firmware_image(device.info.board)
        firmware_sha256 = hashlib.sha256(image.read_bytes()).hexdigest() if image is not None else ""
        yield Session(
            device,
            model,
            compare=compare,
            firmware_sha256=firmware_sha256,
            board_serial=drivers.serial_number(device.port),
            raw_camera=raw_camera,
        )
