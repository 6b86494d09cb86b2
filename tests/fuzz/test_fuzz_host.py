"""The host's readers fed with what a hostile board, model or run store could hold: each fails in its own words."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vww_deploy.errors import DataError, LinkError, ModelError, StoreError
from vww_deploy.graph.card import ModelCard
from vww_deploy.graph.reader import read_model
from vww_deploy.link import device as client
from vww_deploy.link import messages as m
from vww_deploy.link.device import Device
from vww_deploy.link.frames import MAX_ENCODED_BYTES, Broken, Decoder, Frame, Text, encode_frame
from vww_deploy.resources import models_dir
from vww_deploy.runs.recording import Recording
from vww_deploy.runs.store import Picture, RunHeader, Store

quick = settings(derandomize=True, deadline=None, max_examples=200, database=None)

FRAMES = st.builds(encode_frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=300))
WIRE = st.lists(st.one_of(st.binary(max_size=80), FRAMES, st.just(b"\0"), st.just(b"log line\r\n")), max_size=12).map(
    b"".join
)


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


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def info(**changes: Any) -> m.Info:
    values: dict[str, Any] = dict(  # noqa: C408
        version=1,
        schema=m.SCHEMA_HASH,
        session=7,
        firmware="0.1.0",
        board="virtual",
        model_sha256=bytes(32),
        height=4,
        width=4,
        channels=1,
        input_scale=1.0,
        input_zero_point=0,
        outputs=2,
        output_scale=1.0,
        output_zero_point=0,
        clock=0,
        clock_hz=1,
        chunk=64,
        window=8,
        layers=3,
        features=3,
    )
    return m.Info(**values | changes)


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
    clock = Clock()
    greeting = encode_frame(m.Info.TYPE, 1, info(**changes).pack())
    board = HostileBoard(clock, [greeting, *(on_the_wire(answer, sequence) for answer, sequence in answers)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "time", clock)
        patch.setattr(client.secrets, "randbelow", {1 << 16: 0, 1 << 31: -1, (1 << 32) - 1: 6}.__getitem__)
        with contextlib.suppress(LinkError, DataError):
            device = Device.connect(board)
            shape = device.info.input_shape
            if 0 < np.prod(shape, dtype=np.int64) < 1 << 16:
                device.infer(np.zeros(shape, np.int8))
                device.layer_digests(np.zeros(shape, np.int8))
    assert clock.now < 3600


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
    import json

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card.json"
        path.write_text(json.dumps(values))
        with contextlib.suppress(DataError, ModelError):
            ModelCard.load(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("store") / "runs.sqlite"
    with Store(path) as opened:
        header = RunHeader(
            board="virtual",
            port="tty",
            model="m",
            model_sha256="ab" * 32,
            model_path="m.tflite",
            firmware_version="0.1.0",
            protocol=1,
            labels=("no person", "person"),
            threshold=0.5,
            clock="instructions",
            clock_hz=1,
            reference=True,
        )
        writer = opened.begin(header, [Picture(f"{i}.png", i % 2) for i in range(20)])
        writer.skip(3, "unreadable")
        writer.finish("complete")
    return path.read_bytes()


def read_everything(path: Path) -> None:
    with contextlib.suppress(StoreError), Store(path, create=False) as opened:
        for run in opened.runs():
            with contextlib.suppress(StoreError):
                list(opened.results(run.id))
                opened.skipped(run.id)
                opened.resume(run.id)


@settings(quick, max_examples=150)
@given(edits=EDITS, keep=st.none() | st.integers(0, 1 << 30))
def test_a_damaged_store_is_read_or_refused(store: bytes, edits: list[Edit], keep: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        path.write_bytes(damaged(store, edits, keep))
        read_everything(path)
        with contextlib.suppress(StoreError), Recording(path) as recording:
            list(recording.events())


@settings(quick, max_examples=100)
@given(
    st.sampled_from([("runs", "header"), ("runs", "state"), ("pictures", "path"), ("pictures", "position")]),
    st.one_of(st.none(), st.integers(-(2**62), 2**62), st.floats(), st.text(max_size=20), st.binary(max_size=20)),
)
def test_a_store_with_other_values_is_read_or_refused(store: bytes, where: tuple[str, str], value: Any) -> None:
    table, column = where
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        path.write_bytes(store)
        with contextlib.closing(sqlite3.connect(path)) as db, contextlib.suppress(sqlite3.Error), db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", (value,))
        read_everything(path)


def test_noise_as_a_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.rec"
    path.write_bytes(Random(1).randbytes(5000))
    with pytest.raises(StoreError):
        Recording(path)
