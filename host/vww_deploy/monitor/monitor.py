"""The monitor without a view: a source in a background thread, its state, and everything a user may do.

with Monitor(source, folder=Path("vww-monitor")) as monitor:
    view = monitor.view()
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Final

from vww_deploy.errors import DataError, StoreError, VwwError
from vww_deploy.files import write_whole
from vww_deploy.monitor.collection import Collection
from vww_deploy.monitor.state import KEPT_PICTURES, MonitorView, Shown, State
from vww_deploy.runs.recording import Recorder, to_json, to_png
from vww_deploy.session.events import Connection, Event, LayerTimes
from vww_deploy.session.latency import ESTIMATE_BOARD
from vww_deploy.session.source import Control, SentPicture, Source

_STOP_TIMEOUT_S: Final = 10.0  # longest that a source may take to end: an inference on a slow board and its retries

RECORDING_SUFFIX: Final = ".vwwrec"


class Monitor:
    """Watches a source. Every method may be called from any thread; none waits for the board.

    Args:
        source: what to watch.
        threshold: P(person) from which a picture counts as one with a person; the model card's when None.
        folder: where snapshots, labelled pictures and recordings go; made when needed.
        estimate_for: the board of the catalogue that instructions are estimated for.
    """

    def __init__(
        self,
        source: Source,
        *,
        threshold: float | None = None,
        folder: Path,
        estimate_for: str = ESTIMATE_BOARD,
    ) -> None:
        self.source: Final = source
        self.control: Final = Control()
        self.folder: Final = folder
        self.collection: Final = Collection(folder / "labelled")
        self.error: VwwError | None = None
        """What ended the source, if it did not end by itself."""
        self.recording_error: StoreError | None = None
        """What stopped the newest recording, if it did not end as it was asked to."""
        self._settled = threading.Event()
        self._lock = threading.Lock()
        self._labelling = threading.Lock()  # one hand at the table of labels; the source does not wait for it
        self._state = State(threshold, live=not source.replays, estimate_for=estimate_for)
        self._labelled: deque[tuple[Shown, bool | None]] = deque(maxlen=KEPT_PICTURES)  # and the label before
        with contextlib.suppress(DataError):  # said when a picture is labelled
            self._state.labelled = self.collection.counts()
        self._view: MonitorView | None = None
        self._recorder: Recorder | None = None
        self._connected: Connection | None = None  # a recording begins with these two to make sense
        self._timing: LayerTimes | None = None
        self._thread = threading.Thread(target=self._run, name="monitor source", daemon=True)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.control.stop()
        self._thread.join(_STOP_TIMEOUT_S)
        self.stop_recording()

    def wait_connected(self) -> None:
        """Wait until the source has connected for the first time.

        Raises:
            VwwError: it could not.
        """
        self._settled.wait()
        if self.error:
            raise self.error

    def view(self) -> MonitorView:
        """The moment as it is; the same object as long as nothing changes."""
        with self._lock:
            if self._view is None or self._view.version != self._state.version:
                self._view = self._state.view()
            return self._view

    # -- what a user may do -----------------------------------------------------------------------------------------

    def pause(self, paused: bool) -> None:
        """Hold the source, or let it go on."""
        self.control.pause(paused)
        with self._lock:
            self._state.paused = paused
            self._state.version += 1

    def step(self, pictures: int) -> None:
        """Pause, and show the next picture (replays: negative goes back)."""
        if not self.control.paused:
            self.pause(True)
        self.control.step(pictures)

    def seek(self, place: int) -> None:
        """Pause at a picture of a replay, by its place counted from 1."""
        if not self.control.paused:
            self.pause(True)
        self.control.seek(place)

    def set_threshold(self, threshold: float) -> None:
        """P(person), 0..1."""
        with self._lock:
            self._state.threshold = threshold
            self._state.version += 1

    def snapshot(self, number: int | None = None) -> Path:
        """Save a picture (the newest, or one still kept) as PNG, the raw one beside it, and its result as JSON.

        Returns:
            The PNG of the picture that the model saw.

        Raises:
            DataError: there is no such picture, or the folder cannot be written.
        """
        shown = self._shown(number)
        stem = f"{datetime.fromtimestamp(shown.result.at):%Y%m%d-%H%M%S}-{shown.picture.number}"
        folder = self.folder / "snapshots"
        path = folder / f"{stem}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, to_png(shown.picture.pixels))
            if shown.picture.raw is not None:
                write_whole(folder / f"{stem}-raw.png", to_png(shown.picture.raw))
            facts = {"frame": to_json(shown.picture), "result": to_json(shown.result)}
            write_whole(path.with_suffix(".json"), (json.dumps(facts, indent=2) + "\n").encode())
        except OSError as error:
            raise DataError(
                f"{folder} cannot be written: {error.strerror or error}", hint="Name another folder with --out."
            ) from error
        return path

    def label(self, person: bool, number: int | None = None) -> Path:
        """Add a picture (the newest, or one still kept) to the labelled ones.

        Raises:
            DataError: there is no such picture, or the folder cannot be written.
        """
        shown = self._shown(number)
        with self._labelling:
            path = self._put(shown, person)
            self._labelled.append((shown, self._state.labels.get(shown.picture.number)))
            self._note_label(shown, person)
        return path

    def undo_label(self) -> str:
        """Take the last label back; the name of its picture.

        Raises:
            DataError: there is none, or the folder cannot be written.
        """
        with self._labelling:
            if not self._labelled:
                raise DataError("no label was given that could be taken back")
            shown, before = self._labelled.pop()
            if before is None:
                self.collection.remove(shown.picture)
            else:
                self._put(shown, before)
            self._note_label(shown, before)
        return shown.picture.source or f"picture {shown.picture.number}"

    def start_recording(self, path: Path | None = None) -> Path:
        """Record from now on, to ``path`` or a new file in the folder.

        Raises:
            StoreError: it records already, or the file cannot be written.
        """
        path = path or self.folder / f"{datetime.now():%Y%m%d-%H%M%S}{RECORDING_SUFFIX}"
        with self._lock:
            if self._recorder is not None:
                raise StoreError(f"{self._recorder.path} is being recorded already")
            self._recorder = Recorder(path, self._recording_failed)
            self.recording_error = None
            for event in (self._connected, self._timing):
                if event is not None:
                    self._recorder.add(event)
            self._state.recording, self._state.recording_failed = str(path), ""
            self._state.version += 1
        return path

    def stop_recording(self) -> Path | None:
        """Close the recording; its path, or None if there was none.

        Raises:
            StoreError: it could not be written to the end.
        """
        with self._lock:
            recorder, self._recorder = self._recorder, None
            self._state.recording = ""
            self._state.version += 1
        if recorder is None:
            return None
        recorder.close()
        if recorder.error:
            raise recorder.error
        if recorder.dropped:
            self.tell(f"the recording lacks {recorder.dropped} events: the disk was too slow")
        return recorder.path

    def send(self, name: str, data: bytes) -> None:
        """Have the board look at a picture file from the user's computer.

        Raises:
            DataError: this source takes no pictures, or too many wait already.
        """
        if not self.source.takes_pictures:
            raise DataError("a recording takes no pictures", hint="Watch a board: vww-deploy monitor --board BOARD")
        if not self.control.send(SentPicture(name, data)):
            raise DataError("too many pictures wait for the board", hint="Send it again in a moment.")

    def tell(self, text: str) -> None:
        """A line of the program's own on the console."""
        with self._lock:
            self._state.notice(text)
            self._state.version += 1

    # -- inside -----------------------------------------------------------------------------------------------------

    def _put(self, shown: Shown, person: bool) -> Path:
        board = self.view().board
        return self.collection.add(shown.picture, person, board.board if board else "")

    def _note_label(self, shown: Shown, person: bool | None) -> None:
        counts = self.collection.counts()
        with self._lock:
            if person is None:
                self._state.labels.pop(shown.picture.number, None)
            else:
                self._state.labels[shown.picture.number] = person
            self._state.labelled = counts
            self._state.version += 1

    def _shown(self, number: int | None) -> Shown:
        with self._lock:
            shown = self._state.shown(number)
        if shown is None:
            raise DataError(
                "there is no picture yet" if number is None else f"picture {number} is no longer kept",
                hint="Pause first, then there is time to decide.",
            )
        return shown

    def _recording_failed(self, error: StoreError) -> None:
        """Said at once, whether or not the board goes on, and until the next recording."""
        with self._lock:
            self._recorder, self._state.recording = None, ""
            self.recording_error = error
            self._state.recording_failed = error.message
            self._state.notice(f"recording stopped: {error.message}")
            self._state.version += 1

    def _run(self) -> None:
        try:
            for event in self.source.events(self.control):
                self._take(event)
        except VwwError as error:
            self.error = error
            self._take(Connection("ended", error.message + (f" ({error.hint})" if error.hint else "")))

    def _take(self, event: Event) -> None:
        with self._lock:
            self._state.apply(event)
            if isinstance(event, Connection) and event.state == "connected":
                self._connected, self._timing = event, None
            elif isinstance(event, LayerTimes):
                self._timing = event
            if self._recorder is not None:
                self._recorder.add(event)
        if isinstance(event, Connection) and event.state != "connecting":
            self._settled.set()
