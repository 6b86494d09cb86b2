"""A run as a table that other programs read: CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from vww_deploy.errors import StoreError
from vww_deploy.files import write_whole
from vww_deploy.runs.store import RunSummary, Store, StoredResult
from vww_deploy.session.latency import ESTIMATE_BOARD, estimate
from vww_deploy.spread import Spread

COLUMNS: Final = (
    "position",
    "path",
    "sha256",
    "truth",
    "label",
    "p_person",
    "outputs",
    "reference",
    "equal",
    "latency_us",
    "ticks",
    "retries",
    "at",
    "board_serial",
)
"""Of the CSV, in order; ``outputs`` and ``reference`` are int8 values with spaces between."""


def run_to_json(store: Store, run: int, estimate_for: str = ESTIMATE_BOARD) -> dict[str, Any]:
    """A whole run as JSON values: the summary, every result, every skipped picture.

    ``estimate`` is what the median of counted instructions would take on the board ``estimate_for``; None where the
    board measured time itself.
    """
    summary = store.run(run)
    results = list(store.results(run))
    counted = [result.ticks for result in results if result.latency_us is None]
    made = estimate(Spread.of(counted).median, estimate_for) if counted else None
    return {
        **summary_to_json(summary),
        "estimate": None if made is None else asdict(made),
        "results": [_result_to_json(result) for result in results],
        "skipped_pictures": [asdict(skipped) for skipped in store.skipped(run)],
    }


def summary_to_json(summary: RunSummary) -> dict[str, Any]:
    """A run's header and counts as JSON values."""
    values = asdict(summary)
    header = values.pop("header")
    return {**values, **header}


def export(store: Store, run: int, path: Path) -> None:
    """Write a run to ``path``: CSV if it ends in ``.csv``, else JSON.

    Raises:
        StoreError: there is no such run, or the file cannot be written.
    """
    store.run(run)  # says when there is none
    try:
        if path.suffix.lower() == ".csv":
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, COLUMNS)
            writer.writeheader()
            for result in store.results(run):
                row = _result_to_json(result)
                for name in ("outputs", "reference"):
                    row[name] = None if row[name] is None else " ".join(map(str, row[name]))
                writer.writerow(row)
            write_whole(path, text.getvalue().encode())
        else:
            write_whole(path, (json.dumps(run_to_json(store, run), indent=2) + "\n").encode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error


def _result_to_json(result: StoredResult) -> dict[str, Any]:
    values = {name: getattr(result, name) for name in COLUMNS}
    values["outputs"] = result.outputs.tolist()
    values["reference"] = None if result.reference is None else result.reference.tolist()
    return values
