"""A run as a table that other programs read: CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from vww_deploy.errors import StoreError
from vww_deploy.files import JSON_SCHEMA, write_whole
from vww_deploy.pictures.outputs import Cell, OutputSpec
from vww_deploy.runs.compare import Comparison
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.store import RunSummary, State, Store, StoredSkip, time_text
from vww_deploy.session.events import Peer
from vww_deploy.session.latency import ESTIMATE_BOARD, Estimate, estimate
from vww_deploy.spread import Spread


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run: its header, its state and its counts.

    Attributes:
        board: catalogue name.
        port: device path or URL.
        model: name of the model.
        model_sha256: of the ``.tflite`` file.
        firmware_version: as the device reports it.
        outputs: what the model's outputs mean.
        threshold: P(person) from which a picture counts as one with a person.
        clock: unit of ``ticks``: ``instructions``, ``cycles`` or ``micros``.
        clock_hz: ticks a second.
        model_path: where the model was read from, so that ``--resume`` finds it again.
        firmware_sha256: of the image that was flashed; empty if it was not flashed by this machine.
        protocol: version of the link's protocol.
        reference: whether the host reference ran beside the board.
        raw_camera: the camera format that the pictures were sent in, for the board to preprocess, as
            ``176x144:gray``; empty if the host preprocessed them.
        crop: height and width of the shape that the model's card crops pictures to; None if it takes the whole picture.
        layers: name and ticks of each layer, measured once at the beginning; empty if the firmware times none.
        id: its number in the store.
        started: UTC, ISO 8601.
        finished: likewise; None while it runs.
        state: ``running``, ``complete``, ``interrupted`` or ``failed``.
        note: the user's.
        pictures: how many it has.
        skipped: how many could not be used.
        compared: how many results the reference ran beside.
        equal: how many of these are the reference's.
    """

    board: str
    port: str
    model: str
    model_sha256: str
    firmware_version: str
    outputs: OutputSpec
    threshold: float
    clock: str
    clock_hz: int
    model_path: str
    firmware_sha256: str
    protocol: int
    reference: bool
    raw_camera: str
    crop: tuple[int, int] | None
    layers: tuple[tuple[str, int], ...]
    id: int
    started: str
    finished: str | None
    state: State
    note: str
    pictures: int
    skipped: int
    compared: int
    equal: int


@dataclass(frozen=True, kw_only=True)
class ListedRun(RunRow):
    """A run in ``runs list``.

    Attributes:
        results: how many pictures were answered.
    """

    results: int


@dataclass(frozen=True)
class ExportedResult:
    """One picture's inference, and what it means."""

    position: int
    """Of the picture in the run, from 0."""
    path: str
    sha256: str
    """Of the picture file."""
    truth: int | None
    """1 person, 0 none, null if nobody has said."""
    label: int
    """1 if P(person) reached the run's threshold."""
    p_person: float
    prediction: str
    """The label of the answer."""
    top: list[tuple[str, float]]
    """The likeliest classes, with their probabilities."""
    cells: list[Cell]
    """Those of a map that reach the threshold."""
    outputs: list[int]
    reference: list[int] | None
    equal: bool | None
    """Whether both are the same; None without a reference."""
    latency_us: int | None
    ticks: int
    retries: int
    at: str
    board_serial: str


COLUMNS: Final = tuple(field.name for field in fields(ExportedResult))
"""Of the CSV, in order; ``outputs`` and ``reference`` are int8 values with spaces between, ``top`` is classes with
their probabilities and ``cells`` rows, columns and probabilities, with semicolons between."""


@dataclass(frozen=True, kw_only=True)
class ExportedRun(RunRow):
    """A whole run.

    Attributes:
        estimate: of the median, where the board counts instructions; else None.
        results: in the order of the pictures.
        skipped_pictures: and why.
    """

    estimate: Estimate | None
    results: list[ExportedResult]
    skipped_pictures: list[StoredSkip]


@dataclass(frozen=True, kw_only=True)
class ExportedComparison(Comparison):
    """A comparison, with estimates for a real board where a board counted instructions.

    Attributes:
        estimate_before: of the first run's median.
        estimate_after: of the second run's median.
    """

    estimate_before: Estimate | None
    estimate_after: Estimate | None


def listed(summary: RunSummary) -> ListedRun:
    """A run for ``runs list``."""
    return ListedRun(**_row(summary), results=summary.results)


def exported(store: Store, run: int, estimate_for: str = ESTIMATE_BOARD) -> ExportedRun:
    """A whole run; estimates are for the board ``estimate_for``.

    Raises:
        StoreError: there is no such run.
    """
    summary = store.run(run)
    results = [_result(result, summary.header.peer) for result in store.results(run)]
    counted = [result.ticks for result in results if result.latency_us is None]
    return ExportedRun(
        **_row(summary),
        estimate=estimate(Spread.of(counted).median, estimate_for) if counted else None,
        results=results,
        skipped_pictures=store.skipped(run),
    )


def exported_comparison(found: Comparison, estimate_for: str = ESTIMATE_BOARD) -> ExportedComparison:
    """A comparison; estimates are for the board ``estimate_for``."""
    before, after = (
        estimate(ticks, estimate_for) if measured is None else None
        for ticks, measured in (
            (found.median_before_ticks, found.median_before_us),
            (found.median_after_ticks, found.median_after_us),
        )
    )
    return ExportedComparison(**vars(found), estimate_before=before, estimate_after=after)


def export(store: Store, run: int, path: Path) -> None:
    """Write a run to ``path``: CSV if it ends in ``.csv``, else JSON.

    Raises:
        StoreError: there is no such run, or the file cannot be written.
    """
    peer = store.run(run).header.peer
    try:
        if path.suffix.lower() == ".csv":
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, COLUMNS)
            writer.writeheader()
            for result in store.results(run):
                row = asdict(_result(result, peer))
                row["top"] = "; ".join(f"{label} {chance:.4f}" for label, chance in row["top"])
                row["cells"] = "; ".join(f"{c['row']} {c['column']} {c['probability']:.4f}" for c in row["cells"])
                for name in ("outputs", "reference"):
                    row[name] = None if row[name] is None else " ".join(map(str, row[name]))
                writer.writerow(row)
            write_whole(path, text.getvalue().encode())
        else:
            write_whole(
                path, (json.dumps({"schema": JSON_SCHEMA, **asdict(exported(store, run))}, indent=2) + "\n").encode()
            )
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error


def _row(summary: RunSummary) -> dict[str, Any]:
    own = {name: value for name, value in vars(summary).items() if name not in ("header", "results")}
    return {**summary.header.values(), **own}


def _result(result: StoredResult, peer: Peer) -> ExportedResult:
    made, outputs = result.inference, peer.outputs
    return ExportedResult(
        position=made.number,
        path=result.path,
        sha256=result.sha256,
        truth=result.truth,
        label=int(made.p_person >= peer.threshold),
        p_person=made.p_person,
        prediction=outputs.prediction(made.p_person, made.outputs, peer.threshold),
        top=list(outputs.top(made.outputs)),
        cells=list(outputs.cells(made.outputs, peer.threshold)),
        outputs=list(made.outputs),
        reference=None if made.reference is None else list(made.reference),
        equal=made.equal,
        latency_us=made.latency_us,
        ticks=made.ticks,
        retries=made.retries,
        at=time_text(made.at),
        board_serial=result.board_serial,
    )
