"""A finished run, from the run store or from a recording, as reports and comparisons need it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from vww_deploy.errors import DataError, StoreError
from vww_deploy.files import meant
from vww_deploy.link.inference import Inference
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.cells import outlined
from vww_deploy.pictures.gather import thumbnail
from vww_deploy.runs.recording import Recording, is_recording
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.store import Store, time_text
from vww_deploy.session.events import Connection, LayerTimes, Peer, Pixels, ShownPicture, Skipped

_PREVIEW_SIDE = 192  # pixels of a preview's longer side
_RUN_DIGITS = 18  # of a run's number; Python refuses to read some thousand


@dataclass(frozen=True, eq=False)
class RunData:
    """All of a run.

    Attributes:
        title: ``run 3`` or the recording's name.
        board: what it ran on.
        started: ISO 8601, UTC; empty if not known.
        state: ``complete``, ``interrupted``, ... or ``recording``.
        entries: in their order.
        preview: a small picture of an entry, for a map of cells what the model saw of it; None if it is no longer where
            it was, or another one is there.
        skipped: name and reason of each picture that could not be used.
        layers: name and ticks of each.
        firmware_sha256: of the flashed image; empty if not known.
    """

    title: str
    board: Peer
    started: str
    state: str
    entries: list[StoredResult]
    preview: Callable[[StoredResult], Pixels | None]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    layers: tuple[tuple[str, int], ...] = ()
    firmware_sha256: str = ""

    def person(self, entry: StoredResult) -> bool:
        """Whether an entry counts as one with a person, by the run's own threshold."""
        return entry.inference.p_person >= self.board.threshold

    def prediction(self, entry: StoredResult) -> str:
        """The label that an entry's outputs amount to."""
        return self.board.outputs.prediction(entry.inference.p_person, entry.inference.outputs, self.board.threshold)

    def detail(self, entry: StoredResult) -> str:
        """What there is to say beside it: the likeliest classes, or which cells of a map it is in."""
        return self.board.outputs.detail(entry.inference.outputs, self.board.threshold)

    def drawn(self, entry: StoredResult) -> Pixels | None:
        """The preview, with the cells of a map that reach the threshold."""
        pixels, outputs = self.preview(entry), self.board.outputs
        if pixels is None:
            return None
        cells = outputs.cells(entry.inference.outputs, self.board.threshold)
        return outlined(pixels, outputs.rows, outputs.columns, cells)

    @property
    def labelled(self) -> list[StoredResult]:
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
    crop = header.crop if header.peer.outputs.is_map else None  # else the whole picture says more
    return RunData(
        title=f"run {run}",
        board=header.peer,
        started=summary.started,
        state=summary.state,
        entries=list(store.results(run)),
        preview=partial(_file_preview, crop=crop),
        skipped=[(skipped.path, skipped.reason) for skipped in store.skipped(run)],
        layers=header.layers,
        firmware_sha256=header.firmware_sha256,
    )


def _from_recording(path: Path) -> RunData:
    board: Peer | None = None
    layers: tuple[tuple[str, int], ...] = ()
    places: dict[StoredResult, int] = {}  # where its picture is in the recording
    entries: list[StoredResult] = []
    skipped: list[tuple[str, str]] = []
    shown: tuple[int, ShownPicture] | None = None
    started = ""
    with Recording(path) as recording:
        for recorded in recording.events():
            match recorded.event:
                case Connection(board=Peer() as peer):
                    board = peer
                    started = started or time_text(recorded.event.at)
                case LayerTimes():
                    layers = recorded.event.layers
                case Skipped():
                    skipped.append((recorded.event.source, recorded.event.reason))
                case ShownPicture():
                    shown = recorded.id, recorded.event
                case Inference() if shown is not None and shown[1].number == recorded.event.number:
                    place, picture = shown
                    # A camera's picture is no file: it is known by what the model saw.
                    sha256 = picture.sha256 or hashlib.sha256(picture.pixels.tobytes()).hexdigest()
                    result = replace(StoredResult.of(picture, recorded.event), sha256=sha256)
                    places[result] = place
                    entries.append(result)
    if board is None:
        raise DataError(f"{path.name} holds no results: no board was ever connected")
    is_map = board.outputs.is_map

    def preview(entry: StoredResult) -> Pixels | None:
        """Read again when it is needed: a recording of an hour does not fit into memory.

        Cells are of what the model saw, which may be a part of what the camera gave.
        """
        with Recording(path) as again:
            event = next(again.events(places[entry] - 1)).event
        assert isinstance(event, ShownPicture)
        return event.raw if event.raw is not None and not is_map else event.pixels

    return RunData(path.name, board, started, "recording", entries, preview, skipped, layers)


def _file_preview(entry: StoredResult, crop: tuple[int, int] | None) -> Pixels | None:
    path = Path(meant(entry.path))
    try:
        data = preprocess.read_picture_file(path)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            return None
        pixels = thumbnail(preprocess.open_picture(data, str(path)), _PREVIEW_SIDE)
        return pixels if crop is None else preprocess.centre_crop(pixels, *crop)
    except DataError:
        return None
