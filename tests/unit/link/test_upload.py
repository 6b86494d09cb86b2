"""The upload's decisions, without a line, a board or a clock."""

from __future__ import annotations

import pytest

from vww_deploy.link.channel import Timeouts
from vww_deploy.link.upload import ANSWERS_AHEAD, SMALLEST_PIECE_BYTES, Next, PieceSize, Upload

MOST, WINDOW = 1000, 4
DATA = bytes(range(256)) * 40  # ten pieces and a bit
TIMEOUTS = Timeouts(answer_s=1.0, longest_answer_s=3.0, busy_s=2.0, upload_s=50.0)


def upload(*, lossless: bool = False, piece: PieceSize | None = None) -> Upload:
    return Upload(DATA, piece or PieceSize(), most=MOST, window=WINDOW, lossless=lossless, timeouts=TIMEOUTS, now=0.0)


def heard(under_test: Upload, received: int | None = None, *, silent: bool = False, knocked: bool = False) -> Next:
    return under_test.heard(received, silent=silent, knock_answered=knocked, now=1.0)


def test_a_window_of_pieces_goes_at_once_and_the_next_one_with_each_that_arrives() -> None:
    under_test = upload()
    assert [offset for offset, _ in under_test.pieces()] == [0, 1000, 2000, 3000]
    assert list(under_test.pieces()) == []
    assert heard(under_test, 1000) is Next.GO_ON
    assert list(under_test.pieces()) == [(4000, DATA[4000:5000])]
    assert under_test.under_way == 4000


def test_the_next_picture_follows_when_only_the_last_answers_are_to_come() -> None:
    under_test = upload()
    for received in range(0, len(DATA) - ANSWERS_AHEAD * MOST, MOST):
        list(under_test.pieces())
        heard(under_test, received)
    list(under_test.pieces())
    assert under_test.all_sent and not under_test.done(retried=False)
    heard(under_test, len(DATA) - ANSWERS_AHEAD * MOST)
    under_test.asked = True
    assert under_test.done(retried=False) and not under_test.done(retried=True)
    heard(under_test, len(DATA))
    assert under_test.done(retried=True)


def test_a_lost_piece_is_sent_again_once_however_often_the_board_says_so() -> None:
    piece = PieceSize()
    under_test = upload(piece=piece)
    list(under_test.pieces())
    heard(under_test, 1000)
    assert heard(under_test, 1000) is Next.SEND_AGAIN
    assert heard(under_test, 1000) is Next.WAIT
    assert next(under_test.pieces())[0] == 1000
    assert heard(under_test, None, silent=True) is Next.SEND_AGAIN


def test_pieces_shrink_with_each_loss_and_grow_with_each_that_arrives() -> None:
    piece = PieceSize()
    under_test = upload(piece=piece)
    heard(under_test, silent=True)
    assert piece.bytes(MOST) == MOST // 2
    for _ in range(10):
        heard(under_test, silent=True)
    assert piece.bytes(MOST) == SMALLEST_PIECE_BYTES
    heard(under_test, SMALLEST_PIECE_BYTES)
    assert piece.bytes(MOST) == SMALLEST_PIECE_BYTES * 9 // 8


def test_on_a_line_that_loses_nothing_the_host_knocks_before_it_sends_again() -> None:
    under_test = upload(lossless=True)
    list(under_test.pieces())
    assert heard(under_test, silent=True) is Next.KNOCK
    assert heard(under_test) is Next.WAIT
    assert heard(under_test, knocked=True) is Next.SEND_AGAIN
    assert next(under_test.pieces())[0] == 0


@pytest.mark.parametrize(("busy", "first"), [(False, 1.0), (True, 2.0)])
def test_each_wait_is_twice_the_one_before_and_begins_when_the_line_is_free(busy: bool, first: float) -> None:
    under_test = upload()
    assert under_test.deadline(7.0, busy=busy) == 7.0 + first
    heard(under_test, silent=True)
    assert under_test.deadline(7.0, busy=busy) == 7.0 + min(2 * first, 3.0)
    heard(under_test, 1000)
    assert under_test.deadline(0.0, busy=busy) == 1.0 + first


def test_a_board_that_takes_nothing_new_is_stuck_whatever_it_answers() -> None:
    under_test = upload()
    heard(under_test, 2000)
    heard(under_test, 1000)
    heard(under_test, 2000)
    assert not under_test.stuck(51.0) and under_test.stuck(51.1)
