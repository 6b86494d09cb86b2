"""Which boards are attached and how each is reached, by what the system says of its ports."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from vww_deploy.boards.catalogue import get_board
from vww_deploy.boards.drivers import Attached, attached, default_board, driver_for
from vww_deploy.errors import BoardError


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SimpleNamespace]:
    """What is plugged in; empty to begin with, the virtual board off."""
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path))
    there: list[SimpleNamespace] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: there)
    return there


def usb(device: str, vid: int, pid: int, serial_number: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(device=device, vid=vid, pid=pid, serial_number=serial_number, product=None)


def test_a_board_by_its_usb_ids(plugged: list[SimpleNamespace]) -> None:
    plugged += [usb("/dev/ttyUSB0", 0x10C4, 0xEA60), usb("/dev/ttyACM0", 0x2341, 0x805A, "5A")]
    nano = get_board("nano33ble")
    assert attached() == [Attached(nano, "/dev/ttyACM0", "5A")]
    assert driver_for(nano).locate() == "/dev/ttyACM0"


def test_a_board_in_its_bootloader_is_seen_but_runs_nothing(plugged: list[SimpleNamespace]) -> None:
    plugged.append(usb("/dev/ttyACM0", 0x2341, 0x005A))
    nano = get_board("nano33ble")
    assert attached() == [Attached(nano, "/dev/ttyACM0", None, in_bootloader=True)]
    with pytest.raises(BoardError, match="no Arduino Nano 33 BLE"):
        driver_for(nano).locate()


def test_no_board(plugged: list[SimpleNamespace]) -> None:
    assert attached() == []
    with pytest.raises(BoardError, match="no Arduino Nano 33 BLE") as caught:
        driver_for(get_board("nano33ble")).locate()
    assert "data lines" in caught.value.hint
    with pytest.raises(BoardError, match="the virtual board is off") as caught:
        driver_for(get_board("virtual")).locate()
    assert "vww-deploy flash" in caught.value.hint


def test_two_of_a_kind(plugged: list[SimpleNamespace]) -> None:
    plugged += [usb("/dev/ttyACM0", 0x2341, 0x805A), usb("/dev/ttyACM1", 0x2341, 0x805A)]
    with pytest.raises(BoardError, match="2 boards nano33ble are attached: /dev/ttyACM0, /dev/ttyACM1") as caught:
        driver_for(get_board("nano33ble")).locate()
    assert "--port" in caught.value.hint


def test_without_a_serial_number_the_only_board_of_its_kind_is_followed(
    plugged: list[SimpleNamespace],
) -> None:
    plugged.append(usb("/dev/ttyACM0", 0x2341, 0x805A))
    where = driver_for(get_board("nano33ble")).follow("/dev/ttyACM0")
    assert where() == "/dev/ttyACM0"
    plugged[:] = [usb("/dev/ttyACM1", 0x2341, 0x805A)]
    assert where() == "/dev/ttyACM1"
    plugged.append(usb("/dev/ttyACM2", 0x2341, 0x805A))
    assert where() is None
    plugged.clear()
    assert where() is None


def test_what_is_plugged_in_is_there_or_not_and_what_is_emulated_is_started(plugged: list[SimpleNamespace]) -> None:
    with pytest.raises(BoardError, match="no Arduino Nano 33 BLE"):
        driver_for(get_board("nano33ble")).check_present(None)
    assert default_board() == get_board("virtual")
    emulated = driver_for(default_board())
    emulated.check_present(None)
    assert emulated.emulated and emulated.firmware_image() is None and emulated.log() == []
    assert not emulated.power_off()


def test_boards_that_are_started_on_demand_have_names_of_their_own(
    plugged: list[SimpleNamespace], tmp_path: Path
) -> None:
    one, other = (driver_for(get_board("virtual"), name) for name in ("one", "other"))
    one.attached()
    other.attached()
    assert {path.name for path in (tmp_path / "virtual").iterdir()} == {"one", "other"}
    one.power_off()
    assert {path.name for path in (tmp_path / "virtual").iterdir()} == {"other"}
