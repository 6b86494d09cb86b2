"""A run as a table that other programs read: CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from vww_deploy.errors import StoreError
from vww_deploy.files import write_whole
from vww_deploy.pictures.outputs import Cell
from vww_deploy.runs.compare import Comparison
from vww_deploy.runs.store import RunHeader, RunSummary, State, Store, StoredResult, StoredSkip
from vww_deploy.session.latency import ESTIMATE_BOARD, Estimate, estimate
from vww_deploy.spread import Spread


@dataclass(frozen=True, kw_only=True)
class RunRow(RunHeader):
    """A run: its header, its state and its counts.

    Attributes:
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
    """One picture's inference; fields as those of :class:`~vww_deploy.runs.store.StoredResult`, and what they mean."""

    position: int
    path: str
    sha256: str
    truth: int | None
    label: int
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

_MEANT: Final = ("prediction", "top", "cells")


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
    header = store.run(run).header
    results = [_result(result, header) for result in store.results(run)]
    counted = [result.ticks for result in results if result.latency_us is None]
    return ExportedRun(
        **_row(store.run(run)),
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
    header = store.run(run).header
    try:
        if path.suffix.lower() == ".csv":
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, COLUMNS)
            writer.writeheader()
            for result in store.results(run):
                row = asdict(_result(result, header))
                row["top"] = "; ".join(f"{label} {chance:.4f}" for label, chance in row["top"])
                row["cells"] = "; ".join(f"{c['row']} {c['column']} {c['probability']:.4f}" for c in row["cells"])
                for name in ("outputs", "reference"):
                    row[name] = None if row[name] is None else " ".join(map(str, row[name]))
                writer.writerow(row)
            write_whole(path, text.getvalue().encode())
        else:
            write_whole(path, (json.dumps(asdict(exported(store, run)), indent=2) + "\n").encode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error


def _row(summary: RunSummary) -> dict[str, Any]:
    own = {name: value for name, value in vars(summary).items() if name not in ("header", "results")}
    return {**vars(summary.header), **own}


def _result(result: StoredResult, header: RunHeader) -> ExportedResult:
    outputs = header.outputs
    values: dict[str, Any] = {name: getattr(result, name) for name in COLUMNS if name not in _MEANT}
    values["prediction"] = outputs.prediction(result.p_person, result.outputs, header.threshold)
    values["top"] = list(outputs.top(result.outputs))
    values["cells"] = list(outputs.cells(result.outputs, header.threshold))
    values["outputs"] = result.outputs.tolist()
    values["reference"] = None if result.reference is None else result.reference.tolist()
    return ExportedResult(**values)
