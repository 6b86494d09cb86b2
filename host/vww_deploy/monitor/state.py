"""What a viewer sees at one moment, computed from the events so far: terminal and web page draw this alone.

All history is bounded: a monitor that runs for a day holds as much as one that runs for ten minutes.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from vww_deploy.link.inference import Inference
from vww_deploy.pictures.cells import outlined
from vww_deploy.pictures.outputs import Cell, OutputSpec
from vww_deploy.session.events import (
    Connection,
    ConnectionState,
    ConsoleLine,
    Event,
    LayerTimes,
    LinkReport,
    Peer,
    Pixels,
    ShownPicture,
    Skipped,
)
from vww_deploy.session.latency import ESTIMATE_BOARD

HISTORY: Final = 600
"""Results whose probability and latency are kept for the charts: a minute at 10 pictures a second."""

KEPT_PICTURES: Final = 64
"""Pictures that can still be labelled or saved after newer ones came."""

CONSOLE_LINES: Final = 500
"""Lines of the device's console that are kept."""

MAX_CONSOLE_LINE: Final = 400
"""Characters of a console line that are kept: a device that never ends its line costs no memory."""

_SILENT_S: Final = 3.0  # see View.silent_s
_RATE_WINDOW_S: Final = 3.0  # pictures and bytes a second are averages over this long


@dataclass(frozen=True)
class Point:
    """A result, as the charts need it; ``ticks`` of the board's clock."""

    number: int
    at: float
    p_person: float
    ticks: int


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture with its result; ``arrived`` is when the result reached the monitor (seconds since 1970)."""

    picture: ShownPicture
    result: Inference
    arrived: float


@dataclass(frozen=True)
class TextLine:
    """A line of the console; ``serial`` counts all lines since the start, also those no longer kept."""

    serial: int
    text: str
    at: float
    notice: bool = False


@dataclass(frozen=True, eq=False)
class MonitorView:
    """All that is to be seen.

    Attributes:
        version: grows with every change.
        connection: of the board.
        reason: why it is lost, or what is happening.
        board: the one that is or was last connected.
        shown: the newest picture that has a result; None before the first.
        threshold: P(person) from which a picture counts as one with a person, 0..1.
        fps: results a second by the results' own times.
        history: the last results, the oldest first.
        layers: ticks by layer, in the network's order.
        lines: the console.
        link: the link's counters.
        bytes_in_per_s: throughput from the device.
        bytes_out_per_s: throughput to the device.
        results: since the start.
        skipped: pictures that could not be used.
        missed: pictures that never got a result or were dropped on the way, by gaps in their numbers.
        retries: messages sent again, over all results.
        paused: whether the source holds.
        live: whether results are to be expected: a board, not a replay.
        recording: path of the recording that is being written, or empty.
        recording_failed: why the newest recording stopped by itself, or empty.
        estimate_for: the board of the catalogue that instructions are estimated for.
        truth: what somebody here has said of the newest picture: True a person, False none, None nothing.
        labelled: pictures labelled so far, without and with a person, all sessions.
    """

    version: int
    connection: ConnectionState
    reason: str
    board: Peer | None
    shown: Shown | None
    threshold: float
    fps: float
    history: tuple[Point, ...]
    layers: tuple[tuple[str, int], ...]
    lines: tuple[TextLine, ...]
    link: LinkReport | None
    bytes_in_per_s: float
    bytes_out_per_s: float
    results: int
    skipped: int
    missed: int
    retries: int
    paused: bool
    live: bool
    recording: str
    recording_failed: str
    estimate_for: str = ESTIMATE_BOARD
    truth: bool | None = None
    labelled: tuple[int, int] = (0, 0)

    @property
    def person(self) -> bool | None:
        """Whether the newest picture counts as one with a person; None before the first result."""
        return None if self.shown is None else self.shown.result.p_person >= self.threshold

    def line(self, value: Callable[[Point], float]) -> list[list[float | None]]:
        """A chart's points, [milliseconds, value] of each result; one without a value breaks the line.

        It breaks where nothing came for three seconds and five times the usual time: the board was away, or paused.
        """
        times = [point.at for point in self.history]
        apart = [later - before for before, later in pairwise(times)]
        most = max(_SILENT_S, 5 * median(apart)) if apart else _SILENT_S
        points: list[list[float | None]] = []
        for point, since in zip(self.history, [0.0, *apart], strict=False):
            if since > most:
                points.append([round((point.at - since / 2) * 1000), None])
            points.append([round(point.at * 1000), value(point)])
        return points

    def silent_s(self, now: float) -> float | None:
        """How long no result has come though one should have: three seconds, or five times what is usual here.

        None while all is well, or while nothing is to be expected.
        """
        if not self.live or self.paused or self.connection != "connected" or self.shown is None:
            return None
        usual = (self.history[-1].at - self.history[0].at) / max(1, len(self.history) - 1)
        silent = now - self.shown.arrived
        return silent if silent > max(_SILENT_S, 5 * usual) else None

    @property
    def label(self) -> str:
        """The prediction in the model's own words; empty before the first result."""
        if self.shown is None:
            return ""
        result = self.shown.result
        return self.outputs.prediction(result.p_person, result.outputs, self.threshold)

    @property
    def detail(self) -> str:
        """What there is to say beside the prediction: the likeliest classes, or which cells of a map it is in."""
        return "" if self.shown is None else self.outputs.detail(self.shown.result.outputs, self.threshold)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of a map that reach the threshold; none for a classifier."""
        return () if self.shown is None else self.outputs.cells(self.shown.result.outputs, self.threshold)

    @property
    def picture(self) -> Pixels | None:
        """What the model saw, the :attr:`cells` drawn into it; None before the first result."""
        if self.shown is None:
            return None
        return outlined(self.shown.picture.pixels, self.outputs.rows, self.outputs.columns, self.cells)

    @property
    def outputs(self) -> OutputSpec:
        """What the model's outputs mean."""
        return self.board.outputs if self.board else OutputSpec()


class State:
    """Takes events, gives views. Not thread-safe: :class:`vww_deploy.monitor.monitor.Monitor` holds a lock around it.

    Args:
        threshold: P(person); the model card's when None.
        live: whether a board is watched, not a replay.
        estimate_for: the board of the catalogue that instructions are estimated for.
    """

    def __init__(
        self, threshold: float | None = None, *, live: bool = True, estimate_for: str = ESTIMATE_BOARD
    ) -> None:
        self._estimate_for = estimate_for
        self._live = live
        self.version = 0
        self.paused = False
        self.recording = ""
        self.recording_failed = ""
        self.labels: dict[int, bool] = {}
        """By the number of the picture; of those still kept."""
        self.labelled = (0, 0)
        self._threshold = threshold
        self._connection: ConnectionState = "connecting"
        self._reason = ""
        self.announced = ""
        """What was said of the board last; trying to connect again fails likewise and is not said again."""
        self._board: Peer | None = None
        self._waiting: ShownPicture | None = None
        self._shown: OrderedDict[int, Shown] = OrderedDict()
        self._latest: Shown | None = None
        self._history: deque[Point] = deque(maxlen=HISTORY)
        self._layers: tuple[tuple[str, int], ...] = ()
        self._lines: deque[TextLine] = deque(maxlen=CONSOLE_LINES)
        self._serial = 0
        self._links: deque[LinkReport] = deque(maxlen=64)
        self._results = self._skipped = self._missed = self._retries = 0

    def apply(self, event: Event) -> None:
        """One event further."""
        self.version += 1
        match event:
            case ShownPicture():
                self._waiting = event
            case Inference():
                self._result(event)
            case Skipped():
                self._skipped += 1
                self.notice(f"skipped {event.source}: {event.reason}", event.at)
            case LayerTimes():
                self._layers = event.layers
            case ConsoleLine():
                self._line(event.text, event.at)
            case LinkReport():
                if self._links and event.bytes_in < self._links[-1].bytes_in:
                    self._links.clear()  # a new connection counts from zero
                while len(self._links) > 1 and event.at - self._links[0].at > _RATE_WINDOW_S:
                    self._links.popleft()
                self._links.append(event)
            case Connection():
                self._connected(event)

    @property
    def threshold(self) -> float:
        """The user's, or the model card's."""
        if self._threshold is not None:
            return self._threshold
        return self._board.threshold if self._board else 0.5

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._threshold = min(1.0, max(0.0, value))

    def shown(self, number: int | None = None) -> Shown | None:
        """A picture by its number, or the newest; None if it is no longer kept."""
        return self._latest if number is None else self._shown.get(number)

    def notice(self, text: str, at: float | None = None) -> None:
        """A line of the program's own among the console's."""
        self._line(text, time.time() if at is None else at, notice=True)

    def view(self) -> MonitorView:
        """The moment as it is."""
        in_rate, out_rate = self._throughput()
        return MonitorView(
            version=self.version,
            connection=self._connection,
            reason=self._reason,
            board=self._board,
            shown=self._latest,
            threshold=self.threshold,
            fps=self._fps(),
            history=tuple(self._history),
            layers=self._layers,
            lines=tuple(self._lines),
            link=self._links[-1] if self._links else None,
            bytes_in_per_s=in_rate,
            bytes_out_per_s=out_rate,
            results=self._results,
            skipped=self._skipped,
            missed=self._missed,
            retries=self._retries,
            paused=self.paused,
            live=self._live,
            recording=self.recording,
            recording_failed=self.recording_failed,
            estimate_for=self._estimate_for,
            truth=self.labels.get(self._latest.picture.number) if self._latest else None,
            labelled=self.labelled,
        )

    def _result(self, event: Inference) -> None:
        picture = self._waiting
        if picture is None or picture.number != event.number:
            return  # a recording that was begun between a picture and its result
        self._waiting = None
        while self._history and self._history[-1].number >= event.number:
            self._history.pop()  # a replay went back
        if self._history:
            self._missed += event.number - self._history[-1].number - 1
        self._latest = self._shown[event.number] = Shown(picture, event, time.time())
        self._shown.move_to_end(event.number)
        while len(self._shown) > KEPT_PICTURES:
            gone, _ = self._shown.popitem(last=False)
            self.labels.pop(gone, None)
        self._history.append(Point(event.number, event.at, event.p_person, event.ticks))
        self._results += 1
        self._retries += event.retries

    def _connected(self, event: Connection) -> None:
        self._connection = event.state
        self._reason = event.reason
        if event.board is not None:
            if self._board is not None and event.board.model_sha256 != self._board.model_sha256:
                self._layers = ()
            self._board = event.board
        text = f"board {event.state}" + (f": {event.reason}" if event.reason else "")
        if event.state in ("connected", "lost") and text != self.announced:
            self.notice(text, event.at)
            self.announced = text

    def _line(self, text: str, at: float, *, notice: bool = False) -> None:
        self._serial += 1
        self._lines.append(TextLine(self._serial, text[:MAX_CONSOLE_LINE], at, notice))

    def _fps(self) -> float:
        if len(self._history) < 2:
            return 0.0
        newest = self._history[-1].at
        recent = [p.at for p in self._history if p.at > newest - _RATE_WINDOW_S]
        if len(recent) < 2:  # slower than one in three seconds
            recent = [self._history[-2].at, newest]
        elapsed = newest - recent[0]
        return (len(recent) - 1) / elapsed if elapsed > 0 else 0.0

    def _throughput(self) -> tuple[float, float]:
        if len(self._links) < 2:
            return 0.0, 0.0
        first, last = self._links[0], self._links[-1]
        elapsed = last.at - first.at
        if elapsed <= 0:
            return 0.0, 0.0
        return (last.bytes_in - first.bytes_in) / elapsed, (last.bytes_out - first.bytes_out) / elapsed
