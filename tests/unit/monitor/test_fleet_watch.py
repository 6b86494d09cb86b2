"""A fleet that is watched: rates of what boards count, failures as they come, a fleet that goes and comes back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

from vww_deploy.errors import FleetError
from vww_deploy.fleet.client import Place
from vww_deploy.monitor.fleet_watch import RATE_S, FleetWatch

A = Place("nano33ble", "A1", "tls://1", "desk", "works")
B = Place("nano33ble", "B2", "tls://2", "shelf")


def watched() -> FleetWatch:
    return FleetWatch(lambda: contextlib.nullcontext())  # type: ignore[arg-type, return-value]  # never entered


def test_rates_are_of_the_last_seconds() -> None:
    watch = watched()
    watch.look([replace(B, results=40), replace(A, results=100)], 1000.0)
    assert [(place.serial, rate) for place, rate in watch.view().boards] == [("A1", 0), ("B2", 0)]
    watch.look([replace(A, results=120), replace(B, results=40)], 1004.0)
    view = watch.view()
    assert [(place.serial, rate) for place, rate in view.boards] == [("A1", 5), ("B2", 0)]
    assert (view.rate, view.results, view.count("works"), view.count("set aside")) == (5, 160, 1, 0)
    watch.look([replace(A, results=130), replace(B, results=40)], 1004.0 + RATE_S)
    assert watch.view().rate == 1
    assert watch.view().history == ((1000.0, 0), (1004.0, 5), (1004.0 + RATE_S, 1))


def test_a_board_that_comes_later_or_counts_from_0_again_has_no_wrong_rate() -> None:
    watch = watched()
    watch.look([replace(A, results=500)], 1000.0)
    watch.look([replace(A, results=3), replace(B, results=900)], 1002.0)
    assert watch.view().rate == 0


def test_failures_are_those_since_the_watch_began() -> None:
    watch = watched()
    watch.look([replace(A, failures=7, error="old")], 1000.0)
    assert (watch.view().failed, watch.view().failures) == (0, ())
    watch.look([replace(A, failures=9, error="silent"), replace(B, failures=1, error="gone")], 1001.0)
    assert watch.view().failed == 3
    assert watch.view().failures == ((1001.0, "nano33ble A1", "silent"), (1001.0, "nano33ble B2", "gone"))
    watch.look([replace(A, failures=0), replace(B, failures=1, error="gone")], 1002.0)  # its worker started again
    watch.look([replace(A, failures=1, error="again"), replace(B, failures=1, error="gone")], 1003.0)
    assert (watch.view().failed, watch.view().failures[-1]) == (4, (1003.0, "nano33ble A1", "again"))


def test_a_fleet_that_is_gone_is_looked_for_again() -> None:
    gone, looked, lost = threading.Event(), threading.Event(), threading.Event()

    class Played:
        def places(self) -> list[Place]:
            looked.set()
            if gone.is_set():
                lost.set()
                raise FleetError("the scheduler is gone")
            return [A]

    @contextlib.contextmanager
    def join() -> Iterator[Played]:
        yield Played()

    with FleetWatch(join) as watch:
        assert looked.wait(30)
        gone.set()
        assert lost.wait(30)
        until = threading.Event()
        for _ in range(300):
            if watch.view().lost:
                break
            until.wait(0.1)
        assert (watch.view().lost, watch.view().boards) == ("the scheduler is gone", ())
        gone.clear()
        for _ in range(300):
            if watch.view().boards:
                break
            until.wait(0.1)
        assert watch.view().lost == ""
        assert [place for place, _ in watch.view().boards] == [A]
