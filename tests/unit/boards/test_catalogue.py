"""The catalogue, and that each of its boards has what the rest of the project needs of it."""

from __future__ import annotations

import configparser

import pytest

from vww_deploy.boards.catalogue import Board, get_board, load_boards
from vww_deploy.errors import BoardError
from vww_deploy.resources import data_root


def test_the_boards() -> None:
    assert [board.name for board in load_boards()] == [
        *("virtual", "nano33ble", "feather_f405", "uno_r4_minima", "nano_rp2040_connect", "portenta_h7_m7"),
        *("nicla_vision", "giga_r1_m7", "portenta_c33", "rpi_pico", "rpi_pico2", "teensy41"),
        *("xiao_esp32s3_sense", "esp32cam", "nano_esp32", "xiao_esp32c3"),
    ]


def test_the_kits_board() -> None:
    board = get_board("nano33ble")
    assert (board.mcu, board.core, board.clock_hz) == ("nRF52840", "Cortex-M4F", 64_000_000)
    assert board.usb_ids == ((0x2341, 0x805A),) and board.bootloader_usb_ids == ((0x2341, 0x005A),)
    assert board.cameras == ("ov7675",)
    assert (board.driver, get_board("virtual").driver) == ("usb", "qemu")
    assert [board.name for board in load_boards() if board.counts_instructions] == ["virtual"]


def test_an_unknown_board_names_those_there_are() -> None:
    with pytest.raises(BoardError, match="no board 'nano33'") as caught:
        get_board("nano33")
    assert "virtual, nano33ble, feather_f405" in caught.value.hint


@pytest.mark.parametrize("board", load_boards(), ids=lambda board: board.name)
def test_every_board_has_an_environment_that_names_it(board: Board) -> None:
    ini = configparser.RawConfigParser()
    ini.read(data_root() / "platformio.ini")
    section = ini[f"env:{board.name}"]
    assert f'-DVWW_BOARD_NAME=\\"{board.name}\\"' in section["build_flags"]


def test_usb_ids_are_of_one_board_only() -> None:
    ids = [usb_id for board in load_boards() for usb_id in board.usb_ids + board.bootloader_usb_ids]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("typed", "meant"), [("nano33", "nano33ble"), ("virtaul", "virtual"), ("NANO33BLE", "nano33ble")]
)
def test_a_name_that_is_nearly_right_gets_a_suggestion(typed: str, meant: str) -> None:
    with pytest.raises(BoardError) as caught:
        get_board(typed)
    assert caught.value.hint.startswith(f"do you mean {meant}? the boards are: ")


def test_a_name_that_is_like_none_gets_the_list_alone() -> None:
    with pytest.raises(BoardError) as caught:
        get_board("zzzz")
    assert caught.value.hint.startswith("the boards are: ")
