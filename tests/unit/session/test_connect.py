"""Finding and opening boards: what is at the port is not always a board of ours."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vww_deploy.boards.catalogue import UNLISTED, get_board
from vww_deploy.boards.drivers.driver import Attached
from vww_deploy.boards.drivers.qemu import QemuDriver
from vww_deploy.errors import BoardError, LinkError
from vww_deploy.graph.model import Model
from vww_deploy.link.channel import Timeouts
from vww_deploy.link.device import Device
from vww_deploy.link.transport import open_transport
from vww_deploy.session.connect import choose_board, firmware_image, open_device

MODEL = cast(Model, SimpleNamespace(name="m", sha256="ab" * 32))


@pytest.fixture
def pty(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, str]]:
    """A serial port without a board behind it: the other side's file descriptor, and its name."""
    monkeypatch.setattr(Device, "connect", partial(Device.connect, timeouts=Timeouts(hello_s=0.6)))
    master, slave = os.openpty()
    name = os.ttyname(slave)
    yield master, name
    os.close(slave)
    os.close(master)


def attach(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    boards = [(get_board(name), f"/dev/tty{number}") for number, name in enumerate(names)]
    usb = [
        SimpleNamespace(device=port, vid=board.usb_ids[0][0], pid=board.usb_ids[0][1], serial_number=None, product=None)
        for board, port in boards
        if board.driver == "usb"
    ]
    emulated = [Attached(board, port, None) for board, port in boards if board.driver == "qemu"]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: usb)
    monkeypatch.setattr(QemuDriver, "attached", lambda _: emulated)


def opening(port: str) -> None:
    with open_device(MODEL, board="nano33ble", port=port):
        pass


def test_the_board_is_the_one_attached_else_the_virtual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch)
    assert choose_board().name == "virtual"
    attach(monkeypatch, "virtual", "nano33ble")
    assert choose_board().name == "nano33ble"
    assert choose_board("feather_f405").name == "feather_f405"
    attach(monkeypatch, "feather_f405", "nano33ble")
    with pytest.raises(BoardError, match="several boards are attached: feather_f405, nano33ble") as caught:
        choose_board()
    assert "--board" in caught.value.hint
    with pytest.raises(BoardError, match="no board 'toaster'"):
        choose_board("toaster")


def test_a_missing_port_is_said(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="no such port"):
        opening(str(tmp_path / "ttyACM0"))


def test_a_busy_port_is_said(pty: tuple[int, str]) -> None:
    other = open_transport(pty[1])
    try:
        with pytest.raises(LinkError, match="another program"):
            opening(pty[1])
    finally:
        other.close()


def test_a_port_without_permission_is_said(pty: tuple[int, str]) -> None:
    user = os.geteuid()
    Path(pty[1]).chmod(0)
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(LinkError, match="no permission") as caught:
            opening(pty[1])
        assert "dialout" in caught.value.hint
    finally:
        os.seteuid(user)


def test_a_silent_port_is_said(pty: tuple[int, str]) -> None:
    with pytest.raises(LinkError) as caught:
        opening(pty[1])
    assert pty[1] in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("speech", [b"AT\r\nOK\r\n", b"\x00\xff" * 40, bytes(range(256))])
def test_something_else_at_the_port_is_said(pty: tuple[int, str], speech: bytes) -> None:
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.02):
            os.write(pty[0], speech)
            os.set_blocking(pty[0], False)
            with contextlib.suppress(OSError):
                os.read(pty[0], 4096)
            os.set_blocking(pty[0], True)

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        with pytest.raises(LinkError) as caught:
            opening(pty[1])
        assert caught.value.hint
    finally:
        stop.set()
        talker.join()


def test_an_address_where_nobody_listens_is_said() -> None:
    with pytest.raises(LinkError, match="localhost:1"):
        opening("socket://localhost:1")


def test_a_session_finds_its_board_again_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transport is given where to look when the port vanishes; a board that is away is None, not an error."""
    attach(monkeypatch, "nano33ble")
    seen: dict[str, Any] = {}

    def remember(port: str, baudrate: int, locate: Any = None) -> None:
        seen.update(port=port, baudrate=baudrate, locate=locate)
        raise LinkError("stop here")

    monkeypatch.setattr("vww_deploy.session.connect.open_transport", remember)
    with pytest.raises(LinkError, match="stop here"), open_device(MODEL):
        pass
    assert (seen["port"], seen["baudrate"]) == ("/dev/tty0", 115200)
    assert seen["locate"]() == "/dev/tty0"
    attach(monkeypatch)
    assert seen["locate"]() is None


def test_a_port_names_its_board_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a port there is nothing to choose between; where no board of the catalogue is seen, any may answer."""
    attach(monkeypatch, "nano33ble", "feather_f405")
    assert choose_board(port="/dev/tty1").name == "feather_f405"
    assert choose_board(port="/dev/ttyUSB7") is UNLISTED
    assert choose_board("virtual", "/dev/ttyUSB7").name == "virtual"


def test_the_image_of_a_board_outside_the_catalogue_is_not_known() -> None:
    assert firmware_image(UNLISTED.name) is None
