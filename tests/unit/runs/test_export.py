"""Runs as CSV and JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.unit.runs.test_store import HEADER, PICTURES, result
from vww_deploy.errors import StoreError
from vww_deploy.runs.export import COLUMNS, export
from vww_deploy.runs.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "runs.sqlite")
    writer = store.begin(HEADER, PICTURES)
    writer.record(result(0))
    writer.record(result(2, reference=None))
    writer.skip(1, "b.png is empty (0 bytes)")
    writer.finish("complete")
    return store


def test_json_holds_everything(store: Store, tmp_path: Path) -> None:
    export(store, 1, tmp_path / "run.json")
    values = json.loads((tmp_path / "run.json").read_text())
    assert (values["board"], values["model_sha256"], values["state"]) == ("virtual", "ab" * 32, "complete")
    assert "header" not in values
    assert values["results"][0]["outputs"] == [-100, 99]
    assert values["results"][0]["equal"] is True
    assert values["results"][1]["reference"] is None
    assert values["skipped_pictures"] == [{"position": 1, "path": "b.png", "reason": "b.png is empty (0 bytes)"}]


def test_csv_has_a_line_for_each_result(store: Store, tmp_path: Path) -> None:
    export(store, 1, tmp_path / "run.csv")
    with (tmp_path / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["path"], row["outputs"], row["reference"]) for row in rows] == [
        ("a.png", "-100 99", "-100 99"),
        ("c.png", "-100 99", ""),
    ]


def test_what_cannot_be_written_is_said(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        export(store, 1, tmp_path / "no" / "run.csv")
    with pytest.raises(StoreError, match="no run 9"):
        export(store, 9, tmp_path / "run.csv")
    assert not (tmp_path / "run.csv").exists()
