"""Latency is time only where a board measured time."""

from __future__ import annotations

from vww_deploy.boards.catalogue import get_board
from vww_deploy.session.latency import ESTIMATE_BOARD, estimated_us, latency_text, timed_us


def test_a_board_that_counts_instructions_has_no_time() -> None:
    assert timed_us("instructions", 8_704) is None
    assert timed_us("cycles", 8_704) == 8_704
    assert timed_us("micros", 8_704) == 8_704


def test_the_estimate_is_the_catalogues() -> None:
    expected = get_board(ESTIMATE_BOARD).estimated_ms(8_704_735)
    assert expected is not None
    assert estimated_us(8_704_735) == round(1000 * expected)


def test_the_estimate_is_labelled_and_names_its_board() -> None:
    assert latency_text("cycles", 640_000, 72_300) == "72.30 ms"
    text = latency_text("instructions", 8_704_735, 8_704)
    assert text.startswith("8,704,735 instructions (estimate: ")
    assert text.endswith("ms on nano33ble)")
    assert "8.70" not in text
