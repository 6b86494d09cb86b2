"""``boards``: the whole catalogue, and what is attached where."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

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
