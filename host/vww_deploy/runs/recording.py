"""A live session in one file: written as it happens, replayed without a board.

The file is SQLite: one table of events in their order, pictures as lossless PNG. Like the run store it uses the
rollback journal, so that it is one whole file that can be copied at any time; unlike there a transaction is closed
twice a second, so that recording costs the session next to nothing and a crash at most half a second.
"""

from __future__ import annotations

import contextlib
import io
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from vww_deploy.errors import DataError, StoreError
from vww_deploy.files import check_file, make_private
from vww_deploy.link.inference import Inference
from vww_deploy.pictures import preprocess
from vww_deploy.runs import untrusted
from vww_deploy.session import events
from vww_deploy.session.events import Event, Peer, Pixels, ShownPicture

_APPLICATION_ID: Final = 0x76777265  # "vwre": tells a recording from the run store and any other SQLite file
_VERSION: Final = 2
_COMMIT_EVERY_S: Final = 0.5
_BACKLOG: Final = 1000  # events that may wait for the disk, and in a transaction; half a minute of 10 pictures a second
_SCHEMA: Final = """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        pixels BLOB,
        raw BLOB
    );
    CREATE INDEX events_by_kind ON events (kind, id);
"""
_KINDS: Final[dict[str, type[Any]]] = {
    "frame": events.ShownPicture,
    "result": Inference,
    "skipped": events.Skipped,
    "timing": events.LayerTimes,
    "console": events.ConsoleLine,
    "link": events.LinkReport,
    "connection": events.Connection,
}
# What reading values that make no sense raises.
_DAMAGED: Final = (ValueError, KeyError, TypeError, OverflowError, RecursionError, DataError)
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


class Recorder:
    """Writes a recording from a thread of its own, so that a slow disk never slows the session.

    Args:
        path: of the file; must not exist.
        on_error: called at once, in the recorder's thread, when recording stops by itself.

    Raises:
        StoreError: the file exists already or cannot be written.
    """

    def __init__(self, path: Path, on_error: Callable[[StoreError], None] = lambda error: None) -> None:
        if path.exists() and not (path.is_file() and path.stat().st_size == 0):  # what a killed one has just begun
            raise StoreError(f"{path} exists already", hint="A recording is never overwritten: name another file.")
        self.path: Final = path
        self._on_error = on_error
        self.dropped = 0
        """Events that the disk was too slow for."""
        self.error: StoreError | None = None
        """Why recording stopped by itself, if it did."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            make_private(path)
            with contextlib.closing(sqlite3.connect(path)) as db:
                named = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_VERSION};"
                db.executescript(f"BEGIN; {named} {_SCHEMA} COMMIT")  # at once: killed before, it is an empty file
        except (sqlite3.Error, OSError) as error:
            raise _explained(path, error) from error
        self._queue: queue.Queue[Event | None] = queue.Queue(_BACKLOG)
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, event: Event) -> None:
        """Take an event; returns at once."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what is waiting and close the file."""
        while self._thread.is_alive():  # it may end by itself, with a full queue that nothing empties any more
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=0.1)
                self._thread.join()

    def _write(self) -> None:
        try:
            with contextlib.closing(sqlite3.connect(self.path)) as db:
                more = True
                while more:
                    batch, more = self._batch()
                    with db:  # one transaction
                        db.executemany(
                            "INSERT INTO events (at, kind, body, pixels, raw) VALUES (?, ?, ?, ?, ?)",
                            map(_to_row, batch),
                        )
        except (sqlite3.Error, OSError) as error:
            self.error = _explained(self.path, error)
            with contextlib.suppress(sqlite3.Error):
                _take_back(self.path)
            self._on_error(self.error)

    def _batch(self) -> tuple[list[Event], bool]:
        """What arrives within half a second, at most ``_BACKLOG``, and whether more may come."""
        batch: list[Event] = []
        event = self._queue.get()
        until = time.monotonic() + _COMMIT_EVERY_S
        while event is not None:
            batch.append(event)
            left = until - time.monotonic()
            if left <= 0 or len(batch) == _BACKLOG:
                return batch, True
            try:
                event = self._queue.get(timeout=left)
            except queue.Empty:
                return batch, True
        return batch, False


@dataclass(frozen=True)
class Recorded:
    """An event of a recording and its place in the file."""

    id: int
    event: Event


class Recording:
    """A recording, for reading; a context manager. One that is still being written can be read as well.

    Raises:
        StoreError: from every method, when the file is missing, damaged, or no recording.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        if not path.is_file():
            raise StoreError(
                f"there is no recording {path}", hint="Make one: vww-deploy monitor --board BOARD --record FILE"
            )
        try:
            _take_back(path)
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            application = self._db.execute("PRAGMA application_id").fetchone()[0]
            self._version = self._db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise _explained(path, error) from error
        if application != _APPLICATION_ID:
            self._db.close()
            raise StoreError(f"{path} is no recording", hint="Recordings are made by: vww-deploy monitor --record FILE")
        if self._version > _VERSION:
            self._db.close()
            raise StoreError(
                f"{path} was written by a newer vww-deploy",
                hint="Install the newer vww-deploy.",
            )
        try:
            untrusted.check_schema(self._db, _SCHEMA)
        except (sqlite3.Error, ValueError) as error:
            self._db.close()
            raise _explained(path, error) from error

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def events(self, after: int = 0) -> Iterator[Recorded]:
        """The events in order, from behind the one with id ``after``."""
        try:
            cursor = self._db.execute(
                "SELECT id, at, kind, body, pixels, raw FROM events WHERE id > ? ORDER BY id", (after,)
            )
            for row in cursor:
                event = _from_row(*row[1:])
                if self._version < 2 and isinstance(event, Inference):  # times that nobody had measured, stages in them
                    event = replace(event, latency_us=None, stages=())
                yield Recorded(row[0], event)
        except (sqlite3.Error, OSError, *_DAMAGED) as error:
            raise _explained(self.path, error) from error

    @property
    def pictures(self) -> int:
        """How many there are."""
        try:
            return int(self._db.execute("SELECT count(*) FROM events WHERE kind = 'frame'").fetchone()[0])
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error

    def place(self, id: int) -> int:
        """How many pictures there are up to event ``id``."""
        try:
            query = "SELECT count(*) FROM events WHERE kind = 'frame' AND id <= ?"
            return int(self._db.execute(query, (id,)).fetchone()[0])
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error

    def before_picture(self, place: int) -> int:
        """Where to continue so that the picture number ``place``, counted from 1, comes next."""
        try:
            query = "SELECT id FROM events WHERE kind = 'frame' ORDER BY id LIMIT 1 OFFSET ?"
            row = self._db.execute(query, (max(0, place - 1),)).fetchone()
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error
        return int(row[0]) - 1 if row else 0

    def before(self, id: int, pictures: int) -> int:
        """Where to continue after event ``id`` so that the picture that many pictures earlier comes next."""
        try:
            rows = self._db.execute(
                "SELECT id FROM events WHERE kind = 'frame' AND id <= ? ORDER BY id DESC LIMIT ?", (id, pictures + 1)
            ).fetchall()
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error
        return int(rows[-1][0]) - 1 if rows else 0


def _take_back(path: Path) -> None:
    """Takes back what a killed or failed writer left half written; who may only read a file cannot do that.

    Raises:
        sqlite3.Error: that is not possible.
    """
    if path.with_name(f"{path.name}-journal").exists():
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()


def is_recording(path: Path) -> bool:
    """Whether the file is one, by its first bytes."""
    try:
        check_file(path)
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and head[68:72] == _APPLICATION_ID.to_bytes(4, "big")


def kind_of(event: Event) -> str:
    """The event's name in recordings and in ``--json``: ``frame`` (a shown picture), ``result``, ``connection``."""
    return _NAMES[type(event)]


def to_json(event: Event) -> dict[str, Any]:
    """The event as JSON values, pictures left out."""
    if isinstance(event, ShownPicture):
        shape = list(event.pixels.shape)
        raw = None if event.raw is None else list(event.raw.shape)
        plain = {k: v for k, v in vars(event).items() if k not in ("pixels", "raw")}
        return {**plain, "shape": shape, "raw_shape": raw}
    return asdict(event)


def to_png(pixels: Pixels) -> bytes:
    """uint8 ``[h, w]``, ``[h, w, 1]`` or ``[h, w, 3]`` as a PNG file."""
    target = io.BytesIO()
    _image(pixels).save(target, "PNG", compress_level=1)
    return target.getvalue()


def from_png(data: bytes) -> Pixels:
    """The uint8 ``[h, w, 1 or 3]`` that :func:`to_png` was given; DataError or ValueError on anything else."""
    image = preprocess.open_picture(data)
    if image.mode not in ("L", "RGB"):
        raise ValueError(f"a picture of colour mode {image.mode}")
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)


def _to_row(event: Event) -> tuple[float, str, str, bytes | None, bytes | None]:
    values = to_json(event)
    values.pop("at")
    values.pop("shape", None)
    values.pop("raw_shape", None)
    pixels = raw = None
    if isinstance(event, ShownPicture):
        pixels = to_png(event.pixels)
        raw = None if event.raw is None else to_png(event.raw)
    return event.at, kind_of(event), json.dumps(values), pixels, raw


def _from_row(at: float, kind: str, body: str, pixels: bytes | None, raw: bytes | None) -> Event:
    said = json.loads(body)
    if not isinstance(said, dict):
        raise ValueError(f"an event that is {body[:40]!r}")
    values = {key: _tuples(value) for key, value in said.items()} | {"at": at}
    if kind == "frame":
        values |= {"pixels": _pixels(pixels), "raw": None if raw is None else _pixels(raw)}
    if isinstance(values.get("board"), dict):
        board = {key: _tuples(value) for key, value in values["board"].items() if key != "labels"}
        board["outputs"] = untrusted.output_spec(values["board"])
        values["board"] = untrusted.checked(Peer, board)
    event: Event = untrusted.checked(_KINDS[kind], values)
    untrusted.check_numbers(truth=values.get("truth"), p_person=values.get("p_person", 0.0))
    if not 0 <= event.at <= untrusted.LATEST:
        raise ValueError(f"an event at {event.at}")
    return event


def _pixels(data: bytes | None) -> Pixels:
    if not isinstance(data, bytes):
        raise ValueError("a picture without pixels")
    return from_png(data)


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _explained(path: Path, error: Exception) -> StoreError:
    text = str(error)
    if "disk I/O" in text:
        return StoreError(
            f"{path} cannot be written: {text}", hint="Is the disk full? What was recorded before is safe."
        )
    if "full" in text or "No space" in text:
        return StoreError(f"{path}: the disk is full", hint="What was recorded before is safe; free some space.")
    if isinstance(error, _DAMAGED) or "not a database" in text or "malformed" in text:
        return StoreError(f"{path} is damaged or no recording: {text}")
    if "readonly" in text or "ermission" in text or "unable to open" in text or isinstance(error, OSError):
        return StoreError(f"{path} cannot be opened: {text}", hint="Does the folder exist, and may you write there?")
    return StoreError(f"{path} cannot be used: {text}")
