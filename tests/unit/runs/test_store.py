"""The run store: what is recorded is there, whatever ends the process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from vww_deploy.errors import StoreError
from vww_deploy.link.inference import Inference
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs import store as store_module
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.store import RunHeader, Store, StoredSkip
from vww_deploy.session.events import Peer

PEER = Peer(
    board="virtual",
    port="/dev/pts/3",
    firmware="0.1.0",
    model="m",
    model_sha256="ab" * 32,
    threshold=0.6,
    clock="instructions",
    clock_hz=1_000_000_000,
)
HEADER = RunHeader(PEER, model_path="/models/m.tflite", firmware_sha256="cd" * 32, protocol=1)
NOW = "2026-01-02T03:04:05.678+00:00"
PICTURES = [Picture("a.png", 1), Picture("b.png", 0), Picture("c.png")]


def result(position: int, **changes: Any) -> StoredResult:
    """Of the picture at that position; ``changes`` are of the picture or its inference."""
    inference = Inference(position, 0.887, 9000, 9_000_000, outputs=(-100, 99), reference=(-100, 99))
    own = {name: changes.pop(name) for name in ("truth", "sha256", "board_serial") if name in changes}
    picture = PICTURES[position % 3]
    return replace(StoredResult(picture.path, picture.truth, "00" * 32, replace(inference, **changes)), **own)


def test_everything_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "runs.sqlite"
    with Store(path) as store:
        writer = store.begin(HEADER, PICTURES)
        writer.record(result(0))
        writer.skip(1, "b.png is empty (0 bytes)")
        writer.record(result(2, reference=None, retries=3))
        writer.finish("complete")
    with Store(path, create=False) as store:
        (summary,) = store.runs()
        assert summary.header == HEADER
        assert (summary.pictures, summary.results, summary.skipped) == (3, 2, 1)
        assert (summary.equal, summary.compared, summary.state) == (1, 1, "complete")
        assert summary.finished is not None
        first, last = store.results(summary.id)
        assert (first.path, first.truth, first.sha256, first.inference.ticks) == ("a.png", 1, "00" * 32, 9_000_000)
        assert first.inference.outputs == (-100, 99)
        assert (first.inference.equal, last.inference.equal, last.inference.retries, last.truth) == (
            True,
            None,
            3,
            None,
        )
        assert store.skipped(summary.id)[0].reason == "b.png is empty (0 bytes)"


def test_a_difference_from_the_reference_is_counted(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        writer = store.begin(HEADER, PICTURES)
        writer.record(result(0, reference=(-99, 99)))
        summary = store.run(writer.run)
        assert (summary.equal, summary.compared) == (0, 1)


def test_resume_gives_what_is_left_and_each_result_is_recorded_once(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        writer = store.begin(HEADER, PICTURES)
        writer.record(result(1))
        writer.finish("interrupted")
        again, rest = store.resume(writer.run)
        assert rest == {0: PICTURES[0], 2: PICTURES[2]}
        assert store.run(writer.run).state == "running"
        again.skip(0, "gone")
        again.record(result(2))
        with pytest.raises(StoreError, match="already") as caught:
            again.record(result(1))
        assert "same run" in caught.value.hint
        assert store.resume(writer.run)[1] == {}


def test_the_newest_run_with_pictures_left_is_found(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        assert store.unfinished() is None
        left, done, empty = (store.begin(HEADER, pictures) for pictures in (PICTURES, PICTURES, []))
        left.record(result(0))
        left.skip(1, "gone")
        for position in range(3):
            done.record(result(position))
        done.finish("complete")
        empty.finish("interrupted")
        found = store.unfinished()
        assert found is not None
        assert found.id == left.run
        left.record(result(2))
        assert store.unfinished() is None


def test_live_pictures_get_their_positions(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        writer = store.begin(HEADER)
        assert [writer.add(Picture(f"camera {i}")) for i in range(3)] == [0, 1, 2]
        writer.record(result(2))
        assert store.run(writer.run).results == 1


def test_delete_takes_the_results_along(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        kept, gone = store.begin(HEADER, PICTURES), store.begin(HEADER, PICTURES)
        kept.record(result(0))
        gone.record(result(0))
        store.delete(gone.run)
        assert [summary.id for summary in store.runs()] == [kept.run]
        assert len(list(store.results(gone.run))) == 0
        assert store.begin(HEADER).run > gone.run  # a number is never given twice
        with pytest.raises(StoreError, match="no run 99"):
            store.delete(99)


KILLED = """
    import sys, os, signal
    from pathlib import Path
    from tests.unit.runs.test_store import HEADER, result
    from vww_deploy.pictures.gather import Picture
    from vww_deploy.runs.store import Store
    store = Store(Path({path!r}))
    writer = store.begin(HEADER, [Picture(str(i)) for i in range(500)])
    for i in range(500):
        writer.record(result(i))
        print(i, flush=True)
"""


@pytest.mark.parametrize("after", [0, 7, 40])
def test_kill_9_loses_nothing_that_was_recorded(tmp_path: Path, after: int) -> None:
    path = tmp_path / "runs.sqlite"
    code = textwrap.dedent(KILLED).format(path=str(path))
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = -1
        while seen < after:
            seen = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
        seen = int(rest[-1]) if rest else seen
    with Store(path) as store:
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        recorded = [r.inference.number for r in store.results(1)]
        assert recorded == list(range(len(recorded)))
        assert len(recorded) in (seen + 1, seen + 2)  # the one after the last that was said may be in
        _, left = store.resume(1)
        assert sorted({*recorded, *left}) == list(range(500))
        assert not {*recorded} & {*left}


def test_two_processes_share_a_store(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    code = textwrap.dedent(KILLED).format(path=str(path)).replace("500", "60")
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    with Store(path) as store:
        assert sorted(summary.results for summary in store.runs()) == [60, 60]


def test_the_store_is_one_file_between_results(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        store.begin(HEADER, PICTURES).record(result(0))
        assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_full_disk_is_said_and_what_was_recorded_stays(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with Store(path) as store:
        writer = store.begin(HEADER, PICTURES)
        writer.record(result(0))
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to meet a full disk
        huge = (0,) * 200_000
        with pytest.raises(StoreError, match="full") as caught:
            writer.record(result(1, outputs=huge))
        assert "--resume" in caught.value.hint
    with Store(path) as store:
        assert [r.inference.number for r in store.results(1)] == [0]


def test_a_place_that_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "file" / "runs.sqlite")
    assert "--store" in caught.value.hint


@pytest.fixture
def no_rights() -> Iterator[Path]:
    """A folder that this process may read and not write, even if the tests are run by root."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        with Store(folder / "r") as store:
            store.begin(HEADER, PICTURES).record(result(0))
        folder.chmod(0o555)
        (folder / "r").chmod(0o444)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


def test_a_read_only_store_is_read_and_not_written(no_rights: Path) -> None:
    with Store(no_rights / "r", create=False) as store:
        assert len(list(store.results(1))) == 1
        with pytest.raises(StoreError, match="readonly") as caught:
            store.begin(HEADER)
        assert "--store" in caught.value.hint


def test_a_store_in_a_read_only_folder_cannot_be_made(no_rights: Path) -> None:
    with pytest.raises(StoreError, match="unable to open") as caught:
        Store(no_rights / "new")
    assert "--store" in caught.value.hint


def test_a_missing_store_is_made_only_when_wanted(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run store"):
        Store(tmp_path / "missing", create=False)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r"
    path.write_bytes(content)
    with pytest.raises(StoreError):
        Store(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE runs (id)")
    other.close()
    with pytest.raises(StoreError, match="no run store"):
        Store(path)


@pytest.mark.parametrize("header", ["", "{}", "[]", '{"board": "b", "port": "p", "model": "m", "model_sha256": 1}'])
def test_a_damaged_header_is_said(tmp_path: Path, header: str) -> None:
    with Store(tmp_path / "r") as store:
        writer = store.begin(HEADER)
        store._db.execute("UPDATE runs SET header = ?", (header,))
        with pytest.raises(StoreError, match="cannot be used"):
            store.run(writer.run)


def test_a_shard_is_written_whole_with_the_boards_that_gave_it(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        writer = store.begin(HEADER, PICTURES)
        writer.record_shard(
            [result(0, board_serial="A1"), result(2, board_serial="B2")], [StoredSkip(1, "b.png", "bad")]
        )
        assert [(one.inference.number, one.board_serial) for one in store.results(writer.run)] == [(0, "A1"), (2, "B2")]
        assert [one.reason for one in store.skipped(writer.run)] == ["bad"]


def test_a_result_that_comes_twice_counts_once_if_it_is_the_same(tmp_path: Path) -> None:
    with Store(tmp_path / "r") as store:
        writer = store.begin(HEADER, PICTURES)
        writer.record_shard([result(0, board_serial="A1")])
        writer.record_shard([result(0, board_serial="B2", ticks=1), result(1)])
        assert [(one.inference.number, one.board_serial) for one in store.results(writer.run)] == [(0, "A1"), (1, "")]


@pytest.mark.parametrize("other", [{"outputs": (-99, 99)}, {"reference": None}, {"sha256": "11" * 32}])
def test_a_result_that_comes_twice_and_differs_is_an_error_and_its_shard_is_not_written(
    tmp_path: Path, other: dict[str, object]
) -> None:
    with Store(tmp_path / "r") as store:
        writer = store.begin(HEADER, PICTURES)
        writer.record_shard([result(0, board_serial="A1")])
        with pytest.raises(StoreError, match=r"picture 0 of run 1 came twice with different results"):
            writer.record_shard([result(1), result(0, board_serial="B2", **other)])
        assert [one.inference.number for one in store.results(writer.run)] == [0]


def test_a_store_from_before_boards_were_noted_opens_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(store_module, "_MIGRATIONS", store_module._MIGRATIONS[:3])
        with Store(tmp_path / "r") as store:
            run = store.begin(HEADER, PICTURES).run
            store._db.execute(
                "INSERT INTO results VALUES (?, 0, ?, ?, x'9c63', 1, 0.9, 9000, 9000000, 0, NULL)",
                (run, NOW, "00" * 32),
            )
    with Store(tmp_path / "r") as store:
        writer, left = store.resume(run)
        assert list(left) == [1, 2]
        writer.record_shard([result(1, board_serial="A1")])
        assert [one.board_serial for one in store.results(run)] == ["", "A1"]


def test_headers_of_other_versions_are_read(tmp_path: Path) -> None:
    older = json.loads(HEADER.to_json())
    del older["layers"], older["reference"]
    assert RunHeader.from_json(json.dumps(older)) == HEADER
    newer = {**json.loads(HEADER.to_json()), "weather": "rain"}
    assert RunHeader.from_json(json.dumps(newer)) == HEADER


def test_an_older_store_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r"
    with Store(path) as store:
        run = store.begin(HEADER, PICTURES).run
    step = "ALTER TABLE runs ADD COLUMN place TEXT NOT NULL DEFAULT 'here';"
    monkeypatch.setattr(store_module, "_MIGRATIONS", (*store_module._MIGRATIONS, step))
    with Store(path) as store:
        assert store.run(run).header == HEADER
        assert store._db.execute("SELECT place FROM runs").fetchone() == ("here",)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="newer vww-deploy") as caught:
        Store(path)
    assert "newer vww-deploy" in caught.value.hint


def older_store(path: Path, clock: str = PEER.clock) -> None:
    """As the first version wrote it, with a run."""
    header = json.loads(HEADER.to_json())
    del header["raw_camera"]
    header["clock"] = clock
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.executescript(store_module._MIGRATIONS[0])
        db.execute("INSERT INTO runs (started, state, header) VALUES (?, 'failed', ?)", (NOW, json.dumps(header)))
        db.execute("INSERT INTO pictures VALUES (1, 0, 'a.png', 1, NULL)")
        db.execute("INSERT INTO results VALUES (1, 0, ?, '', x'8001', 1, 0.5, 9, 9, 0, NULL)", (NOW,))
        db.execute(f"PRAGMA application_id = {store_module._APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    older_store(tmp_path / "r")
    for _ in range(2):
        with Store(tmp_path / "r") as store:
            (run,) = store.runs()
            assert (run.header, run.results, run.state) == (HEADER, 1, "failed")
            assert store._db.execute("PRAGMA user_version").fetchone() == (4,)


@pytest.mark.parametrize(("clock", "latency_us"), [("instructions", None), ("cycles", 9)])
def test_a_latency_that_nobody_measured_is_taken_out_of_an_older_store(
    tmp_path: Path, clock: str, latency_us: int | None
) -> None:
    older_store(tmp_path / "r", clock)
    with Store(tmp_path / "r") as store:
        (result,) = store.results(1)
        assert (result.inference.latency_us, result.inference.ticks) == (latency_us, 9)


def test_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    Store(tmp_path / "r").close()
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o444, 0o666])
def test_an_older_store_that_cannot_be_written_is_read(no_rights: Path, mode: int) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    no_rights.chmod(0o755)
    older_store(no_rights / "old")
    no_rights.chmod(0o555)
    (no_rights / "old").chmod(mode)
    os.seteuid(user)
    before = (no_rights / "old").read_bytes()
    with Store(no_rights / "old", create=False) as store:
        assert (store.run(1).header, len(list(store.results(1)))) == (HEADER, 1)
        with pytest.raises(StoreError, match="readonly") as caught:
            store.begin(HEADER)
        assert "--store" in caught.value.hint
    assert (no_rights / "old").read_bytes() == before


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r"
    Store(path).close()
    before = path.read_bytes()
    step = "ALTER TABLE runs ADD COLUMN place TEXT; ALTER TABLE nonsense ADD COLUMN x TEXT;"
    monkeypatch.setattr(store_module, "_MIGRATIONS", (*store_module._MIGRATIONS, step))
    with pytest.raises(StoreError):
        Store(path)
    monkeypatch.undo()
    with Store(path) as store:
        assert store.runs() == []
    assert len(path.read_bytes()) == len(before)


def test_the_header_keeps_every_field() -> None:
    assert RunHeader.from_json(HEADER.to_json()) == HEADER


def test_a_run_of_the_version_that_noted_labels_alone_can_be_read(tmp_path: Path) -> None:
    earlier = json.loads(HEADER.to_json())
    earlier["labels"] = ["nobody", "person"]
    del earlier["outputs"]
    outputs = RunHeader.from_json(json.dumps(earlier)).peer.outputs
    assert (outputs.labels, outputs.person, outputs.pair) == (("nobody", "person"), 1, ("nobody", "person"))
    assert RunHeader.from_json(HEADER.to_json()) == HEADER
    with pytest.raises(ValueError, match="labels"):
        RunHeader.from_json(json.dumps({**earlier, "labels": ["one"]}))
