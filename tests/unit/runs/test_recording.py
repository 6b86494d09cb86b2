"""Recordings: lossless, written as it happens, replayed at any speed and step by step."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from tests.support import ROOT
from tests.support.generated_source import LAYERS, GeneratedSource, board_info
from vww_deploy.errors import StoreError
from vww_deploy.link.inference import Inference
from vww_deploy.runs.recording import Recorder, Recording, _to_row, from_png, is_recording, to_png
from vww_deploy.runs.replay import Replay
from vww_deploy.session.events import (
    Connection,
    ConsoleLine,
    Event,
    LayerTimes,
    LinkReport,
    ShownPicture,
    Skipped,
)
from vww_deploy.session.source import Control

PIXELS = np.arange(96 * 96, dtype=np.uint32).astype(np.uint8).reshape(96, 96, 1)


def record(path: Path, pictures: int = 10) -> list[Event]:
    events = list(GeneratedSource(fps=0, pictures=pictures).events(Control()))
    with Recorder(path) as recorder:
        for event in events:
            recorder.add(event)
    assert recorder.dropped == 0
    return events


def same(a: Event, b: Event) -> bool:
    if isinstance(a, ShownPicture) and isinstance(b, ShownPicture):
        return all(
            np.array_equal(getattr(a, field.name), getattr(b, field.name))
            if field.name in ("pixels", "raw")
            else getattr(a, field.name) == getattr(b, field.name)
            for field in dataclasses.fields(a)
        )
    return a == b


def test_every_kind_of_event_comes_back_as_it_was(tmp_path: Path) -> None:
    events: list[Event] = [
        Connection("connecting", "looking for a board"),
        Connection("connected", board=board_info(3)),
        LayerTimes(LAYERS),
        ShownPicture(3, PIXELS, np.repeat(PIXELS, 3, axis=2), "a <b>.png", "ab" * 32, 1),
        Inference(3, 0.25, 70_123, 70_123_456, 2, (-128, 127), (-128, 127), (("upload", 900), ("inference", 70_123))),
        ShownPicture(4, np.repeat(PIXELS, 3, axis=2)),
        Inference(4, 1.0, 1, 1),
        ConsoleLine("text \x1b[31m\x00 ü"),
        Skipped("b.png", "is empty"),
        LinkReport(1, 2, 3, 4, 5),
        Connection("lost", "unplugged"),
        Connection("ended"),
    ]
    with Recorder(tmp_path / "a.vwwrec") as recorder:
        for event in events:
            recorder.add(event)
    with Recording(tmp_path / "a.vwwrec") as recording:
        read = [recorded.event for recorded in recording.events()]
    assert len(read) == len(events)
    assert all(same(a, b) for a, b in zip(events, read, strict=True))
    assert recording.path == tmp_path / "a.vwwrec"
    assert is_recording(recording.path)


@settings(max_examples=30, deadline=None)
@given(
    nps.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]))),
)
def test_pictures_are_lossless(pixels: np.ndarray) -> None:
    assert np.array_equal(from_png(to_png(pixels)), pixels)


def test_a_killed_process_has_written_what_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "killed.vwwrec"
    code = f"""
import os, sys, time
from pathlib import Path
from tests.support.generated_source import GeneratedSource
from vww_deploy.session.events import Inference
from vww_deploy.runs.recording import Recorder, Recording
from vww_deploy.session.source import Control
recorder = Recorder(Path({str(path)!r}))
for event in GeneratedSource(fps=10, pictures=20).events(Control()):
    recorder.add(event)
print("recorded", flush=True)
# Within half a second, on a busy machine later; nobody asks for it.
while sum(isinstance(recorded.event, Inference) for recorded in Recording(recorder.path).events()) < 20:
    time.sleep(0.1)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "recorded\n", done.stderr
    assert done.returncode == -9
    with Recording(path) as recording:
        assert sum(isinstance(recorded.event, Inference) for recorded in recording.events()) == 20


def test_what_a_killed_process_was_writing_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "killed.vwwrec"
    with Recorder(path) as recorder:
        for number in range(50):
            recorder.add(ConsoleLine(f"{number} " * 200))

    def die() -> None:
        db = sqlite3.connect(path)
        db.execute("PRAGMA cache_size = 2")  # so that half of the transaction is in the file
        db.execute("UPDATE events SET body = kind")
        os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(target=die)
    child.start()
    child.join()
    assert path.with_name("killed.vwwrec-journal").stat().st_size > 0
    with Recording(path) as recording:
        said = [recorded.event for recorded in recording.events()]
    assert [one.text.split()[0] for one in said if isinstance(one, ConsoleLine)] == [str(i) for i in range(50)]


def test_an_empty_file_which_a_killed_process_had_just_made_is_recorded_to(tmp_path: Path) -> None:
    path = tmp_path / "begun.vwwrec"
    path.touch()
    with Recorder(path) as recorder:
        recorder.add(ConsoleLine("hello"))
    with Recording(path) as recording:
        assert len(list(recording.events())) == 1


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.vwwrec"
    path.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        Recorder(path)
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        Recorder(tmp_path / "file" / "a.vwwrec")


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0" + bytes(200)])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.vwwrec"
    path.write_bytes(content)
    assert not is_recording(path)
    with pytest.raises(StoreError, match="no recording"):
        Replay(path)


def test_a_missing_recording_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no recording"):
        Replay(tmp_path / "none.vwwrec")


def test_a_damaged_picture_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.vwwrec"
    record(path, pictures=2)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE events SET pixels = x'00' WHERE kind = 'frame'")
    db.close()
    with pytest.raises(StoreError, match="damaged"):
        list(Replay(path).events(fast()))


def test_a_newer_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.vwwrec"
    record(path, pictures=1)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer"):
        Replay(path)


def test_a_disk_that_is_too_slow_costs_events_not_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    monkeypatch.setattr("vww_deploy.runs.recording._to_row", lambda event: written.wait(30) and _to_row(event))
    with Recorder(tmp_path / "a.vwwrec") as recorder:
        for second in range(5000):
            recorder.add(ConsoleLine("x", at=float(second)))
        assert recorder.dropped >= 3000
        written.set()
    with Recording(tmp_path / "a.vwwrec") as recording:
        assert sum(1 for _ in recording.events()) == 5000 - recorder.dropped


def test_a_file_that_fails_stops_the_recording_not_the_session(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.vwwrec")
    recorder.path.write_bytes(b"no SQLite file any more" * 100)
    for event in GeneratedSource(fps=0, pictures=2000).events(Control()):
        recorder.add(event)
    recorder.close()
    assert recorder.error is not None
    assert "damaged" in recorder.error.message


def fast() -> Control:
    control = Control()
    control.set_speed(0)
    return control


def collect(path: Path, control: Control) -> list[Event]:
    """Everything until the end of the recording."""
    seen = []
    for event in Replay(path).events(control):
        seen.append(event)
        if isinstance(event, Connection) and event.state == "ended":
            control.stop()
    return seen


def test_a_replay_gives_the_same_events(tmp_path: Path) -> None:
    events = record(tmp_path / "a.vwwrec")
    replayed = collect(tmp_path / "a.vwwrec", fast())
    assert len(replayed) == len(events)  # the recorded end stops it, as the replay's own would
    assert all(same(a, b) for a, b in zip(events[:-1], replayed[:-1], strict=True))


def test_a_replay_keeps_time_and_speed_divides_it(tmp_path: Path) -> None:
    path = tmp_path / "a.vwwrec"
    with Recorder(path) as recorder:
        for number in range(5):
            recorder.add(ShownPicture(number, PIXELS, at=100 + number * 0.2))
            recorder.add(Inference(number, 0.5, 1, 1, at=100 + number * 0.2))
    took = []
    for speed in (1.0, 4.0):
        control = Control()
        control.set_speed(speed)
        begin = time.monotonic()
        collect(path, control)
        took.append(time.monotonic() - begin)
    assert took[0] >= 0.79
    assert 0.19 <= took[1] < took[0] - 0.4


def test_steps_forwards_and_backwards_show_single_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.vwwrec"
    record(path, pictures=10)
    control = fast()
    control.pause(True)
    replay = Replay(path).events(control)

    def step(pictures: int) -> list[int]:
        control.step(pictures)
        shown = []
        for event in replay:
            if isinstance(event, Inference):
                shown.append(event.number)
                if len(shown) == max(1, pictures):
                    return shown
        raise AssertionError("the replay ended")

    assert step(1) == [0]
    assert step(3) == [1, 2, 3]
    assert step(-1) == [2]
    assert step(-2) == [0]
    assert step(-5) == [0]
    assert step(2) == [1, 2]
    control.stop()
    assert list(replay) == []


def test_a_replay_can_be_stopped_while_it_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.vwwrec"
    with Recorder(path) as recorder:
        recorder.add(ConsoleLine("a", at=0.0))
        recorder.add(ConsoleLine("b", at=1000.0))
    control = Control()
    replay = Replay(path).events(control)
    assert next(replay) == ConsoleLine("a", at=0.0)
    begin = time.monotonic()
    control.stop()
    list(replay)
    assert time.monotonic() - begin < 1
