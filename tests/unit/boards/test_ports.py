"""Which boards are attached, by what the system says of its ports."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from vww_deploy.boards import ports
from vww_deploy.boards.catalogue import get_board
from vww_deploy.errors import BoardError


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SimpleNamespace]:
    """What is plugged in; empty to begin with, the virtual board off."""
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path))
    there: list[SimpleNamespace] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: there)
    return there


def usb(device: str, vid: int, pid: int, serial_number: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(device=device, vid=vid, pid=pid, serial_number=serial_number)


def test_a_board_by_its_usb_ids(plugged: list[SimpleNamespace]) -> None:
    plugged += [usb("/dev/ttyUSB0", 0x10C4, 0xEA60), usb("/dev/ttyACM0", 0x2341, 0x805A, "5A")]
    nano = get_board("nano33ble")
    assert ports.attached() == [ports.Attached(nano, "/dev/ttyACM0", "5A")]
    assert ports.find_port(nano) == "/dev/ttyACM0"


def test_a_board_in_its_bootloader_is_seen_but_runs_nothing(plugged: list[SimpleNamespace]) -> None:
    plugged.append(usb("/dev/ttyACM0", 0x2341, 0x005A))
    nano = get_board("nano33ble")
    assert ports.attached() == [ports.Attached(nano, "/dev/ttyACM0", None, in_bootloader=True)]
    with pytest.raises(BoardError, match="no Arduino Nano 33 BLE"):
        ports.find_port(nano)


def test_no_board(plugged: list[SimpleNamespace]) -> None:
    assert ports.attached() == []
    with pytest.raises(BoardError, match="no Arduino Nano 33 BLE") as caught:
        ports.find_port(get_board("nano33ble"))
    assert "data lines" in caught.value.hint
    with pytest.raises(BoardError, match="the virtual board is off") as caught:
        ports.find_port(get_board("virtual"))
    assert "vww-deploy flash" in caught.value.hint


def test_two_of_a_kind(plugged: list[SimpleNamespace]) -> None:
    plugged += [usb("/dev/ttyACM0", 0x2341, 0x805A), usb("/dev/ttyACM1", 0x2341, 0x805A)]
    with pytest.raises(BoardError, match="2 boards nano33ble are attached: /dev/ttyACM0, /dev/ttyACM1") as caught:
        ports.find_port(get_board("nano33ble"))
    assert "--port" in caught.value.hint
