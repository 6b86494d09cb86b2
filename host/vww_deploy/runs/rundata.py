"""A finished run, from the run store or from a recording, as reports and comparisons need it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from vww_deploy.errors import DataError, StoreError
from vww_deploy.files import meant
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.cells import outlined
from vww_deploy.pictures.gather import thumbnail
from vww_deploy.runs.recording import Recording, is_recording
from vww_deploy.runs.store import Store
from vww_deploy.session.events import BoardInfo, Connection, LayerTimes, Pixels, Prediction, ShownPicture, Skipped

_PREVIEW_SIDE = 192  # pixels of a preview's longer side
_RUN_DIGITS = 18  # of a run's number; Python refuses to read some thousand


@dataclass(frozen=True, eq=False)
class Entry:
    """One result.

    Attributes:
        number: position in the run.
        name: file or camera.
        sha256: of the picture; what makes two runs' entries the same picture.
        truth: 1 person, 0 none, None if not known.
        p_person: 0..1.
        latency_us: of the inference; None where the board counts instructions.
        ticks: the same in the board's clock unit.
        retries: messages sent again.
        at: seconds since 1970.
        outputs: int8, as the device sent them.
        equal: whether the host reference gave the same outputs; None if it did not run.
        preview: a small picture of it, for a map of cells what the model saw of it; None if it is no longer where it
            was, or another one is there.
    """

    number: int
    name: str
    sha256: str
    truth: int | None
    p_person: float
    latency_us: int | None
    ticks: int
    retries: int
    at: float
    outputs: tuple[int, ...]
    equal: bool | None
    preview: Callable[[], Pixels | None]


@dataclass(frozen=True, eq=False)
class RunData:
    """All of a run.

    Attributes:
        title: ``run 3`` or the recording's name.
        board: what it ran on.
        started: ISO 8601, UTC; empty if not known.
        state: ``complete``, ``interrupted``, ... or ``recording``.
        entries: in their order.
        skipped: name and reason of each picture that could not be used.
        layers: name and ticks of each.
        firmware_sha256: of the flashed image; empty if not known.
    """

    title: str
    board: BoardInfo
    started: str
    state: str
    entries: list[Entry]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    layers: tuple[tuple[str, int], ...] = ()
    firmware_sha256: str = ""

    def person(self, entry: Entry) -> bool:
        """Whether an entry counts as one with a person, by the run's own threshold."""
        return entry.p_person >= self.board.threshold

    def prediction(self, entry: Entry) -> str:
        """The label that an entry's outputs amount to."""
        return self.board.outputs.prediction(entry.p_person, entry.outputs, self.board.threshold)

    def detail(self, entry: Entry) -> str:
        """What there is to say beside it: the likeliest classes, or which cells of a map it is in."""
        return self.board.outputs.detail(entry.outputs, self.board.threshold)

    def drawn(self, entry: Entry) -> Pixels | None:
        """The preview, with the cells of a map that reach the threshold."""
        pixels, outputs = entry.preview(), self.board.outputs
        if pixels is None:
            return None
        return outlined(pixels, outputs.rows, outputs.columns, outputs.cells(entry.outputs, self.board.threshold))

    @property
    def labelled(self) -> list[Entry]:
        """The entries whose truth is known; none if nobody knows which output is a person."""
        known = self.board.outputs.person is not None
        return [entry for entry in self.entries if known and entry.truth is not None]


def load_run(which: str, store: Path | None = None) -> RunData:
    """A run by its number in the store, or a recording by its path.

    Raises:
        StoreError: there is no such run or recording, or it cannot be read.
        DataError: it holds no results.
    """
    path = Path(which)
    if is_recording(path):
        data = _from_recording(path)
    elif which.isdecimal() and len(which) <= _RUN_DIGITS:
        with Store(store, create=False) as opened:
            data = _from_store(opened, int(which))
    else:
        raise StoreError(
            f"{which} is neither the number of a run nor a recording",
            hint="vww-deploy runs list shows the runs; recordings are made by: vww-deploy monitor --record FILE",
        )
    if not data.entries:
        raise DataError(f"{data.title} holds no results")
    return data


def _from_store(store: Store, run: int) -> RunData:
    summary = store.run(run)
    header = summary.header
    crop = header.crop if header.outputs.is_map else None  # else the whole picture says more
    entries = [
        Entry(
            number=result.position,
            name=result.path,
            sha256=result.sha256,
            truth=result.truth,
            p_person=result.p_person,
            latency_us=result.latency_us,
            ticks=result.ticks,
            retries=result.retries,
            at=_seconds(result.at),
            outputs=tuple(result.outputs.tolist()),
            equal=result.equal,
            preview=partial(_file_preview, Path(meant(result.path)), result.sha256, crop),
        )
        for result in store.results(run)
    ]
    board = BoardInfo(
        board=header.board,
        port=header.port,
        firmware=header.firmware_version,
        model=header.model,
        model_sha256=header.model_sha256,
        outputs=header.outputs,
        threshold=header.threshold,
        clock=header.clock,
        clock_hz=header.clock_hz,
        height=0,
        width=0,
        channels=0,
    )
    return RunData(
        title=f"run {run}",
        board=board,
        started=summary.started,
        state=summary.state,
        entries=entries,
        skipped=[(skipped.path, skipped.reason) for skipped in store.skipped(run)],
        layers=header.layers,
        firmware_sha256=header.firmware_sha256,
    )


def _from_recording(path: Path) -> RunData:
    board: BoardInfo | None = None
    layers: tuple[tuple[str, int], ...] = ()
    entries: list[Entry] = []
    skipped: list[tuple[str, str]] = []
    frame: tuple[int, ShownPicture] | None = None
    started = ""
    with Recording(path) as recording:
        for recorded in recording.events():
            match recorded.event:
                case Connection(board=BoardInfo() as told):
                    board = told
                    started = started or _iso(recorded.event.at)
                case LayerTimes():
                    layers = recorded.event.layers
                case Skipped():
                    skipped.append((recorded.event.source, recorded.event.reason))
                case ShownPicture():
                    frame = recorded.id, recorded.event
                case Prediction() if frame is not None and frame[1].number == recorded.event.number:
                    is_map = board is not None and board.outputs.is_map
                    entries.append(_recorded_entry(path, *frame, recorded.event, is_map))
    if board is None:
        raise DataError(f"{path.name} holds no results: no board was ever connected")
    return RunData(path.name, board, started, "recording", entries, skipped, layers)


def _recorded_entry(path: Path, id: int, frame: ShownPicture, result: Prediction, is_map: bool) -> Entry:
    return Entry(
        number=frame.number,
        name=frame.source,
        sha256=frame.sha256 or hashlib.sha256(frame.pixels.tobytes()).hexdigest(),
        truth=frame.truth,
        p_person=result.p_person,
        latency_us=result.latency_us,
        ticks=result.ticks,
        retries=result.retries,
        at=result.at,
        outputs=result.outputs,
        equal=None if result.reference is None else result.reference == result.outputs,
        preview=partial(_recorded_preview, path, id, is_map),
    )


def _recorded_preview(path: Path, id: int, is_map: bool) -> Pixels | None:
    """Read again when it is needed: a recording of an hour does not fit into memory.

    Cells are of what the model saw, which may be a part of what the camera gave.
    """
    with Recording(path) as recording:
        event = next(recording.events(id - 1)).event
    assert isinstance(event, ShownPicture)
    return event.raw if event.raw is not None and not is_map else event.pixels


def _file_preview(path: Path, sha256: str, crop: tuple[int, int] | None) -> Pixels | None:
    try:
        data = preprocess.read_picture_file(path)
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        pixels = thumbnail(preprocess.open_picture(data, str(path)), _PREVIEW_SIDE)
        return pixels if crop is None else preprocess.centre_crop(pixels, *crop)
    except DataError:
        return None


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
