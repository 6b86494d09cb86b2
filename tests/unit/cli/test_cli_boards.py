"""``boards``: the whole catalogue, and what is attached where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.platforms import platform_with
from vww_deploy.boards import drivers
from vww_deploy.boards.catalogue import get_board, load_boards
from vww_deploy.boards.drivers import Attached


def test_boards_shows_the_catalogue_and_what_is_plugged_in(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = Attached(get_board("nano33ble"), "/dev/ttyACM4", "ABC", in_bootloader=True)
    monkeypatch.setattr(drivers, "attached", lambda: [waiting])
    shown = cli("boards")
    for board in load_boards():
        assert board.name in shown.out
        assert board.title in shown.out
    assert "counts only" in shown.out and "64 MHz" in shown.out
    assert "nano33ble at /dev/ttyACM4 (in its bootloader)" in shown.out

    printed = json.loads(cli("boards", "--json").out)
    kit = next(board for board in printed["boards"] if board["name"] == "nano33ble")
    assert (kit["mcu"], kit["figures"], kit["baudrate"]) == ("nRF52840", "linked", 115200)
    assert (kit["usb_ids"], kit["bootloader_usb_ids"]) == (["2341:805a"], ["2341:005a"])
    assert kit["cameras"] == ["ov7675"]
    assert printed["attached"] == [
        {"board": "nano33ble", "port": "/dev/ttyACM4", "serial_number": "ABC", "in_bootloader": True}
    ]


def test_boards_add_writes_the_entries_and_says_what_it_does_not_know(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VWW_DEPLOY_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "pio"))
    figures = ["samd51j19a", 120, 196_608, 507_904]
    ids = [["0x239A", "0x8022"]]
    platform_with(tmp_path / "pio" / "platforms", "atmelsam", "adafruit_feather_m4", "Adafruit", figures, ids)
    port = SimpleNamespace(device="/dev/ttyACM1", vid=0x239A, pid=0x8022, serial_number=None, product="Feather M4")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [port])

    printed = json.loads(cli("boards", "--add", "--json").out)
    entry, environment = Path(printed["entry"]), Path(printed["environment"])
    assert (printed["board"]["name"], printed["usb_id"]) == ("adafruit_feather_m4", "239a:8022")
    assert (printed["port"], printed["platformio_board"]) == ("/dev/ttyACM1", "adafruit_feather_m4")
    assert entry.parent == environment.parent == tmp_path / "config" / "boards"
    assert "attached: adafruit_feather_m4 at /dev/ttyACM1" in cli("boards").out
    refused = cli("flash", "person_96_gray", "--board", "adafruit_feather_m4", "--build-only", "-o", tmp_path / "f.uf2")
    assert refused.code == 1 and "there is no .uf2 firmware for adafruit_feather_m4" in refused.err

    entry.unlink()
    said = cli("boards", "--add").out
    for text in ("added: adafruit_feather_m4", str(entry), "bytes of RAM", "--board adafruit_feather_m4\n"):
        assert text in said
    entry.write_text("title =")
    refused = cli("inspect", "person_96_gray")
    assert refused.code == 1 and f"{entry} is no board's entry" in refused.err


def test_what_goes_with_add_goes_with_nothing_else(cli: Callable[..., Any]) -> None:
    refused = cli("boards", "--port", "/dev/ttyACM0")
    assert refused.code == 2 and "go with --add" in refused.err
