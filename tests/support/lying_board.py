"""A played board that tells the truth but for one lie, for campaigns: behind the link, or as the benchmark's device."""

from __future__ import annotations

import dataclasses
import os
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tests.support.random_models import RandomModel
from tests.support.reference_device import described
from vww_deploy.compiler import Compiled, HostEngine, layer_digest
from vww_deploy.link import messages as m
from vww_deploy.link.frames import Decoder, Frame, encode_frame
from vww_deploy.link.schema import layout

SIDE = 24
"""Of the model's input, in pixels, one channel."""
ANSWERS = (
    *(m.Info, m.Ack, m.Result, m.Values, m.Stats, m.ResetDone, m.Prepared),
    *(m.CameraOpened, m.LiveSet, m.Shot, m.FramePiece),
)
MANNERS = ("silent", "noise", "text", "echo", "half frames", "refused", "restarted", "another answer", "twice", "late")
LINES = {
    "name": "m-name-dut-[vww-deploy nano33ble]",
    "model": "m-model-[vww01]",
    "expecting": f"m-[Expecting {SIDE * SIDE} bytes]",
    "done": "m-load-done",
    "begin": "m-lap-us-1000",
    "end": "m-lap-us-201000",
    "results": "m-results-[0.250,0.750]",
    "ready": "m-ready",
}
"""Of the benchmark's dialogue, in the device's words."""
LINE_LIES = (
    *("missing", "empty", "endless number", "negative", "zero", "escapes", "not a number", "half", "twice"),
    *("an error", "a long line", "no line end", "lines without end"),
)
Lie = tuple[str, str, int]
"""Of a message its field and which value; "" and one of :data:`MANNERS`; "line", one of :data:`LINES` and the number
of one of :data:`LINE_LIES`. :data:`TRUTH` is none."""
TRUTH: Lie = ("", "truth", 0)


@cache
def model() -> bytes:
    """A small model of two outputs."""
    made = RandomModel(np.random.default_rng(3), SIDE, SIDE, 1)
    made.layer(4, 3, 2)
    made.layer(2, 3, 2)
    made.flatten()
    return made.finish()


@cache
def link_lies() -> tuple[Lie, ...]:
    """The truth; one of each field, by turns its least, its largest and another value; then the manners."""
    found = [(kind.__name__, field.name) for kind in ANSWERS for field in layout(kind)]
    fields = ((*one, number % 3) for number, one in enumerate(found))
    return (TRUTH, *fields, *(("", manner, 0) for manner in MANNERS))


@cache
def benchmark_lies() -> tuple[Lie, ...]:
    """The truth, and everything that a line can be instead of what it should."""
    return (TRUTH, *(("line", line, number) for line in LINES for number in range(len(LINE_LIES))))


def falsified(message: m.Message, name: str, which: int) -> m.Message:
    """The message with another value in a field."""
    (field,) = (field for field in layout(type(message)) if field.name == name)
    kind, value = field.kind, cast(Any, getattr(message, name))
    if kind.name == "f32":
        value = (0.0, float("inf"), float("nan"))[which]
    elif kind.number:
        bits = 8 * int(kind.name[1:]) // 8
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.name[0] == "i" else (0, (1 << bits) - 1)
        value = (least, most, min(value + 1, most))[which]
    elif kind.name == "text":
        value = ("", "\x1b[2J" * 60, "../../x")[which]
    else:
        value = (b"", bytes(1000), bytes(len(value) + 1))[which] if not kind.size else b"\xff" * kind.size
    return dataclasses.replace(message, **{name: value})


class LinkBoard:
    """Answers the link's requests, with the compiled model's own results."""

    def __init__(self, compiled: Compiled, engine: HostEngine, lie: Lie) -> None:
        graph = compiled.graph
        self.compiled, self.engine, self.lie = compiled, engine, lie
        self.session = self.shots = 0
        self.pictures: dict[int, bytes] = {}
        truth = described(graph)
        height, width, channels = truth.pop("input_shape")
        digest = bytes.fromhex(truth.pop("model_sha256"))
        self.described = {**truth, "height": height, "width": width, "channels": channels, "model_sha256": digest}
        self.decoder = Decoder()

    def heard(self, data: bytes) -> Iterator[bytes]:
        """What is said to what was heard."""
        for event in self.decoder.feed(data):
            if isinstance(event, Frame) and event.type in m.BY_TYPE:
                try:
                    request = m.BY_TYPE[event.type].unpack(event.payload)
                except m.BadMessageError:
                    continue
                yield self.on_the_wire(request, event.sequence)

    def picture(self, number: int) -> npt.NDArray[np.int8]:
        shape = self.compiled.graph.input_activation.shape
        return np.frombuffer(self.pictures[number], np.int8).reshape(shape)

    def layers(self, request: m.Layers) -> bytes:
        made = self.engine.run_layers(self.picture(request.id))
        values = [layer_digest(one) if request.kind == m.LayerKind.DIGESTS else 100 for one in made]
        return np.array(values, "<u4")[request.first :].tobytes()

    def answer(self, request: m.Message) -> m.Message | None:
        session = self.session
        match request:
            case m.Hello():
                self.session = request.session
                fixed = {"version": 1, "schema": m.SCHEMA_HASH, "session": self.session, "firmware": "1", "clock": 1}
                more = {"board": "nano33ble", "clock_hz": 64_000_000, "chunk": 512, "window": 4, "features": 7}
                return m.Info(**{**fixed, **more, **self.described})
            case m.Write():
                had = self.pictures.get(request.id, b"")
                if request.offset == len(had):
                    had += request.data
                self.pictures = {**dict(list(self.pictures.items())[-3:]), request.id: had}
                return m.Ack(session, request.id, len(had))
            case m.Infer():
                whole = zlib.crc32(self.pictures.get(request.id, b"")) == request.crc
                if not whole or not self.pictures.get(request.id):
                    return m.Result(session, request.id, m.Status.NO_INPUT, 0, b"")
                outputs = self.engine.run(self.picture(request.id)).tobytes()
                return m.Result(session, request.id, m.Status.OK, 1000, outputs)
            case m.Layers():
                count = self.described["layers"]
                return m.Values(session, request.id, request.kind, request.first, count, self.layers(request))
            case m.GetStats():
                return m.Stats(session, *[1] * 8)
            case m.Reset():
                self.session = 0
                return m.ResetDone(session)
            case m.Prepare():
                return m.Prepared(session)
            case m.OpenCamera():
                return m.CameraOpened(session, request.opening, m.CameraStatus.OK, 1 << 16, "played")
            case m.Live():
                return m.LiveSet(session, request.run, request.keep)
            case m.Poll():
                self.shots += not request.number
                number, outputs = request.number or self.shots, bytes(self.described["outputs"])
                return m.Shot(session, number, number, 1, 0, 0, 0, 5, 5, 5, 5, 1000, outputs)
            case m.ReadFrame():
                total = 176 * 144 if request.kind == m.FrameKind.RAW else SIDE * SIDE
                left = bytes(min(512, total - min(request.offset, total)))
                return m.FramePiece(session, request.number, request.kind, total, request.offset, left)
        return None

    def on_the_wire(self, request: m.Message, sequence: int) -> bytes:
        of, what, which = self.lie
        answer = self.answer(request)
        if answer is None:
            return b""
        if type(answer).__name__ == of:
            answer = falsified(answer, what, which)
        said = encode_frame(answer.TYPE, sequence, answer.pack())
        if self.lie == TRUTH or of or isinstance(request, m.Hello):
            return said
        other = m.ResetDone(self.session)
        manners: dict[str, Callable[[], bytes]] = {
            "silent": lambda: b"",
            "noise": lambda: np.random.default_rng(sequence).bytes(400),
            "text": lambda: b"all is well\n" * 50,
            "echo": lambda: encode_frame(request.TYPE, sequence, request.pack()),
            "half frames": lambda: said[: len(said) // 2],
            "refused": lambda: encode_frame(m.Refused.TYPE, sequence, m.Refused(3, "no").pack()),
            "restarted": lambda: encode_frame(m.Stats.TYPE, sequence, m.Stats(*[0] * 9).pack()),
            "another answer": lambda: encode_frame(other.TYPE, sequence, other.pack()),
            "twice": lambda: said * 2,
            "late": lambda: encode_frame(answer.TYPE, sequence - 1 & 0xFFFF, answer.pack()),
        }
        return manners[what]()


class BenchmarkBoard:
    """Answers the benchmark's commands."""

    def __init__(self, lie: Lie) -> None:
        self.lie = lie
        self.pending = b""
        self.taken = 0

    def heard(self, data: bytes) -> Iterator[bytes]:
        """What is said to what was heard."""
        *commands, self.pending = (self.pending + data).split(b"%")
        for command in commands:
            for line in (*self.answer(command.decode("latin-1").strip()), "ready"):
                yield from self.on_the_wire(line)

    def answer(self, command: str) -> tuple[str, ...]:
        if command.startswith("db load"):
            self.taken = 0
            return ("expecting",)
        if command.startswith("db "):
            self.taken += len(command[3:]) // 2
            return ("done",) if self.taken == SIDE * SIDE else ()
        answers = {"name": ("name",), "profile": ("model",)}
        return answers.get(command, ("begin", "end", "results") if command.startswith("infer") else ())

    def on_the_wire(self, line: str) -> Iterator[bytes]:
        truth = LINES[line].encode()
        of, what, which = self.lie
        if of != "line" or what != line:
            yield truth + b"\r\n"
            return
        manner = LINE_LIES[which]
        value = partial(_with_value, truth)
        if manner == "lines without end":
            for _ in range(5000):
                yield b"m-lines\r\n"
            return
        yield {
            "missing": b"",
            "empty": value(b"") + b"\r\n",
            "endless number": value(b"9" * 5000) + b"\r\n",
            "negative": value(b"-1") + b"\r\n",
            "zero": value(b"0") + b"\r\n",
            "escapes": value(b"\x1b[2J\x1b]0;x\x07\xff") + b"\r\n",
            "not a number": value(b"nan,inf") + b"\r\n",
            "half": truth[: len(truth) // 2] + b"\r\n",
            "twice": (truth + b"\r\n") * 2,
            "an error": b"e-[no]\r\n",
            "a long line": b"m-" + b"x" * 70_000 + b"\r\n",
            "no line end": truth,
        }[manner]


def _with_value(line: bytes, value: bytes) -> bytes:
    """The line with another value: what is in its brackets, or after its last "-"."""
    head, bracket, _ = line.partition(b"[")
    return head + b"[" + value + b"]" if bracket else line[: line.rindex(b"-") + 1] + value


def serve(board: LinkBoard | BenchmarkBoard, fd: int) -> None:
    """Play a board on a terminal until that is closed."""
    try:
        while data := os.read(fd, 4096):
            for said in board.heard(data):
                os.write(fd, said)
    except OSError:
        return
