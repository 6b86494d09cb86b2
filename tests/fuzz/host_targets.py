"""The host's readers, each as a function of bytes: nothing but the reader's own errors may come out of it.

``test_fuzz_host.py`` runs them over the corpus, ``atheris_targets.py`` for as long as one likes.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from cobs import cobs

from vww_deploy.boards.camera_feed import take_requests
from vww_deploy.compiler import compiled
from vww_deploy.compiler.schedule import LayerOrder
from vww_deploy.errors import BoardError, DataError, LinkError, ModelError, StoreError
from vww_deploy.graph.reader import read_model
from vww_deploy.graph.stand_in import stand_in
from vww_deploy.link import camera, channel, device, jobs
from vww_deploy.link import messages as m
from vww_deploy.link.frames import HEADER, Decoder, Frame, encode_frame
from vww_deploy.link.transport import Line
from vww_deploy.pictures.camera_format import parse_format
from vww_deploy.pictures.card import ModelCard
from vww_deploy.runs import recording
from vww_deploy.runs import store as store_module
from vww_deploy.runs.store import RunHeader, Store
from vww_deploy.session import camera as watched
from vww_deploy.session import mlperf
from vww_deploy.session.events import Peer as Board

SESSION: Final = 7
PEER: Final = Board("virtual", "tty", "", "m", "ab" * 32)
FEATURES: Final = int(m.Feature.STAGED_INPUT | m.Feature.LAYERS | m.Feature.FRAMES)
_KINDS: Final = sorted(m.BY_TYPE)


class Clock:
    """Stands in for the module ``time``: it goes on when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Secrets:
    """Stands in for the module ``secrets``, so that an input means the same each time."""

    @staticmethod
    def randbelow(limit: int) -> int:
        # The session, the first picture's id less two, a message's number.
        return {(1 << 32) - 1: SESSION - 1, 1 << 31: -1}.get(limit, 0)


@contextlib.contextmanager
def made_time() -> Iterator[Clock]:
    """The link lives in made time, an hour of which is for ever; an answer is too long after 96 bytes or 20 s."""
    clock = Clock()
    changes: list[tuple[Any, str, Any]] = [
        *((module, "time", clock) for module in (channel, jobs, device, camera, watched, mlperf)),
        *((module, "secrets", Secrets) for module in (channel, jobs, camera)),
        (mlperf, "_MAX_ANSWER_BYTES", 96),
        (mlperf, "WHOLE_ANSWER_TIMEOUT_S", 20),
    ]
    before = [getattr(module, name) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        yield clock
        assert clock.now < 3600
    finally:
        for (module, name, _), value in zip(changes, before, strict=True):
            setattr(module, name, value)


class Peer:
    """A board that is greeted and then says what the fuzzer wants; silent when that is used up.

    The data is records: a byte of kind, a byte of length, so many bytes. Kind 0 is raw bytes, every other one a message
    of that type, in this session, as the answer to the host's last request. Waiting for a silent board takes a few long
    sleeps, as on a computer that was stopped: a wait that ends has ended soon.
    """

    name = "peer"
    line = Line()

    def __init__(self, clock: Clock, data: bytes) -> None:
        self._clock, self._data = clock, data
        self._sequence = 0
        self._hello = _greeting()

    def read(self, timeout_s: float) -> bytes:
        self._clock.now += 0.001 if self._data else max(timeout_s, 5.0)
        if self._hello:
            hello, self._hello = self._hello, b""
            return hello
        if len(self._data) < 2:
            self._data = b""
            return b""
        kind, length = self._data[:2]
        payload, self._data = self._data[2 : 2 + length], self._data[2 + length :]
        if kind == 0:
            return payload
        return encode_frame(_KINDS[kind % len(_KINDS)], self._sequence, struct.pack("<I", SESSION) + payload)

    def write(self, data: bytes) -> None:
        if len(data) > 1:
            _, _, self._sequence = HEADER.unpack_from(cobs.decode(data[1:-1]))

    def reopen(self) -> None:
        """Always works."""

    def close(self) -> None:
        """Always works."""


def info(**changes: Any) -> m.Info:
    """What a board says of itself, but for ``changes``."""
    values: dict[str, Any] = dict(  # noqa: C408
        version=1,
        schema=m.SCHEMA_HASH,
        session=SESSION,
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


@cache
def _greeting() -> bytes:
    return encode_frame(m.Info.TYPE, 1, info(chunk=8, window=2, features=FEATURES).pack())


def decoder(data: bytes) -> None:
    """Cut anywhere, the same frames; and each is one that the encoder makes."""
    cut = data[0] if data else 0
    whole = [event for event in Decoder().feed(data) if isinstance(event, Frame)]
    parts = Decoder()
    again = [event for part in (data[:cut], data[cut:]) for event in parts.feed(part) if isinstance(event, Frame)]
    assert whole == again
    for frame in whole:
        assert list(Decoder().feed(encode_frame(frame.type, frame.sequence, frame.payload, frame.version))) == [frame]


def messages(data: bytes) -> None:
    if not data:
        return
    kind = m.BY_TYPE[_KINDS[data[0] % len(_KINDS)]]
    with contextlib.suppress(m.BadMessageError):
        kind.unpack(data[1:])


def client(data: bytes) -> None:
    with made_time() as clock, contextlib.suppress(LinkError):
        board = device.Device.connect(Peer(clock, data))
        picture = np.zeros(board.info.input_shape, np.int8)
        board.infer(picture)
        board.layer_digests(picture)
        board.stats()


def shots(data: bytes) -> None:
    with made_time() as clock, contextlib.suppress(LinkError, BoardError):
        lens = camera.DeviceCamera.open(device.Device.connect(Peer(clock, data)), parse_format("8x4:gray"))
        lens.start(keep=m.FrameKind.MODEL | m.FrameKind.RAW)
        for _ in range(2):
            shot = lens.next_shot(timeout_s=1)
            assert shot is None or shot.raw_picture is None or len(shot.raw_picture) == 32
        next(watched.pictures_of(lens, 1))


class Said:
    """A port on which the same is said for ever."""

    name = "port"
    line = Line()

    def __init__(self, clock: Clock, data: bytes) -> None:
        self._clock, self._data = clock, data

    def read(self, timeout_s: float) -> bytes:
        self._clock.now += 4.0 if self._data else max(timeout_s, 0.1)
        return self._data

    def write(self, data: bytes) -> None:
        """Takes anything."""

    def reopen(self) -> None:
        """Always works."""

    def close(self) -> None:
        """Always works."""


def benchmark(data: bytes) -> None:
    with made_time() as clock:
        dut = mlperf.Dut(Said(clock, data))
        for ask in (dut.identify, lambda: dut.load(bytes(4)), lambda: dut.infer(1, 0)):
            with contextlib.suppress(LinkError):
                ask()


def requests(data: bytes) -> None:
    pending = bytearray(data)
    for request in take_requests(pending):
        assert request.startswith(b"VQ")
    assert len(pending) < 16


@cache
def _models() -> list[bytes]:
    """A model for each operator and no more: read in well under a millisecond, and a changed byte hits something."""
    from tests.support.random_models import RandomModel

    files = []
    for seed, operator in enumerate(("conv", "depthwise", "pool", "add", "pad", "requantize", "reshape", "tail")):
        small = RandomModel(np.random.default_rng(seed), 3, 2, 2)
        getattr(small, operator)()
        files.append(small.finish())
    return files


def model(data: bytes) -> None:
    """A model's own bytes, or a small good model with some of its bytes changed."""
    if data and data[4:8] != b"TFL3":
        changed = bytearray(_models()[data[0] % len(_models())])
        for at, value in struct.iter_unpack("<HB", data[1 : 1 + (len(data) - 1) // 3 * 3]):
            changed[at % len(changed)] = value
        data = bytes(changed)
    # What is planned; and what inspect shows of a model that is refused.
    for read in (read_model, lambda refused: stand_in(refused).graph):
        with contextlib.suppress(ModelError):
            graph, _ = compiled._prepared(read(data))
            LayerOrder(graph)


class Draw:
    """Makes JSON values of the fuzzer's bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bool__(self) -> bool:
        return bool(self._data)

    def bytes(self, count: int) -> bytes:
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def number(self, limit: int) -> int:
        return int.from_bytes(self.bytes(1)) % limit

    def value(self, depth: int = 0) -> Any:
        match self.number(9 if depth < 3 else 7):
            case 0:
                return None
            case 1:
                return bool(self.number(2))
            case 2:
                return self.number(256)
            case 3:
                return int.from_bytes(self.bytes(8), signed=True)
            case 4:
                return struct.unpack("<d", self.bytes(8).ljust(8, b"\0"))[0]
            case 5:
                return self.bytes(self.number(12)).decode("latin-1")
            case 6:
                return "2026-01-01T00:00:00+00:00"
            case 7:
                return [self.value(depth + 1) for _ in range(self.number(4))]
            case _:
                return {str(self.value(3)): self.value(depth + 1) for _ in range(self.number(4))}

    def changed(self, good: dict[str, Any]) -> dict[str, Any]:
        """Some of a good object's values are others now."""
        changed = dict(good)
        names = sorted(changed)
        while self:
            name = names[self.number(len(names))]
            if isinstance(changed[name], dict) and self.number(2):
                inner = sorted(changed[name])
                changed[name] = {**changed[name], inner[self.number(len(inner))]: self.value()} if inner else {}
            else:
                changed[name] = self.value()
        return changed


_SPEC: Final = {"height": 4, "width": 4, "channels": 1, "resize": "squash", "pixel_range": [0, 1]}
_CARD: Final = {"name": "m", "input": _SPEC, "labels": ["none", "person"], "threshold": 0.5, "sha256": ""}
_HEADER: Final = json.loads(RunHeader(PEER, layers=(("conv", 5),), raw_camera="8x4:gray").to_json())
_BOARD: Final = dict.fromkeys(("board", "port", "firmware", "model", "model_sha256", "clock"), "x") | {
    "labels": ["none", "person"],
    **dict.fromkeys(("threshold", "clock_hz", "height", "width", "channels"), 1),
}
_PNG: Final = recording.to_png(np.zeros((2, 2, 1), np.uint8))
_EVENTS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("frame", {"number": 1, "source": "a", "sha256": "", "truth": 1}),
    (
        "result",
        {"number": 1, "p_person": 0.5, "latency_us": 1, "ticks": 1, "retries": 0}
        | {"outputs": [1, 2], "reference": None, "stages": [["upload", 5]]},
    ),
    ("skipped", {"source": "a", "reason": "b"}),
    ("timing", {"layers": [["conv", 5]]}),
    ("console", {"text": "a"}),
    ("link", dict.fromkeys(("bytes_in", "bytes_out", "retries", "errors", "drops"), 1)),
    ("connection", {"state": "connected", "reason": "", "board": _BOARD}),
]
_RESULT: Final = {
    "path": "a",
    "truth": 1,
    "sha256": "",
    "label": 1,
    "board_serial": "",
    "at": "2026-01-01T00:00:00+00:00",
    "position": 0,
    "p_person": 0.5,
    "latency_us": 1,
    "ticks": 1,
    "retries": 0,
    "outputs": b"ab",
    "reference": None,
}
_NO_SENSE: Final = (ValueError, TypeError, KeyError, RecursionError, DataError)
"""What the readers of run files make a StoreError of, and the reader of cards a DataError."""


def card(data: bytes) -> None:
    with contextlib.suppress(*_NO_SENSE):
        ModelCard.from_json(Draw(data).changed(_CARD))


def header(data: bytes) -> None:
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        RunHeader.from_json(json.dumps(Draw(data).changed(_HEADER)))


def row(data: bytes) -> None:
    """A result of a run store."""
    with contextlib.suppress(*_NO_SENSE):
        store_module._result(tuple(Draw(data).changed(_RESULT).values()))


def event(data: bytes) -> None:
    """An event of a recording."""
    draw = Draw(data)
    kind, good = _EVENTS[draw.number(len(_EVENTS))]
    body = json.dumps(draw.changed(good))
    with contextlib.suppress(*_NO_SENSE):
        recording.to_json(recording._from_row(1.0, kind, body, _PNG, None))


@cache
def _store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA page_size = 512")
            db.execute("VACUUM")
        with Store(path) as opened:
            opened.begin(RunHeader(PEER)).finish("complete")
        return path.read_bytes()


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Where the changed stores are written, one after the other; it goes with the process."""
    shared_memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None)


def store(data: bytes) -> None:
    """A small good run store with some of its bytes changed."""
    changed = bytearray(_store())
    for at, value in struct.iter_unpack("<HB", data[: len(data) // 3 * 3]):
        changed[at % len(changed)] = value
    path = Path(_folder().name) / "runs.sqlite"
    path.with_name("runs.sqlite-journal").unlink(missing_ok=True)  # the one before may have been left in the middle
    path.write_bytes(changed)
    with contextlib.suppress(StoreError), Store(path, create=False) as opened:
        for run in opened.runs():
            list(opened.results(run.id))
            opened.skipped(run.id)
            opened.resume(run.id)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (decoder, messages, client, shots, benchmark, requests, model, card, header, row, event, store)
}
