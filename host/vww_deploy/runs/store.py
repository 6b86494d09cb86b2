"""The run store: every session as rows of one SQLite file, written as it happens.

A run lists its pictures first, then gets one row for each result or skipped picture, each in a transaction of its own:
whatever ends the process, the file holds all that was recorded before, and :meth:`Store.resume` knows what is left. The
primary key (run, position) makes a picture's result unique even if two processes resume the same run.

The journal is SQLite's rollback journal, not WAL: after every result the store is one whole file that can be copied,
mailed or opened from a read-only folder. docs/decisions/run-store.md has the figures.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np

from vww_deploy import resources
from vww_deploy.errors import StoreError
from vww_deploy.files import make_private, meant, shown
from vww_deploy.link.inference import Inference
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs import untrusted
from vww_deploy.runs.result import StoredResult
from vww_deploy.session.events import Peer

_APPLICATION_ID: Final = 0x76777764  # "vwwd": tells the run store from any other SQLite file
_BUSY_TIMEOUT_S: Final = 30.0  # how long to wait for another process's transaction; ours take milliseconds
# What reading values that make no sense raises.
_DAMAGED: Final = (ValueError, TypeError, OverflowError, RecursionError)

# Step i takes a store of schema version i to version i + 1. Steps are only ever added.
_MIGRATIONS: Final = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started TEXT NOT NULL,
        finished TEXT,
        state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'interrupted', 'failed')),
        note TEXT NOT NULL DEFAULT '',
        header TEXT NOT NULL
    );
    CREATE TABLE pictures (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        path TEXT NOT NULL,
        truth INTEGER,
        skipped TEXT,
        PRIMARY KEY (run, position)
    ) WITHOUT ROWID;
    CREATE TABLE results (
        run INTEGER NOT NULL,
        position INTEGER NOT NULL,
        at TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        outputs BLOB NOT NULL,
        label INTEGER NOT NULL,
        p_person REAL NOT NULL,
        latency_us INTEGER NOT NULL,
        ticks INTEGER NOT NULL,
        retries INTEGER NOT NULL,
        reference BLOB,
        PRIMARY KEY (run, position),
        FOREIGN KEY (run, position) REFERENCES pictures (run, position) ON DELETE CASCADE
    ) WITHOUT ROWID;
    """,
    """UPDATE runs SET header = json_set(header, '$.raw_camera', '') WHERE json_valid(header);""",
    # A latency that nobody measured is NULL, no longer an instruction taken for a nanosecond.
    """
    CREATE TABLE results_timed (
        run INTEGER NOT NULL,
        position INTEGER NOT NULL,
        at TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        outputs BLOB NOT NULL,
        label INTEGER NOT NULL,
        p_person REAL NOT NULL,
        latency_us INTEGER,
        ticks INTEGER NOT NULL,
        retries INTEGER NOT NULL,
        reference BLOB,
        PRIMARY KEY (run, position),
        FOREIGN KEY (run, position) REFERENCES pictures (run, position) ON DELETE CASCADE
    ) WITHOUT ROWID;
    INSERT INTO results_timed SELECT * FROM results;
    DROP TABLE results;
    ALTER TABLE results_timed RENAME TO results;
    UPDATE results SET latency_us = NULL WHERE run IN (
        SELECT id FROM runs WHERE json_valid(header) AND json_extract(header, '$.clock') = 'instructions'
    );
    """,
    """ALTER TABLE results ADD COLUMN board_serial TEXT NOT NULL DEFAULT '';""",
)

State = Literal["running", "complete", "interrupted", "failed"]


@dataclass(frozen=True)
class RunHeader:
    """What holds for all results of a run.

    Attributes:
        peer: what it runs on; the size of the model's input is not noted.
        model_path: where the model was read from, so that ``--resume`` finds it again.
        firmware_sha256: of the image that was flashed; empty if it was not flashed by this machine.
        protocol: version of the link's protocol.
        reference: whether the host reference ran beside the board.
        raw_camera: the camera format in which the pictures were sent, for the board to preprocess, as ``176x144:gray``;
            empty if the host preprocessed them.
        crop: height and width of the shape that the model's card crops pictures to; None if it takes the whole picture.
        layers: name and ticks of each layer, measured once at the beginning; empty if the firmware times none.
    """

    peer: Peer
    model_path: str = ""
    firmware_sha256: str = ""
    protocol: int = 0
    reference: bool = True
    raw_camera: str = ""
    crop: tuple[int, int] | None = None
    layers: tuple[tuple[str, int], ...] = ()

    @classmethod
    def from_json(cls, text: str) -> RunHeader:
        """A header as the store holds it. A run recorded before a field existed has that field's default; fields that
        only a newer program knows are left out.

        Raises:
            ValueError: it is no JSON object, or a field is missing or of another type.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or not {"board", "port", "model", "model_sha256"} <= values.keys():
            raise ValueError("a run's header lacks its board, port or model")
        peer = {name: values[key] for key, name in _PEER_KEYS.items() if key in values}
        peer["outputs"] = untrusted.output_spec(values)
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        known["peer"] = untrusted.checked(Peer, {"firmware": "", **peer})
        if isinstance(known.get("layers"), list):
            known["layers"] = tuple(map(tuple, known["layers"]))
        if isinstance(known.get("crop"), list):
            known["crop"] = tuple(known["crop"])
        header = untrusted.checked(cls, known)
        if header.peer.clock_hz < 1:
            raise ValueError(f"a run's header has clock_hz = {header.peer.clock_hz}")
        if header.crop is not None and min(header.crop) < 1:
            raise ValueError(f"a run's header has crop = {header.crop}")
        return header

    def to_json(self) -> str:
        """JSON text with every field."""
        values = self.values()
        return json.dumps(values | {"outputs": asdict(self.peer.outputs)})

    def values(self) -> dict[str, Any]:
        """Every field by its name, those of the peer beside the others."""
        own = {name: value for name, value in vars(self).items() if name != "peer"}
        return {key: getattr(self.peer, name) for key, name in _PEER_KEYS.items()} | own


# What is noted of the peer, and under which name.
_PEER_KEYS: Final = {
    "board": "board",
    "port": "port",
    "model": "model",
    "model_sha256": "model_sha256",
    "firmware_version": "firmware",
    "outputs": "outputs",
    "threshold": "threshold",
    "clock": "clock",
    "clock_hz": "clock_hz",
}


@dataclass(frozen=True)
class StoredSkip:
    """A picture that could not be used, and why."""

    position: int
    path: str
    reason: str


@dataclass(frozen=True)
class RunSummary:
    """One line of ``runs list``."""

    id: int
    started: str
    finished: str | None
    state: State
    note: str
    header: RunHeader
    pictures: int
    results: int
    skipped: int
    equal: int
    compared: int


class Store:
    """The run store; a context manager. Not for sharing between threads.

    Args:
        path: of the SQLite file; the user's own store (:func:`default_path`) when None.
        create: make it when it is missing; otherwise that is an error. An existing store that cannot be written is
            opened for reading; one of an older version, too, as a copy in memory.

    Raises:
        StoreError: from every method, when the file cannot be read or written, or was written by a newer program.
    """

    def __init__(self, path: Path | None = None, *, create: bool = True) -> None:
        self.path: Final = path or default_path()
        with self._guard():
            if create:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                make_private(self.path)
            elif not self.path.exists():
                hint = "Runs are recorded by: vww-deploy run PICTURES"
                raise StoreError(f"there is no run store at {self.path}", hint=hint)
            mode = "rwc" if create else "rw"
            self._db = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None
            )
        try:
            with self._guard():
                self._db.execute("PRAGMA foreign_keys = ON")
                self._migrate()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Everything recorded is in it already."""
        self._db.close()

    # -- writing ----------------------------------------------------------------------------------------------------

    def begin(self, header: RunHeader, pictures: Sequence[Picture] = ()) -> RunWriter:
        """Start a run over known pictures; a live session has none and adds each with its result."""
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO runs (started, state, header) VALUES (?, 'running', ?)", (_now(), header.to_json())
            )
            run = cast(int, cursor.lastrowid)
            self._db.executemany(
                "INSERT INTO pictures (run, position, path, truth) VALUES (?, ?, ?, ?)",
                ((run, position, shown(picture.path), picture.truth) for position, picture in enumerate(pictures)),
            )
        return RunWriter(self, run, header)

    def resume(self, run: int) -> tuple[RunWriter, dict[int, Picture]]:
        """Continue a run.

        Its writer, and the pictures by position that have neither a result nor a reason to be skipped.
        """
        header = self.run(run).header
        with self._guard():
            rows = self._db.execute(
                """SELECT position, path, truth FROM pictures WHERE run = ? AND skipped IS NULL
                   AND NOT EXISTS (SELECT 1 FROM results r WHERE r.run = pictures.run AND r.position =
                   pictures.position) ORDER BY position""",
                (run,),
            ).fetchall()
        with self._transaction():
            self._db.execute("UPDATE runs SET state = 'running', finished = NULL, note = '' WHERE id = ?", (run,))
        with self._guard():
            left = {}
            for position, path, truth in rows:
                untrusted.check_numbers(truth=truth)
                left[position] = untrusted.checked(Picture, {"path": meant(path), "truth": truth})
        return RunWriter(self, run, header), left

    def delete(self, run: int) -> None:
        """Remove a run and everything in it."""
        self.run(run)
        with self._transaction():
            self._db.execute("DELETE FROM runs WHERE id = ?", (run,))

    # -- reading ----------------------------------------------------------------------------------------------------

    def runs(self) -> list[RunSummary]:
        """All runs, the oldest first."""
        with self._guard():
            return [self._summary(row) for row in self._db.execute(f"{_SUMMARY} GROUP BY runs.id ORDER BY runs.id")]

    def run(self, run: int) -> RunSummary:
        """One run; StoreError if there is none of that number."""
        with self._guard():
            try:
                row = self._db.execute(f"{_SUMMARY} WHERE runs.id = ? GROUP BY runs.id", (run,)).fetchone()
            except OverflowError:  # larger than SQLite's integers
                row = None
            if row is None:
                raise StoreError(f"{self.path} has no run {run}", hint="vww-deploy runs list shows those it has.")
            return self._summary(row)

    def last(self) -> RunSummary | None:
        """The newest run, or None if there is none."""
        with self._guard():
            newest = self._db.execute("SELECT max(id) FROM runs").fetchone()[0]
        return None if newest is None else self.run(newest)

    def unfinished(self) -> RunSummary | None:
        """The newest run that ended, or was ended, with pictures left; None if there is none."""
        with self._guard():
            newest = self._db.execute(
                """SELECT max(p.run) FROM pictures p JOIN runs ON runs.id = p.run
                   LEFT JOIN results r ON r.run = p.run AND r.position = p.position
                   WHERE runs.state != 'complete' AND p.skipped IS NULL AND r.run IS NULL"""
            ).fetchone()[0]
        return None if newest is None else self.run(newest)

    def results(self, run: int) -> Iterator[StoredResult]:
        """The results of a run in the pictures' order."""
        with self._guard():
            cursor = self._db.execute(f"{_RESULTS} WHERE r.run = ? ORDER BY r.position", (run,))
            for row in cursor:
                yield _result(row)

    def skipped(self, run: int) -> list[StoredSkip]:
        """The pictures of a run that could not be used."""
        with self._guard():
            rows = self._db.execute(
                "SELECT position, path, skipped FROM pictures WHERE run = ? AND skipped IS NOT NULL ORDER BY position",
                (run,),
            )
            names = ("position", "path", "reason")
            return [untrusted.checked(StoredSkip, dict(zip(names, row, strict=True))) for row in rows]

    # -- inside -----------------------------------------------------------------------------------------------------

    def _migrate(self) -> None:
        self._db.execute("BEGIN")  # read as of one moment: another process may be making the store
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        self._db.execute("COMMIT")
        if application != _APPLICATION_ID and (tables or version):
            raise StoreError(f"{self.path} is an SQLite file, but no run store", hint="Name another file with --store.")
        if version > len(_MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by a newer vww-deploy (schema {version}, this one knows {len(_MIGRATIONS)})",
                hint="Install the newer vww-deploy.",
            )
        if version == len(_MIGRATIONS):
            untrusted.check_schema(self._db, "".join(_MIGRATIONS))
            return
        if version:
            untrusted.check_schema(self._db, "".join(_MIGRATIONS[:version]))
        try:
            self._take_steps()
        except StoreError as error:
            if not version or not _forbids_writing(error.__cause__):
                raise
            self._copy_to_memory()
            self._take_steps()
            self._db.execute("PRAGMA query_only = ON")  # what is written to the copy would be lost

    def _take_steps(self) -> None:
        with self._transaction():
            # Read again: another process may have been here first.
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            for step in _MIGRATIONS[version:]:
                for statement in filter(str.strip, step.split(";")):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")

    def _copy_to_memory(self) -> None:
        copy = sqlite3.connect(":memory:", isolation_level=None)
        self._db.backup(copy)
        self._db.close()
        self._db = copy

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """SQLite's and the file system's errors, and values that make no sense, as StoreError with what to do."""
        try:
            yield
        except (sqlite3.Error, OSError, *_DAMAGED) as error:
            raise _explained(self.path, error) from error

    @staticmethod
    def _summary(row: tuple[Any, ...]) -> RunSummary:
        values = dict(zip(RunSummary.__dataclass_fields__, row, strict=True))
        summary = untrusted.checked(RunSummary, values | {"header": RunHeader.from_json(values["header"])})
        for time in filter(None, (summary.started, summary.finished)):
            datetime.fromisoformat(time)
        return summary


class RunWriter:
    """Records one run; made by :meth:`Store.begin` and :meth:`Store.resume`."""

    def __init__(self, store: Store, run: int, header: RunHeader) -> None:
        self._store = store
        self.run: Final = run
        self.header: Final = header

    def add(self, picture: Picture) -> int:
        """A picture that was not known when the run began (a camera's); its position."""
        with self._store._transaction():
            (position,) = self._store._db.execute(
                "SELECT coalesce(max(position) + 1, 0) FROM pictures WHERE run = ?", (self.run,)
            ).fetchone()
            self._store._db.execute(
                "INSERT INTO pictures (run, position, path, truth) VALUES (?, ?, ?, ?)",
                (self.run, position, shown(picture.path), picture.truth),
            )
        return cast(int, position)

    def record(self, result: StoredResult) -> None:
        """Write a result; on disk when this returns."""
        with self._store._transaction():
            self._insert(result)

    def record_shard(self, results: Sequence[StoredResult], skipped: Sequence[StoredSkip] = ()) -> None:
        """Write what a part of the run gave, all of it or nothing; on disk when this returns.

        A result that is there already is left as it is, if it says the same.

        Raises:
            StoreError: it says something else, and nothing of the shard is written; or the file cannot be written.
        """
        with self._store._transaction():
            for result in results:
                there = self._store._db.execute(
                    f"{_RESULTS} WHERE r.run = ? AND r.position = ?", (self.run, result.inference.number)
                ).fetchone()
                if there is None:
                    self._insert(result)
                elif not (first := _result(there)).says_the_same(result):
                    boards = [one.board_serial or "a board" for one in (first, result)]
                    raise StoreError(
                        f"picture {result.inference.number} of run {self.run} came twice with different results: "
                        f"{list(first.inference.outputs)} from {boards[0]}, "
                        f"{list(result.inference.outputs)} from {boards[1]}",
                        hint="The first one is kept. One of the two boards is at fault: vww-deploy verify checks each.",
                    )
            for one in skipped:
                self._skip(one.position, one.reason)

    def _insert(self, result: StoredResult) -> None:
        made = result.inference
        self._store._db.execute(
            "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.run,
                made.number,
                time_text(made.at),
                result.sha256,
                _to_bytes(made.outputs),
                int(made.p_person >= self.header.peer.threshold),
                made.p_person,
                made.latency_us,
                made.ticks,
                made.retries,
                None if made.reference is None else _to_bytes(made.reference),
                result.board_serial,
            ),
        )

    def skip(self, position: int, reason: str) -> None:
        """Write that a picture could not be used."""
        with self._store._transaction():
            self._skip(position, reason)

    def _skip(self, position: int, reason: str) -> None:
        self._store._db.execute(
            "UPDATE pictures SET skipped = ? WHERE run = ? AND position = ?", (shown(reason), self.run, position)
        )

    def finish(self, state: State, note: str = "") -> None:
        """Write how the run ended."""
        with self._store._transaction():
            self._store._db.execute(
                "UPDATE runs SET state = ?, note = ?, finished = ? WHERE id = ?", (state, note, _now(), self.run)
            )


_RESULTS: Final = """
    SELECT p.path, p.truth, r.sha256, r.label, r.board_serial, r.at, r.position, r.p_person, r.latency_us, r.ticks,
           r.retries, r.outputs, r.reference
    FROM results r JOIN pictures p USING (run, position)
"""


def _result(row: tuple[Any, ...]) -> StoredResult:
    path, truth, sha256, label, board_serial, at, number, p_person, latency_us, ticks, retries, *values = row
    outputs, reference = (None if one is None else _from_bytes(one) for one in values)
    untrusted.check_numbers(truth=truth, label=label, p_person=p_person)
    moment = datetime.fromisoformat(at)
    known_at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= known_at <= untrusted.LATEST:
        raise ValueError(f"a result at {at}")
    inference = {
        "number": number,
        "p_person": p_person,
        "latency_us": latency_us,
        "ticks": ticks,
        "retries": retries,
        "outputs": outputs,
        "reference": reference,
        "at": known_at,
    }
    said = {
        "path": path,
        "truth": truth,
        "sha256": sha256,
        "inference": untrusted.checked(Inference, inference),
        "board_serial": board_serial,
    }
    return untrusted.checked(StoredResult, said)


def _to_bytes(values: tuple[int, ...]) -> bytes:
    return np.array(values, np.int8).tobytes()


def _from_bytes(data: bytes) -> tuple[int, ...]:
    return tuple(np.frombuffer(data, np.int8).tolist())


def time_text(at: float) -> str:
    """ISO 8601, UTC, to the millisecond; ``at`` is seconds since 1970."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def default_path() -> Path:
    """The user's own run store."""
    return resources.state_dir() / "runs.sqlite"


_SUMMARY: Final = """
    SELECT runs.id, started, finished, state, note, header, count(p.position), count(r.position), count(p.skipped),
           coalesce(sum(r.outputs = r.reference), 0), count(r.reference)
    FROM runs LEFT JOIN pictures p ON p.run = runs.id LEFT JOIN results r ON r.run = p.run AND r.position = p.position
"""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _forbids_writing(error: BaseException | None) -> bool:
    """Whether it is the file that cannot be written, or the folder that takes no journal beside it."""
    code = error.sqlite_errorcode if isinstance(error, sqlite3.OperationalError) else 0
    return code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def _explained(path: Path, error: Exception) -> StoreError:
    text = str(error)
    message = f"the run store {path} cannot be used: {text}"
    if "full" in text or "No space" in text:
        hint = "The disk is full: free some space, then continue with: vww-deploy run --resume"
    elif "readonly" in text or "Read-only" in text or "ermission" in text:
        hint = "It cannot be written there: name another place with --store FILE."
    elif "unable to open" in text or isinstance(error, OSError):
        hint = "Does the folder exist, and may you write there? --store FILE names another place."
    elif "locked" in text or "busy" in text:
        hint = "Another program has been writing to it for long: stop that one first."
    elif isinstance(error, sqlite3.IntegrityError):
        message = f"the run store {path} has that picture's result already"
        hint = "Is another vww-deploy continuing the same run?"
    elif "not a database" in text or "malformed" in text or isinstance(error, _DAMAGED):
        hint = "It is damaged or no run store: move it away, or name another with --store FILE."
    else:
        hint = "--store FILE names another place."
    return StoreError(message, hint=hint)
