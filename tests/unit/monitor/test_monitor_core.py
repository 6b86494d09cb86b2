"""The monitor without a front end: threads, requests, files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support import ROOT
from tests.support.generated_source import GeneratedSource
from vww_deploy.errors import DataError, StoreError, VwwError
from vww_deploy.files import write_whole
from vww_deploy.monitor import collection
from vww_deploy.monitor.collection import Collection
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.pictures.gather import gather
from vww_deploy.runs.recording import Recording
from vww_deploy.runs.replay import Replay
from vww_deploy.session.events import Connection, Event, ShownPicture
from vww_deploy.session.source import Control
from vww_deploy.training.datasets import load_arrays, read_dataset


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.01)


@pytest.fixture
def source() -> GeneratedSource:
    return GeneratedSource(fps=50)


@pytest.fixture
def monitor(source: GeneratedSource, tmp_path: Path) -> Iterator[Monitor]:
    with Monitor(source, folder=tmp_path / "out") as monitor:
        monitor.wait_connected()
        wait_for(lambda: monitor.view().shown is not None)
        yield monitor


def test_the_view_is_the_same_object_while_nothing_changes(monitor: Monitor) -> None:
    monitor.pause(True)
    time.sleep(0.2)
    assert monitor.view() is monitor.view()


def test_pause_holds_step_shows_one_and_going_on_goes_on(monitor: Monitor) -> None:
    monitor.pause(True)
    time.sleep(0.2)
    held = monitor.view().results
    time.sleep(0.3)
    assert monitor.view().results == held
    assert monitor.view().paused
    monitor.pause(False)
    wait_for(lambda: monitor.view().results > held + 5)


def test_the_board_goes_and_comes_back(monitor: Monitor, source: GeneratedSource) -> None:
    source.gone.set()
    wait_for(lambda: monitor.view().connection == "lost")
    assert "plug it in again" in monitor.view().reason
    held = monitor.view().results
    source.gone.clear()
    wait_for(lambda: monitor.view().connection == "connected" and monitor.view().results > held)


def test_another_board_can_be_chosen(monitor: Monitor) -> None:
    monitor.control.choose("/dev/another")
    wait_for(lambda: (board := monitor.view().board) is not None and board.port == "/dev/another")


def test_a_snapshot_is_what_was_shown(monitor: Monitor) -> None:
    shown = monitor.view().shown
    assert shown is not None
    path = monitor.snapshot(shown.picture.number)
    assert np.array_equal(np.asarray(Image.open(path)), shown.picture.pixels[:, :, 0])
    raw = path.with_name(path.stem + "-raw.png")
    assert shown.picture.raw is not None
    assert np.array_equal(np.asarray(Image.open(raw)), shown.picture.raw)
    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["result"]["p_person"] == shown.result.p_person
    assert facts["frame"]["source"] == shown.picture.source


def test_a_picture_that_is_long_gone_cannot_be_labelled(monitor: Monitor) -> None:
    wait_for(lambda: monitor.view().results > 70)
    with pytest.raises(DataError, match="picture 0 is no longer kept"):
        monitor.label(True, 0)


def test_labelled_pictures_are_read_back_by_the_readers_of_folders_and_of_tables(monitor: Monitor) -> None:
    monitor.pause(True)
    time.sleep(0.2)
    path = monitor.label(True)
    folder = monitor.collection.folder
    assert [(p.path, p.truth) for p in gather([str(folder)])] == [(str(path), 1)]
    assert gather([str(path)], labels=folder / "labels.csv")[0].truth == 1
    shown = monitor.view().shown
    assert shown is not None
    assert shown.picture.raw is not None and np.array_equal(np.asarray(Image.open(path)), shown.picture.raw)

    again = monitor.label(False)  # a slip of the finger is corrected by the other label
    assert not path.exists()
    assert [(p.path, p.truth) for p in gather([str(folder)])] == [(str(again), 0)]
    assert monitor.collection.counts() == (1, 0)


def test_collected_pictures_are_what_train_reads(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "labelled")
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 255, (96, 96, 1), np.uint8)
        collection.add(ShownPicture(number, pixels), number % 2 == 1, "nano33ble")
    dataset = read_dataset(collection.folder)
    assert len(dataset.pictures) == 40
    assert {picture.source for picture in dataset.pictures} == {"collected_nano33ble"}
    assert all(picture.label == (picture.path.parent.name == "person") for picture in dataset.pictures)
    assert set(dataset.counts()) == {"train", "val", "test"}
    arrays = load_arrays(dataset, side=96)
    assert arrays.unreadable == ()
    assert arrays.labels.sum() == 20


@pytest.mark.parametrize("before", ["labels.csv", "png"])
def test_a_label_that_is_changed_by_a_killed_program_loses_no_frame(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, played, before the picture or before the table is written."""
    picture = ShownPicture(0, np.full((4, 4, 1), 9, np.uint8))
    Collection(tmp_path).add(picture, person=True)

    def killed(path: Path, content: bytes) -> None:
        if path.name.endswith(before):
            raise KeyboardInterrupt
        write_whole(path, content)

    monkeypatch.setattr(collection, "write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        Collection(tmp_path).add(picture, person=False)
    (line,) = (tmp_path / "labels.csv").read_text().splitlines()[1:]
    assert line.startswith("person/") and (tmp_path / line.split(",")[0]).exists()
    monkeypatch.setattr(collection, "write_whole", write_whole)
    Collection(tmp_path).add(picture, person=False)
    assert [path.parent.name for path in tmp_path.rglob("*.png")] == ["no_person"]


def test_a_table_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name,kind\na,b\n")
    picture = ShownPicture(0, np.zeros((4, 4, 1), np.uint8))
    with pytest.raises(DataError, match="not made by this program"):
        Collection(tmp_path).add(picture, True)
    assert (tmp_path / "labels.csv").read_text() == "name,kind\na,b\n"
    assert not (tmp_path / "person").exists()


def test_recording_starts_with_the_board_and_its_layers_and_replays(monitor: Monitor, tmp_path: Path) -> None:
    wait_for(lambda: monitor.view().results > 3)
    path = monitor.start_recording()
    assert monitor.view().recording == str(path)
    with pytest.raises(StoreError, match="recorded already"):
        monitor.start_recording(tmp_path / "other.vwwrec")
    begun = monitor.view().results
    wait_for(lambda: monitor.view().results > begun + 10)
    assert monitor.stop_recording() == path
    assert monitor.stop_recording() is None
    assert monitor.view().recording == ""
    with Recording(path) as recording:
        kinds = [type(recorded.event).__name__ for recorded in recording.events()]
    assert kinds[:2] == ["Connection", "LayerTimes"]
    with Monitor(Replay(path), folder=tmp_path) as replayed:
        wait_for(lambda: replayed.view().results >= 8)
        assert replayed.view().board == monitor.view().board
        assert replayed.view().layers == monitor.view().layers
        with pytest.raises(DataError, match="takes no pictures"):
            replayed.send("a.png", b"")


def test_a_sent_picture_is_shown(monitor: Monitor, tmp_path: Path) -> None:
    monitor.pause(True)
    Image.new("RGB", (50, 40), (255, 0, 0)).save(tmp_path / "red.png")
    monitor.send("red.png", (tmp_path / "red.png").read_bytes())
    wait_for(lambda: monitor.view().shown.picture.source == "red.png")  # type: ignore[union-attr]
    shown = monitor.view().shown
    assert shown is not None
    assert set(np.unique(shown.picture.pixels)) == {76}  # red's luma


def test_pictures_do_not_pile_up_before_a_board_that_is_away(monitor: Monitor, source: GeneratedSource) -> None:
    source.gone.set()
    wait_for(lambda: monitor.view().connection == "lost")
    for _ in range(32):
        monitor.send("a", b"a")
    with pytest.raises(DataError, match="too many"):
        monitor.send("a", b"a")


class _Fails:
    title = "fails"
    takes_pictures = False
    replays = False

    def events(self, control: Control) -> Iterator[Event]:
        yield Connection("connecting")
        raise VwwError("no such board", hint="plug one in")

    def ports(self) -> list[tuple[str, str]]:
        return []


def test_a_source_that_fails_says_why(tmp_path: Path) -> None:
    with Monitor(_Fails(), folder=tmp_path) as monitor:
        with pytest.raises(VwwError, match="no such board"):
            monitor.wait_connected()
        assert monitor.view().connection == "ended"
        assert monitor.view().reason == "no such board (plug one in)"


def test_a_recording_that_the_disk_takes_no_more_of_is_said_at_once_and_kept_in_mind(tmp_path: Path) -> None:
    """As on a full disk: files of this process's child may not grow past 400 KB."""
    code = f"""
import resource, time
from pathlib import Path
from tests.support.generated_source import GeneratedSource
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.runs.recording import Recording
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
path = Path({str(tmp_path / "full.vwwrec")!r})
with Monitor(GeneratedSource(fps=50), folder=path.parent) as monitor:
    monitor.start_recording(path)
    until = time.monotonic() + 60
    while not monitor.recording_error and time.monotonic() < until:
        time.sleep(0.05)
    view = monitor.view()
    assert view.recording == "" and view.recording_failed, "not said"
    assert any("recording stopped" in line.text for line in view.lines)
assert monitor.recording_error is not None
with Recording(path) as recording:
    assert all(recorded.event for recorded in recording.events()), "what was kept is whole"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
