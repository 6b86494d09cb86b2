"""``vww-deploy runs``: list, show, export, delete."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vww_deploy.cli import common
from vww_deploy.link.inference import Inference
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.store import RunHeader, Store
from vww_deploy.session.events import Peer

HEADER = RunHeader(Peer("virtual", "/dev/pts/1", "", "m", "ab" * 32, clock="instructions", clock_hz=10**9))


@pytest.fixture
def filled(cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    with Store(tmp_path / "state" / "runs.sqlite") as store:
        pictures = [Picture("person/[bold]a.png", 1), Picture("b.png", 0), Picture("broken.png"), Picture("c.png", 0)]
        writer = store.begin(HEADER, pictures)
        for position, (p_person, same) in {0: (0.9, True), 1: (0.8, False), 3: (0.1, True)}.items():
            outputs = (int(127 - 255 * p_person), int(255 * p_person - 128))
            reference = outputs if same else outputs[::-1]
            inference = Inference(position, p_person, None, 9_000_000 + position, position, outputs, reference)
            writer.record(StoredResult(pictures[position].path, pictures[position].truth, "00" * 32, inference))
        writer.skip(2, "broken.png is empty (0 bytes)")
        writer.finish("complete")
    return cli


def test_an_empty_store_says_how_to_fill_it(cli: Callable[..., Any]) -> None:
    for arguments in (("list",), ("show",), ("export",)):
        ran = cli("runs", *arguments)
        assert ran.code == 1
        assert "vww-deploy run PICTURES" in ran.err


def test_list(filled: Callable[..., Any]) -> None:
    ran = filled("runs", "list")
    assert ran.code == 0
    assert "2/3" in ran.out
    listed = json.loads(filled("runs", "list", "--json").out)
    assert listed["schema"] == 1
    (run,) = listed["runs"]
    assert (run["board"], run["results"], run["skipped"], run["equal"]) == ("virtual", 3, 1, 2)


def test_a_list_in_a_narrow_terminal_is_not_cut(filled: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common.out, "_width", 60)  # what COLUMNS was when the console was made
    shown = filled("runs", "list").out
    assert "complete" in shown and "3/4" in shown and "…" not in shown
    assert max(map(len, shown.splitlines())) <= 60


def test_show(filled: Callable[..., Any]) -> None:
    ran = filled("runs", "show")
    assert ran.code == 0
    for expected in (
        "[bold]a.png",
        "9,000,003",
        "DIFFERS",
        "broken.png is empty",
        "3 of 4 pictures, 1 skipped, 2 of 3 equal to the host reference, 4 retries",
        "min 9,000,000, median 9,000,001, p95 9,000,003 instructions",
        "top-1: 66.7% of 3 labelled pictures",
    ):
        assert expected in ran.out
    assert json.loads(filled("runs", "show", "1", "--json").out)["results"][0]["outputs"] == [-102, 101]


def test_export_and_delete(filled: Callable[..., Any], tmp_path: Path) -> None:
    assert filled("runs", "export", "1", "-o", tmp_path / "x.csv").code == 0
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 4
    ran = filled("runs", "export", "1", "-o", tmp_path / "x.csv")
    assert ran.code == 1 and "exists already" in ran.err  # it may be another run's
    assert filled("runs", "delete", "1").code == 0
    ran = filled("runs", "show", "1")
    assert ran.code == 1
    assert "has no run 1" in ran.err


@pytest.mark.parametrize("command", ["show", "delete", "export", "report"])
def test_a_number_that_no_run_has_is_said(filled: Callable[..., Any], command: str) -> None:
    ran = filled("runs", command, 10**17 if command == "report" else 2**63)
    assert ran.code == 1
    assert "has no run" in ran.err
    assert filled("runs", command, "9" * 5000).code in (1, 2)


@pytest.mark.parametrize(
    ("name", "value"), [("threshold", 10**400), ("layers", [["conv", 10**400]])], ids=["threshold", "layers"]
)
def test_numbers_that_no_computer_has_are_said(
    filled: Callable[..., Any], tmp_path: Path, name: str, value: object
) -> None:
    with sqlite3.connect(tmp_path / "state" / "runs.sqlite") as db:
        (header,) = db.execute("SELECT header FROM runs").fetchone()
        db.execute("UPDATE runs SET header = ?", (json.dumps({**json.loads(header), name: value}),))
    for arguments in (("list",), ("show",), ("report", "1"), ("compare", "1", "1")):
        ran = filled("runs", *arguments)
        assert ran.code == 1
        assert f": {name} = " in ran.err


def test_a_pipe_is_no_recording(cli: Callable[..., Any], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    ran = cli("runs", "report", tmp_path / "pipe")
    assert ran.code == 1
    assert "nor a recording" in ran.err


def test_a_store_of_somebody_else_commands_no_terminal(cli: Callable[..., Any], tmp_path: Path) -> None:
    with Store(tmp_path / "state" / "runs.sqlite") as store:
        header = RunHeader(Peer("b\x1b[2J", "p\x9b2J", "", "m\x07", "ab" * 32))
        writer = store.begin(header, [Picture("\x1b]0;title\x07a.png"), Picture("b.png")])
        writer.record(StoredResult("", None, "", Inference(0, 0.5, 1, 1, outputs=(0, 1))))
        writer.skip(1, "\x1b[31m")
        writer.finish("complete", "note \x1b[2J")
    for arguments in (("list",), ("show", "1"), ("export", "1", "-o", tmp_path / "x.csv"), ("show", "1", "--json")):
        ran = cli("runs", *arguments)
        assert ran.code == 0
        assert not any((ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160 for c in ran.out + ran.err)
