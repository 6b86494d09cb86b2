"""Latency is time only where a board measured time."""

from __future__ import annotations

import pytest

from vww_deploy.boards.catalogue import UNLISTED, get_board
from vww_deploy.errors import BoardError
from vww_deploy.session.latency import ESTIMATE_BOARD, Estimate, clock_text, estimate, latency_text


@pytest.mark.parametrize("board", [ESTIMATE_BOARD, "portenta_h7_m7"])
def test_the_estimate_is_the_catalogues_for_the_named_board(board: str) -> None:
    expected = get_board(board).estimated_ms(8_704_735)
    made = estimate(8_704_735, board)
    assert expected is not None and made is not None
    assert (made.board, made.latency_us) == (board, round(1000 * expected))


def test_nothing_is_estimated_for_a_core_that_nothing_is_known_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BoardError):
        estimate(8_704_735, "no board")
    monkeypatch.setattr("vww_deploy.session.latency.get_board", lambda name: UNLISTED)
    assert estimate(8_704_735, "arduino") is None


def test_the_estimate_is_labelled_and_names_its_board() -> None:
    assert latency_text(640_000, 72_300) == "72.30 ms"
    text = latency_text(8_704_735, None)
    assert text.startswith("8,704,735 instructions (estimate: ")
    assert text.endswith("ms on nano33ble)")
    assert "on portenta_h7_m7" in latency_text(8_704_735, None, "portenta_h7_m7")
    assert str(Estimate("nano33ble", 412)) == "estimate: 0.4 ms on nano33ble"


def test_counted_instructions_are_not_so_many_a_second() -> None:
    assert clock_text("instructions", 1_000_000_000) == "instructions, which are counted"
    assert clock_text("cycles", 64_000_000) == "cycles, 64,000,000 a second"
