"""Runs as CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import pytest

from tests.unit.runs.test_store import HEADER, PICTURES, result
from vww_deploy.errors import StoreError
from vww_deploy.files import JSON_SCHEMA
from vww_deploy.pictures.outputs import OutputSpec
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
    assert values["schema"] == JSON_SCHEMA and "header" not in values
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


def test_the_answers_of_many_classes_and_of_a_map_are_in_the_table(tmp_path: Path) -> None:
    three = OutputSpec(("cat", "cup", "dog"), 1, channels=3, scale=1 / 256, zero_point=-128)
    cups = OutputSpec(("background", "cup"), 1, rows=1, columns=3, scale=1 / 256, zero_point=-128)
    with Store(tmp_path / "runs.sqlite") as store:
        for outputs, values in ((three, (64, 0, -64)), (cups, (127, -128, -64, 64, 0, 0))):
            peer = dataclasses.replace(HEADER.peer, outputs=outputs, threshold=0.5)
            writer = store.begin(dataclasses.replace(HEADER, peer=peer), PICTURES)
            writer.record(result(0, outputs=values, p_person=0.5))
        export(store, 1, tmp_path / "1.csv")
        export(store, 2, tmp_path / "2.csv")
        export(store, 2, tmp_path / "2.json")
    (first,), (second,) = (list(csv.DictReader((tmp_path / f"{run}.csv").open(newline=""))) for run in (1, 2))
    assert (first["prediction"], first["top"], first["cells"]) == ("cup", "cat 0.7500; cup 0.5000; dog 0.2500", "")
    assert (second["prediction"], second["cells"]) == ("cup", "0 1 0.7500; 0 2 0.5000")
    (whole,) = json.loads((tmp_path / "2.json").read_text())["results"]
    assert whole["cells"][0] == {"row": 0, "column": 1, "probability": 0.75}
    assert whole["top"] == [["background", 255 / 256], ["cup", 0.75]]
