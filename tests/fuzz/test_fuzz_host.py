"""The host's readers fed with what a hostile board, model or run store could hold: each fails in its own words."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz import corpus
from tests.fuzz.host_targets import TARGETS, Clock, Said, info, made_time
from vww_deploy.boards.camera_feed import take_requests
from vww_deploy.cli import tables
from vww_deploy.errors import BoardError, DataError, LinkError, ModelError, StoreError
from vww_deploy.graph.reader import read_model
from vww_deploy.link import camera
from vww_deploy.link import messages as m
from vww_deploy.link.device import Device
from vww_deploy.link.frames import MAX_ENCODED_BYTES, Broken, Decoder, Frame, Text, encode_frame
from vww_deploy.link.inference import Inference
from vww_deploy.link.info import MAX_LAYERS
from vww_deploy.link.messages import FrameKind
from vww_deploy.link.transport import Line
from vww_deploy.pictures.camera_format import parse_format
from vww_deploy.pictures.card import ModelCard
from vww_deploy.pictures.gather import Picture
from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.pictures.preprocess import read_picture_file
from vww_deploy.resources import models_dir
from vww_deploy.runs.export import exported
from vww_deploy.runs.recording import Recorder, Recording, to_json
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.rundata import load_run
from vww_deploy.runs.store import RunHeader, Store
from vww_deploy.session import events, mlperf
from vww_deploy.session.camera import pictures_of

quick = settings(derandomize=True, deadline=None, max_examples=200, database=None)

FRAMES = st.builds(encode_frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=300))
WIRE = st.lists(st.one_of(st.binary(max_size=80), FRAMES, st.just(b"\0"), st.just(b"log line\r\n")), max_size=12).map(
    b"".join
)


# -- all readers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_read_or_refused(target: str) -> None:
    inputs = corpus.inputs(f"host_{target}")
    assert inputs
    for data in inputs.values():
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_are_read_or_refused(target: str) -> None:
    @settings(quick, max_examples=60)
    @given(st.binary(max_size=200))
    def run(data: bytes) -> None:
        TARGETS[target](data)

    run()


# -- the link ---------------------------------------------------------------------------------------------------------


@quick
@given(WIRE, st.lists(st.integers(0, 2000), max_size=4))
def test_the_decoder_takes_any_bytes_however_they_are_cut(wire: bytes, cuts: list[int]) -> None:
    def gist(events: list[Any]) -> list[Any]:
        """Text comes in whatever pieces it came in."""
        out: list[Any] = []
        for event in events:
            if isinstance(event, Text) and out and isinstance(out[-1], bytes):
                out[-1] += event.data
            else:
                out.append(event.data if isinstance(event, Text) else event)
        return out

    whole, cut = Decoder(), Decoder()
    at = [0, *sorted(min(c, len(wire)) for c in cuts), len(wire)]
    parts = [event for a, b in itertools.pairwise(at) for event in cut.feed(wire[a:b])]
    events = list(whole.feed(wire))
    assert gist(events) == gist(parts)
    assert all(isinstance(event, Frame | Text | Broken) for event in events)


@quick
@given(st.integers(1, 60), st.binary(min_size=1, max_size=200).map(lambda data: data.replace(b"\0", b"\1")))
def test_the_decoder_keeps_no_more_than_a_frame(times: int, data: bytes) -> None:
    decoder = Decoder(max_encoded_bytes=512)
    list(decoder.feed(b"\0"))
    for _ in range(times):
        list(decoder.feed(data))
        assert len(decoder._buffer) <= 512
    assert MAX_ENCODED_BYTES < 1 << 16


@quick
@given(st.sampled_from(m.MESSAGES), st.binary(max_size=400))
def test_a_message_is_whole_or_refused(kind: type[m.Message], payload: bytes) -> None:
    with contextlib.suppress(m.BadMessageError):
        assert kind.unpack(payload).pack() is not None


@quick
@given(st.binary(max_size=200))
def test_text_of_a_board_commands_no_terminal(data: bytes) -> None:
    text = data.replace(b"\0", b"")[:255]
    board = m.Refused.unpack(bytes([1, len(text)]) + text).text
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in board)


def test_a_terminals_escapes_do_not_come_through() -> None:
    for escape in (b"\x1b[2J", b"\xc2\x9b2J", b"\x07", b"\x1b]0;title\x07"):
        name = b"board" + escape
        said = m.Refused.unpack(bytes([1, len(name)]) + name).text
        assert said.isprintable() and said.startswith("board")


class HostileBoard:
    """Answers with what it was given, then with nothing; time passes with every read."""

    name = "hostile"
    line = Line()

    def __init__(self, clock: Clock, answers: list[bytes]) -> None:
        self._clock, self._answers = clock, answers

    def read(self, timeout_s: float) -> bytes:
        self._clock.now += max(timeout_s, 0.001)
        return self._answers.pop(0) if self._answers else b""

    def write(self, data: bytes) -> None:
        """Takes anything."""

    def reopen(self) -> None:
        """Always works."""

    def close(self) -> None:
        """Always works."""


NUMBER = st.one_of(st.integers(0, 300), st.sampled_from([2**16 - 1, 2**32 - 1]))
ANSWERS = st.one_of(
    WIRE,
    st.builds(lambda session, id, received: m.Ack(session, id, received), st.just(7), st.just(1), NUMBER),
    st.builds(lambda status, data: m.Result(7, 1, status, 5, data), st.integers(0, 255), st.binary(max_size=9)),
    st.builds(lambda total, data: m.Values(7, 1, 0, 0, total, data), st.integers(0, 65535), st.binary(max_size=60)),
    st.builds(lambda text: m.Refused(3, text), st.text(max_size=20)),
)


def on_the_wire(answer: bytes | m.Message, sequence: int) -> bytes:
    return answer if isinstance(answer, bytes) else encode_frame(answer.TYPE, sequence, answer.pack())


@quick
@given(
    st.lists(st.tuples(ANSWERS, st.integers(0, 12)), max_size=30),
    st.fixed_dictionaries(
        {},
        optional={
            **{name: st.integers(0, 65535) for name in ("height", "width", "channels", "outputs", "chunk", "layers")},
            **{name: st.integers(0, 255) for name in ("clock", "window", "version")},
            "clock_hz": st.integers(0, 2**32 - 1),
        },
    ),
)
def test_a_hostile_board_is_an_error_and_an_end(
    answers: list[tuple[bytes | m.Message, int]], changes: dict[str, int]
) -> None:
    greeting = encode_frame(m.Info.TYPE, 1, info(**changes).pack())
    with made_time() as clock, contextlib.suppress(LinkError, DataError):
        board = HostileBoard(clock, [greeting, *(on_the_wire(answer, sequence) for answer, sequence in answers)])
        device = Device.connect(board)
        shape = device.info.input_shape
        if 0 < np.prod(shape, dtype=np.int64) < 1 << 16:
            device.infer(np.zeros(shape, np.int8))
            device.layer_digests(np.zeros(shape, np.int8))


class LyingBoard:
    """Answers every request, for ever, and never with what was asked for."""

    name = "lying"
    line = Line()

    def __init__(self, clock: Clock, lie: Callable[[m.Message], m.Message | None], **described: Any) -> None:
        self._clock, self._lie, self._described = clock, lie, described
        self._decoder = Decoder()
        self._answers = bytearray()
        self.asked = 0

    def read(self, timeout_s: float) -> bytes:
        # An answer needs its time on the line; without one, the host's whole wait passes.
        self._clock.now += 0.01 if self._answers else max(timeout_s, 0.001)
        assert self._clock.now < 2000, "the host waits for ever"
        answers, self._answers = bytes(self._answers), bytearray()
        return answers

    def write(self, data: bytes) -> None:
        for event in self._decoder.feed(data):
            if not isinstance(event, Frame):
                continue
            self.asked += 1
            assert self.asked < 200_000, "the host asks for ever"
            request = m.BY_TYPE[event.type].unpack(event.payload)
            answer = info(**self._described) if isinstance(request, m.Hello) else self._lie(request)
            if answer is not None:
                self._answers += encode_frame(answer.TYPE, event.sequence, answer.pack())

    def reopen(self) -> None:
        """Always works."""

    def close(self) -> None:
        """Always works."""


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Made time, in which the client lives; its session is always 7."""
    with made_time() as clock:
        yield clock


ALL = m.Feature.STAGED_INPUT | m.Feature.LAYERS | m.Feature.FRAMES


@pytest.mark.parametrize("received", [itertools.repeat(0), itertools.cycle([3, 1]), itertools.cycle([2**32 - 1, 0])])
def test_a_board_that_answers_and_takes_no_picture_is_an_error(clock: Clock, received: Iterator[int]) -> None:
    def lie(request: m.Message) -> m.Message | None:
        if isinstance(request, m.Write):
            return m.Ack(7, request.id, next(received))
        return m.Result(7, request.id, m.Status.NO_INPUT, 0, b"") if isinstance(request, m.Infer) else None

    device = Device.connect(LyingBoard(clock, lie, features=int(ALL)))
    with pytest.raises(LinkError):
        device.infer(np.zeros(device.info.input_shape, np.int8))


@pytest.mark.parametrize(("layers", "values"), [(3, bytes(40)), (MAX_LAYERS, b""), (MAX_LAYERS, b"a")])
def test_a_board_with_layers_without_end_comes_to_an_end(clock: Clock, layers: int, values: bytes) -> None:
    def lie(request: m.Message) -> m.Message | None:
        if isinstance(request, m.Write):
            return m.Ack(7, request.id, 1 << 20)
        if isinstance(request, m.Infer):
            return m.Result(7, request.id, m.Status.OK, 5, b"ab")
        assert isinstance(request, m.Layers)
        return m.Values(7, request.id, request.kind, 0, 65535, values)

    device = Device.connect(LyingBoard(clock, lie, features=int(ALL), layers=layers))
    with contextlib.suppress(LinkError):
        assert len(device.layer_digests(np.zeros(device.info.input_shape, np.int8))) <= layers


def test_a_frame_is_no_longer_than_a_frame(clock: Clock) -> None:
    def lie(request: m.Message) -> m.Message | None:
        if isinstance(request, m.OpenCamera):
            return m.CameraOpened(7, request.opening, m.CameraStatus.OK, 2**32 - 1, "endless")
        if isinstance(request, m.Live):
            return m.LiveSet(7, 1, 255)
        if isinstance(request, m.Poll):
            return m.Shot(7, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 5, b"ab")
        assert isinstance(request, m.ReadFrame)
        return m.FramePiece(7, request.number, request.kind, 2**32 - 1, request.offset, bytes(1000))

    board = LyingBoard(clock, lie, features=int(ALL))
    lens = camera.DeviceCamera.open(Device.connect(board), parse_format("qcif"))
    lens.start(keep=FrameKind.MODEL | FrameKind.RAW)
    shot = lens.next_shot(timeout_s=1)
    assert shot is not None and shot.model_input is None and shot.raw_picture is None
    assert board.asked < 10


def test_a_camera_that_never_starts_ends_the_wait(clock: Clock) -> None:
    def lie(request: m.Message) -> m.Message | None:
        if isinstance(request, m.OpenCamera):
            return m.CameraOpened(7, request.opening, m.CameraStatus.OK, 0, "")
        return m.LiveSet(7, 0, 0) if isinstance(request, m.Live) else m.Shot(*cast(Any, (7, *[0] * 11, b"")))

    lens = camera.DeviceCamera.open(Device.connect(LyingBoard(clock, lie, features=int(ALL))), parse_format("qcif"))
    lens.start()
    assert lens.next_shot(timeout_s=1) is None


@pytest.mark.parametrize(("total", "data"), [(0, b"a"), (32, b""), (33, b"a")])
def test_a_camera_whose_frames_never_come_ends_the_wait(clock: Clock, total: int, data: bytes) -> None:
    """Shots come for ever, each said to be kept, and none of their frames is what it should be."""
    taken = 0

    def lie(request: m.Message) -> m.Message | None:
        nonlocal taken
        if isinstance(request, m.OpenCamera):
            return m.CameraOpened(7, request.opening, m.CameraStatus.OK, 1000, "")
        if isinstance(request, m.Live):
            return m.LiveSet(7, request.run, request.keep)
        if isinstance(request, m.Poll):
            taken += 1
            clock.now += 0.1
            return m.Shot(7, taken, taken, 1, 0, 0, 0, 0, 0, 0, 0, 5, b"ab")
        assert isinstance(request, m.ReadFrame)
        return m.FramePiece(7, request.number, request.kind, total, request.offset, data)

    lens = camera.DeviceCamera.open(Device.connect(LyingBoard(clock, lie, features=int(ALL))), parse_format("8x4:gray"))
    with pytest.raises(BoardError, match="has sent none of them for 60 s"):
        next(pictures_of(lens, 1))


def test_a_board_whose_pictures_fill_the_memory_is_refused(clock: Clock) -> None:
    board = LyingBoard(clock, lambda request: None, height=65535, width=65535, channels=65535)
    with pytest.raises(LinkError, match="makes no sense"):
        Device.connect(board)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["input_scale", "output_scale"])
def test_a_board_whose_scales_are_no_scales_is_refused(clock: Clock, name: str, scale: float) -> None:
    with pytest.raises(LinkError, match="makes no sense"):
        Device.connect(LyingBoard(clock, lambda request: None, **{name: scale}))


@pytest.mark.parametrize(("ticks", "outputs"), [(2**64 - 1, b"ab"), (5, b""), (5, bytes(900))])
def test_what_a_result_cannot_be_is_an_error(clock: Clock, ticks: int, outputs: bytes) -> None:
    def lie(request: m.Message) -> m.Message | None:
        if isinstance(request, m.Write):
            return m.Ack(7, request.id, 1 << 20)
        if isinstance(request, m.Infer):
            return m.Result(7, request.id, m.Status.OK, ticks, outputs)
        if isinstance(request, m.OpenCamera):
            return m.CameraOpened(7, request.opening, m.CameraStatus.OK, 0, "")
        if isinstance(request, m.Live):
            return m.LiveSet(7, 1, 0)
        return m.Shot(7, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, ticks, outputs) if isinstance(request, m.Poll) else None

    device = Device.connect(LyingBoard(clock, lie, features=int(ALL)))
    with pytest.raises(LinkError, match=r"ticks|outputs instead of 2"):
        device.infer(np.zeros(device.info.input_shape, np.int8))
    lens = camera.DeviceCamera.open(device, parse_format("qcif"))
    lens.start()
    with pytest.raises(LinkError, match=r"ticks|outputs instead of 2"):
        lens.next_shot(timeout_s=1)


# -- the benchmark's answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"\n", b"\r\n", b"m-name-dut-[x]\n", b"no line end", b""])
def test_a_benchmark_without_end_is_an_error(said: bytes) -> None:
    with made_time() as clock, pytest.raises(LinkError):
        mlperf.Dut(Said(clock, said)).identify()


LINES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"m-ready", b"m-load-done", b"m-lap-us-", b"m-results-[", b"m-model-[vww01]", b"m-name-dut-[a]"]),
    st.integers(0, 10**5).map(lambda us: b"m-lap-us-%d" % us),
    st.lists(st.floats(), max_size=3).map(lambda values: f"m-results-[{','.join(map(str, values))}]".encode()),
    st.just(b"m-lap-us-" + b"9" * 5000),
)


@quick
@given(st.lists(LINES, max_size=12).map(b"\r\n".join))
def test_a_hostile_benchmark_is_an_error_or_an_answer(said: bytes) -> None:
    with made_time() as clock:
        dut = mlperf.Dut(Said(clock, said + b"\r\nm-ready\r\n"))
        for ask in (dut.identify, lambda: dut.load(bytes(40)), lambda: dut.infer(1, 0)):
            with contextlib.suppress(LinkError):
                ask()
        with contextlib.suppress(LinkError):
            accuracy = mlperf.measure_accuracy(dut, [mlperf.Sample("a", lambda: bytes(4), 1)])
            assert all(0 <= p <= 1 for p in accuracy.probabilities)


# -- the virtual camera's requests ------------------------------------------------------------------------------------


@quick
@given(st.lists(st.binary(max_size=40) | st.just(b"VQ"), max_size=12).map(b"".join), st.integers(0, 100))
def test_requests_to_the_camera_are_the_same_however_they_are_cut(wire: bytes, cut: int) -> None:
    whole, parts = bytearray(wire), bytearray(wire[:cut])
    requests = take_requests(whole)
    cut_requests = take_requests(parts)
    parts += wire[cut:]
    cut_requests += take_requests(parts)
    assert requests == cut_requests
    assert all(request.startswith(b"VQ") for request in requests)
    assert whole == parts and len(whole) < 16


# -- files ------------------------------------------------------------------------------------------------------------

Edit = tuple[int, bytes]
EDITS = st.lists(st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=8)), min_size=1, max_size=8)


def damaged(data: bytes, edits: list[Edit], keep: int | None) -> bytes:
    out = bytearray(data)
    for at, patch in edits:
        at %= len(out)
        out[at : at + len(patch)] = patch
    return bytes(out if keep is None else out[: keep % (len(out) + 1)])


@pytest.fixture(scope="module")
def model() -> bytes:
    return (models_dir() / "person_96_gray.tflite").read_bytes()


@settings(quick, max_examples=150)
@given(edits=EDITS, keep=st.none() | st.integers(0, 1 << 30), tail=st.booleans())
def test_a_damaged_model_is_read_or_refused(model: bytes, edits: list[Edit], keep: int | None, tail: bool) -> None:
    # Everything but the weights lies in the file's last part.
    if tail:
        edits = [(len(model) - 1 - at % 30_000, patch) for at, patch in edits]
    with contextlib.suppress(ModelError):
        read_model(damaged(model, edits, keep))


@quick
@given(st.binary(max_size=400))
def test_any_bytes_are_no_model(data: bytes) -> None:
    with pytest.raises(ModelError):
        read_model(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@quick
@given(st.dictionaries(st.sampled_from(["name", "input", "labels", "threshold", "license", "training"]), JSON))
def test_any_json_is_a_card_or_none(values: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card.json"
        path.write_text(json.dumps(values))
        with contextlib.suppress(DataError, ModelError):
            ModelCard.load(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("store") / "runs.sqlite"
    with Store(path) as opened:
        peer = events.Peer("virtual", "tty", "0.1.0", "m", "ab" * 32, clock="instructions", clock_hz=1)
        header = RunHeader(peer, model_path="m.tflite", protocol=1)
        writer = opened.begin(header, [Picture(f"{i}.png", i % 2) for i in range(20)])
        for position in range(3):
            inference = Inference(position, 0.7, 5, 5, 0, (-position, position), (-position, position))
            writer.record(StoredResult(f"{position}.png", position % 2, "ab" * 32, inference))
        writer.skip(3, "unreadable")
        writer.finish("complete")
    return path.read_bytes()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("recording") / "a.vwwrec"
    board = events.Peer("virtual", "tty", "1", "m", "ab" * 32, OutputSpec(), 0.5, "cycles", 10, 4, 4, 1)
    with Recorder(path) as recorder:
        recorder.add(events.Connection("connected", board=board, at=1.0))
        recorder.add(
            events.ShownPicture(1, np.zeros((4, 4, 1), np.uint8), np.zeros((6, 6, 3), np.uint8), "a.png", at=2.0)
        )
        recorder.add(Inference(1, 0.7, 5, 5, 0, (1, 2), (1, 2), (("inference", 5),), at=2.5))
        recorder.add(events.ConsoleLine("hello", at=3.0))
        recorder.add(events.LayerTimes((("conv", 5),), at=4.0))
        recorder.add(events.Skipped("b.png", "broken", at=4.0))
        recorder.add(events.LinkReport(1, 2, 3, 4, 5, at=5.0))
    return path.read_bytes()


def read_everything(path: Path) -> None:
    with contextlib.suppress(StoreError), Store(path, create=False) as opened:
        for run in opened.runs():
            with contextlib.suppress(StoreError):
                tables.print_summary(opened, run.id, "nano33ble")
            with contextlib.suppress(StoreError):
                exported(opened, run.id)
            with contextlib.suppress(StoreError):
                opened.resume(run.id)
            with contextlib.suppress(StoreError, DataError):
                load_run(str(run.id), path)
    with contextlib.suppress(StoreError), Recording(path) as opened_recording:
        for recorded in opened_recording.events():
            to_json(recorded.event)
    with contextlib.suppress(StoreError, DataError):
        load_run(str(path))


@settings(quick, max_examples=150)
@given(which=st.sampled_from(["store", "recording"]), edits=EDITS, keep=st.none() | st.integers(0, 1 << 30))
def test_a_damaged_store_is_read_or_refused(
    store: bytes, recording: bytes, which: str, edits: list[Edit], keep: int | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        path.write_bytes(damaged(store if which == "store" else recording, edits, keep))
        read_everything(path)


STORE_COLUMNS = [
    *(("runs", column) for column in ("header", "state", "started", "finished", "note")),
    *(("pictures", column) for column in ("path", "position", "truth", "skipped")),
    *(("results", column) for column in ("at", "sha256", "outputs", "label", "p_person", "latency_us", "reference")),
]
RECORDING_COLUMNS = [("events", column) for column in ("at", "kind", "body", "pixels", "raw")]


def changed(store: bytes, path: Path, table: str, column: str, value: Any, row: int = 1) -> None:
    """Writes the file with another value in it."""
    path.write_bytes(store)
    with contextlib.closing(sqlite3.connect(path)) as db, contextlib.suppress(sqlite3.Error), db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        key = "id" if table in ("runs", "events") else "position"
        db.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (value, row))


@settings(quick, max_examples=120)
@given(
    st.sampled_from(STORE_COLUMNS + RECORDING_COLUMNS),
    st.one_of(st.none(), st.integers(-(2**62), 2**62), st.floats(), st.text(max_size=20), st.binary(max_size=20)),
    st.integers(0, 6),
)
def test_a_store_with_other_values_is_read_or_refused(
    store: bytes, recording: bytes, where: tuple[str, str], value: Any, row: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        changed(recording if where[0] == "events" else store, path, *where, value, row)
        read_everything(path)


@settings(quick, max_examples=120)
@given(st.data())
def test_a_store_with_other_json_is_read_or_refused(store: bytes, recording: bytes, data: st.DataObject) -> None:
    """Every field there is, with any JSON value in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        if data.draw(st.booleans()):
            said: dict[str, Any] = {"board": "b", "port": "p", "model": "m", "model_sha256": "0"}
            said |= {data.draw(st.sampled_from(sorted(RunHeader.__dataclass_fields__))): data.draw(JSON)}
            changed(store, path, "runs", "header", json.dumps(said))
        else:
            row = data.draw(st.integers(1, 7))
            path.write_bytes(recording)
            with contextlib.closing(sqlite3.connect(path)) as db, db:
                (body,) = db.execute("SELECT body FROM events WHERE id = ?", (row,)).fetchone()
                said = json.loads(body)
                said[data.draw(st.sampled_from(sorted(said)))] = data.draw(JSON)
                db.execute("UPDATE events SET body = ? WHERE id = ?", (json.dumps(said), row))
        read_everything(path)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"


@pytest.mark.parametrize(
    "change",
    [
        f"DROP TABLE results; CREATE VIEW results AS {ENDLESS} i AS run, i AS position FROM n",
        f"DROP TABLE events; CREATE VIEW events AS {ENDLESS} i AS id, 0.0 AS at, 'x' AS kind, '' AS body FROM n",
        "CREATE TRIGGER wide AFTER UPDATE ON runs BEGIN DELETE FROM results; END",
        "CREATE TRIGGER wide AFTER UPDATE ON events BEGIN DELETE FROM events; END",
    ],
)
def test_a_store_that_would_run_something_is_refused(
    store: bytes, recording: bytes, change: str, tmp_path: Path
) -> None:
    path = tmp_path / "runs.sqlite"
    is_recording = "events" in change
    path.write_bytes(recording if is_recording else store)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(change)
    with pytest.raises(StoreError, match="tables"):
        Recording(path) if is_recording else Store(path)


@pytest.mark.parametrize(
    ("kind", "body"),
    [("console", "[1]"), ("console", "7"), ("console", "[" * 10**5), ("result", "{}"), ("connection", '{"state": 1}')],
)
def test_events_that_make_no_sense_are_refused(recording: bytes, kind: str, body: str, tmp_path: Path) -> None:
    path = tmp_path / "a.vwwrec"
    path.write_bytes(recording)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE events SET kind = ?, body = ?", (kind, body))
    with pytest.raises(StoreError, match="damaged"), Recording(path) as opened:
        list(opened.events())


def test_a_frame_that_would_fill_the_memory_is_refused(recording: bytes, tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(png, "PNG")
    path = tmp_path / "a.vwwrec"
    changed(recording, path, "events", "pixels", png.getvalue(), 2)
    with pytest.raises(StoreError, match="damaged"), Recording(path) as opened:
        list(opened.events())


def test_a_picture_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="no file"):
        read_picture_file(tmp_path / "pipe.png")


def test_noise_as_a_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.rec"
    path.write_bytes(Random(1).randbytes(5000))
    with pytest.raises(StoreError):
        Recording(path)
