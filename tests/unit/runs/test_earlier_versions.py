"""Runs that earlier versions wrote open as they were meant: a store and a recording each, of the oldest version with
today's formats (commit dc099b6) and of the one before inferences became one record (e5125b7), written by their code.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.support import ROOT
from vww_deploy.link.inference import Inference
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.export import exported
from vww_deploy.runs.recording import Recording
from vww_deploy.runs.rundata import load_run
from vww_deploy.runs.store import Store, time_text
from vww_deploy.session.events import Connection, Peer, ShownPicture

LAYERS = (("0 conv", 1200), ("1 softmax", 34))
PEER = Peer(
    *("nano33ble", "/dev/ttyACM0", "0.1.0", "person_96_gray", "ab" * 32),
    threshold=0.625,
    clock="cycles",
    clock_hz=64_000_000,
)


@pytest.fixture(params=["oldest", "before"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with zipfile.ZipFile(ROOT / "tests" / "golden" / "earlier_runs.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path / str(request.param)


def test_a_store_of_an_earlier_version_is_read(folder: Path) -> None:
    before = (folder / "store.sqlite").read_bytes()
    with Store(folder / "store.sqlite", create=False) as store:
        first, second = store.runs()
        assert first.header.peer == PEER
        assert (first.header.model_path, first.header.firmware_sha256) == ("/models/person_96_gray.tflite", "cd" * 32)
        assert (first.header.protocol, first.header.raw_camera, first.header.layers) == (1, "176x144:gray", LAYERS)
        assert (first.state, first.note) == ("interrupted", "stopped")
        assert (first.results, first.compared, first.equal) == (2, 2, 1)
        one, two = store.results(first.id)
        assert (one.path, one.truth, one.sha256, one.board_serial) == ("a/person.png", 1, "0e" * 32, "SN1")
        made = one.inference
        assert (made.number, made.p_person, made.latency_us, made.ticks, made.retries) == (0, 0.75, 10_000, 640_000, 0)
        assert (made.outputs, made.reference, made.equal) == ((-64, 63), (-64, 63), True)
        assert time_text(made.at) == "2026-09-01T10:00:00.123+00:00"
        assert (two.inference.number, two.inference.retries, two.inference.equal) == (1, 1, False)
        assert [(skip.path, skip.reason) for skip in store.skipped(first.id)] == [
            ("a/broken.png", "a/broken.png is no picture")
        ]
        assert (second.header.peer.board, second.header.reference, second.header.layers) == ("virtual", False, ())
        (camera,) = store.results(second.id)
        assert (camera.inference.latency_us, camera.inference.ticks, camera.inference.equal) == (None, 123_456, None)
        rows = json.loads(json.dumps(dataclasses.asdict(exported(store, first.id))))
        assert [row["label"] for row in rows["results"]] == [1, 1]
        assert rows["results"][0]["at"] == "2026-09-01T10:00:00.123+00:00"
        assert (rows["board"], rows["firmware_version"], rows["threshold"]) == ("nano33ble", "0.1.0", 0.625)
    assert (folder / "store.sqlite").read_bytes() == before  # the format is today's: nothing is converted


def test_a_run_of_an_earlier_version_goes_on(folder: Path) -> None:
    with Store(folder / "store.sqlite") as store:
        writer, left = store.resume(1)
        assert (left, writer.header.peer) == ({}, PEER)
        assert writer.add(Picture("new.png")) == 3


def test_a_recording_of_an_earlier_version_is_read(folder: Path) -> None:
    with Recording(folder / "recording.vwwrec") as recording:
        events = [recorded.event for recorded in recording.events()]
    assert [type(event).__name__ for event in events] == [
        *(
            "Connection",
            "Connection",
            "LayerTimes",
            "ShownPicture",
            "Inference",
            "ConsoleLine",
            "Skipped",
            "LinkReport",
        ),
        *("ShownPicture", "Inference", "Connection", "Connection"),
    ]
    assert events[1] == Connection("connected", board=dataclasses.replace(PEER, height=6, width=8, channels=1), at=2.0)
    stages = (("upload", 900), ("inference", 640_000))
    assert events[4] == Inference(7, 0.75, 10_000, 640_000, 2, (-64, 63), (-64, 63), stages, at=3.125)
    shown = events[3]
    assert isinstance(shown, ShownPicture) and shown.raw is not None
    assert (shown.number, shown.source, shown.sha256, shown.truth) == (7, "a/person.png", "0e" * 32, 1)
    assert np.array_equal(shown.pixels.ravel(), np.arange(48)) and shown.raw.shape == (6, 8, 3)


def test_the_store_and_the_recording_tell_the_same(folder: Path) -> None:
    stored = load_run("1", folder / "store.sqlite")
    recorded = load_run(str(folder / "recording.vwwrec"))
    assert dataclasses.replace(recorded.board, height=0, width=0, channels=0) == stored.board
    assert recorded.layers == stored.layers and recorded.skipped[0][0] == stored.skipped[0][0]
    one, two = stored.entries[0], recorded.entries[0]
    assert (one.path, one.sha256, one.truth) == (two.path, two.sha256, two.truth)
    assert (one.inference.outputs, one.inference.ticks) == (two.inference.outputs, two.inference.ticks)
    assert stored.prediction(one) == recorded.prediction(two)
    preview = recorded.preview(two)
    assert preview is not None and preview.shape == (6, 8, 3)
