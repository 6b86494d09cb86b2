"""What a viewer sees, computed from events."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from tests.support.generated_source import GeneratedSource, board_info
from vww_deploy.link.inference import Inference
from vww_deploy.monitor.state import CONSOLE_LINES, HISTORY, KEPT_PICTURES, MAX_CONSOLE_LINE, State
from vww_deploy.session.events import Connection, LayerTimes, LinkReport, ShownPicture, Skipped
from vww_deploy.session.source import Control

PIXELS = np.zeros((96, 96, 1), np.uint8)


def show(state: State, number: int, p_person: float = 0.9, at: float | None = None, latency_us: int = 70_000) -> None:
    at = 1000.0 + number / 10 if at is None else at
    state.apply(ShownPicture(number, PIXELS, at=at))
    state.apply(Inference(number, p_person, latency_us, latency_us * 1000, retries=1, at=at))


def test_the_newest_picture_with_a_result_is_shown() -> None:
    state = State()
    show(state, 0, 0.9)
    state.apply(ShownPicture(1, PIXELS))
    assert state.view().shown is not None
    shown = state.view().shown
    assert shown is not None and shown.picture.number == 0


def test_a_result_without_its_picture_is_left_out() -> None:
    state = State()
    state.apply(Inference(7, 0.5, 1, 1))
    assert state.view().shown is None
    assert state.view().results == 0


def test_the_threshold_is_the_models_until_the_user_sets_one() -> None:
    state = State()
    state.apply(Connection("connected", board=dataclasses.replace(board_info(), threshold=0.7)))
    show(state, 0, 0.6)
    assert (state.view().threshold, state.view().person, state.view().label) == (0.7, False, "no person")
    state.threshold = 0.6
    assert (state.view().person, state.view().label) == (True, "person")


@pytest.mark.parametrize(("given", "kept"), [(-0.1, 0.0), (1.1, 1.0), (0.25, 0.25)])
def test_the_threshold_stays_a_probability(given: float, kept: float) -> None:
    state = State()
    state.threshold = given
    assert state.view().threshold == kept


def test_pictures_a_second_are_those_of_the_results_own_times() -> None:
    state = State()
    for number in range(40):
        show(state, number)
    assert state.view().fps == pytest.approx(10, rel=1e-6)


def test_slow_pictures_have_a_rate_too() -> None:
    state = State()
    show(state, 0, at=1000)
    show(state, 1, at=1010)
    assert state.view().fps == pytest.approx(0.1)


def test_gaps_in_the_numbers_are_missed_pictures_and_retries_add_up() -> None:
    state = State()
    for number in (0, 1, 5, 6):
        show(state, number)
    assert state.view().missed == 3
    assert state.view().retries == 4


def test_going_back_in_a_replay_takes_the_charts_back() -> None:
    state = State()
    for number in range(5):
        show(state, number)
    show(state, 2, 0.1)
    assert [point.number for point in state.view().history] == [0, 1, 2]
    assert state.view().missed == 0


def test_throughput_is_that_of_the_last_seconds_and_a_new_link_counts_from_zero() -> None:
    state = State()
    for second in range(10):
        state.apply(LinkReport(1000 * second, 50 * second, 0, 0, 0, at=float(second)))
    assert state.view().bytes_in_per_s == pytest.approx(1000)
    assert state.view().bytes_out_per_s == pytest.approx(50)
    state.apply(LinkReport(10, 10, 0, 0, 0, at=11.0))
    assert state.view().bytes_in_per_s == 0


def test_losing_the_board_is_said_once_on_the_console() -> None:
    state = State()
    state.apply(Connection("connected", board=board_info()))
    for _ in range(3):
        state.apply(Connection("lost", "gone"))
        state.apply(Connection("connecting"))
    state.apply(Connection("lost", "another reason"))
    for _ in range(2):
        state.apply(Connection("connected", board=board_info()))
        state.apply(Connection("lost", "gone"))
    lines = [line.text for line in state.view().lines]
    again = ["board connected", "board lost: gone"]
    assert lines == [*again, "board lost: another reason", *again, *again]


def test_another_model_forgets_the_old_ones_layers() -> None:
    state = State()
    state.apply(Connection("connected", board=board_info()))
    state.apply(LayerTimes((("conv", 5),)))
    state.apply(Connection("connected", board=board_info()))
    assert state.view().layers == (("conv", 5),)
    state.apply(Connection("connected", board=dataclasses.replace(board_info(), model_sha256="cd" * 32)))
    assert state.view().layers == ()


def test_a_skipped_picture_is_counted_and_named() -> None:
    state = State()
    state.apply(Skipped("a.png", "is empty (0 bytes)"))
    assert state.view().skipped == 1
    assert state.view().lines[-1].text == "skipped a.png: is empty (0 bytes)"


def test_silence_is_noticed_where_results_are_to_be_expected() -> None:
    state = State()
    state.apply(Connection("connected", board=board_info()))
    for number in range(5):
        show(state, number, at=1000.0 + number)
    view = state.view()
    assert view.shown is not None
    arrived = view.shown.arrived
    assert view.silent_s(arrived + 4.9) is None  # one a second: five are no cause for worry
    assert view.silent_s(arrived + 5.5) == pytest.approx(5.5)
    state.paused = True
    assert state.view().silent_s(arrived + 60) is None
    state.paused = False
    state.apply(Connection("lost"))
    assert state.view().silent_s(arrived + 60) is None
    replay = State(live=False)
    replay.apply(Connection("connected", board=board_info()))
    show(replay, 0)
    assert replay.view().silent_s(arrived + 60) is None


def test_history_is_bounded_through_an_hour_at_ten_pictures_a_second() -> None:
    """36,000 pictures as fast as they go: what is kept neither grows in number nor in bytes."""
    state = State()
    sizes = []
    for event in GeneratedSource(fps=0, pictures=36_000, console="x" * 10_000).events(Control()):
        state.apply(event)
        if isinstance(event, Inference) and event.number in (3_000, 35_999):
            view = state.view()
            kept = [line.text for line in view.lines]
            sizes.append((len(view.history), len(kept), sum(map(sys.getsizeof, kept)), len(state._shown)))
    assert sizes[0][0] == sizes[1][0] == HISTORY
    assert sizes[1][1] == CONSOLE_LINES
    assert sizes[1][2] <= CONSOLE_LINES * (MAX_CONSOLE_LINE + 100)
    assert sizes[0][3] == sizes[1][3] == KEPT_PICTURES


def test_a_charts_line_breaks_where_the_board_was_away() -> None:
    state = State()
    for number, at in enumerate((10.0, 10.1, 10.2, 15.2, 15.3)):
        show(state, number, number / 10, at)
    line = state.view().line(lambda point: point.p_person)
    assert line == [[10_000, 0.0], [10_100, 0.1], [10_200, 0.2], [12_700, None], [15_200, 0.3], [15_300, 0.4]]


def test_a_slow_boards_line_is_whole() -> None:
    state = State()
    for number in range(4):
        show(state, number, 0.5, 10.0 + 4 * number)
    assert len(state.view().line(lambda point: point.p_person)) == 4
