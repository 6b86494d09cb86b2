"""What a fleet does now: boards, rate, failures; asked for once a second, for any number of viewers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from vww_deploy.errors import FleetError

if TYPE_CHECKING:
    from vww_deploy.fleet.client import Place

POLL_S: Final = 1.0
RATE_S: Final = 10.0
"""Over which a rate is taken: boards tell what they did every half second to five, as the fleet is large."""
_AGAIN_S: Final = 3.0  # after which a fleet that is gone is looked for again
_HISTORY: Final = 600  # rates that are kept
_FAILURES: Final = 200  # that are kept


class Places(Protocol):
    """A fleet, as far as it is watched."""

    def places(self) -> list[Place]:
        """The boards that are offered now.

        Raises:
            FleetError: the fleet is gone.
        """
        ...


@dataclass(frozen=True)
class FleetView:
    """A fleet at a moment.

    Attributes:
        version: goes up with every look.
        boards: by kind and serial number, each with its inferences a second.
        history: inferences a second of all boards, with the time (seconds since 1970).
        failures: of boards since the watch began, with the time and the board; the newest last.
        failed: how many failures there were since then.
        lost: why the fleet is gone; empty while it is there.
    """

    version: int
    boards: tuple[tuple[Place, float], ...]
    history: tuple[tuple[float, float], ...]
    failures: tuple[tuple[float, str, str], ...]
    failed: int
    lost: str

    @property
    def rate(self) -> float:
        """Inferences a second of all boards."""
        return sum(rate for _, rate in self.boards)

    def count(self, state: str) -> int:
        """How many boards are in that state."""
        return sum(place.state == state for place, _ in self.boards)

    @property
    def results(self) -> int:
        """Inferences of all boards, each since its worker started."""
        return sum(place.results for place, _ in self.boards)


class FleetWatch:
    """Looks at a fleet in a thread of its own, from entering to leaving; a fleet that is gone is looked for again.

    Args:
        join: connects to the fleet.
    """

    def __init__(self, join: Callable[[], AbstractContextManager[Places]]) -> None:
        self._join = join
        self._seen: deque[tuple[float, dict[str, int]]] = deque()
        self._known: dict[str, int] = {}  # failures by board
        self._view = FleetView(0, (), (), (), 0, "")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def view(self) -> FleetView:
        """The newest view; an immutable one."""
        return self._view

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._join() as fleet:
                    while not self._stop.is_set():
                        self.look(fleet.places(), time.time())
                        self._stop.wait(POLL_S)
            except FleetError as error:
                self._lose(error.message)
                self._stop.wait(_AGAIN_S)

    def look(self, places: Sequence[Place], now: float) -> None:
        """Take what the boards said at the time ``now``."""
        counts = {place.serial: place.results for place in places}
        self._seen.append((now, counts))
        while now - self._seen[0][0] > RATE_S:
            self._seen.popleft()
        then, before = self._seen[0]
        boards = tuple(
            # A worker that was started again counts from 0.
            (place, max(0, place.results - before.get(place.serial, place.results)) / (now - then or 1))
            for place in sorted(places, key=lambda place: (place.kind, place.serial))
        )
        old = self._view
        failures, failed = list(old.failures), old.failed
        for place, _ in boards:
            new = place.failures - self._known.get(place.serial, place.failures if old.version == 0 else 0)
            if new > 0:
                failures.append((now, f"{place.kind} {place.serial}", place.error))
                failed += new
            self._known[place.serial] = place.failures
        history = (*old.history, (now, sum(rate for _, rate in boards)))[-_HISTORY:]
        self._view = FleetView(old.version + 1, boards, history, tuple(failures[-_FAILURES:]), failed, "")

    def _lose(self, reason: str) -> None:
        old = self._view
        self._seen.clear()
        self._view = FleetView(old.version + 1, (), old.history, old.failures, old.failed, reason)
