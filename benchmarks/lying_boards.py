"""Lying boards before the commands that talk to one: the figures of docs/security.md.

    python benchmarks/lying_boards.py               # every lie before every command; goes on where it stopped
    python benchmarks/lying_boards.py --only 17     # one, in this process, with its traceback

A played board on a pseudo-terminal tells the truth but for one lie: a field of one kind of message holds its least, its
largest or another number, or the board is silent, noisy, refuses, restarts. The commands' waits are the named ones of
``Timeouts``, a tenth as long. ``traceback``, ``died`` and ``hung`` must not be.
"""

from __future__ import annotations

import dataclasses
import os
import pty
import sys
import tempfile
import threading
import traceback
import tty
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support import campaign
from tests.support.random_models import RandomModel
from tests.support.reference_device import described
from vww_deploy.cli import build
from vww_deploy.errors import VwwError
from vww_deploy.graph import Graph, read_model
from vww_deploy.link import channel
from vww_deploy.link import messages as m
from vww_deploy.link.frames import Decoder, Frame, encode_frame
from vww_deploy.link.schema import layout

BAD = ("traceback", "died", "hung")
PATIENCE_S = 300
COMMANDS = ("run", "verify", "bench", "camera", "mlperf")
ANSWERS = (m.Info, m.Ack, m.Result, m.Values, m.Stats, m.Prepared, m.CameraOpened, m.LiveSet, m.Shot, m.FramePiece)
WHOLE = ("silent", "noise", "text", "echo", "half frames", "refused", "restarted", "another answer", "twice", "late")
Lie = tuple[str, str, int]
"""A message and its field, or "" and a manner of :data:`WHOLE`; and which value."""


@cache
def model() -> bytes:
    made = RandomModel(np.random.default_rng(3), 24, 24, 1)
    made.layer(4, 3, 2)
    made.layer(2, 3, 2)
    made.flatten()
    return made.finish()


@cache
def lies() -> tuple[Lie, ...]:
    """One of each field, the value by turns the least, the largest and another; then the manners."""
    found = [(kind.__name__, field.name) for kind in ANSWERS for field in layout(kind)]
    return (*((*one, number % 3) for number, one in enumerate(found)), *(("", manner, 0) for manner in WHOLE))


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


class Board:
    """The played board: answers requests truthfully, then the lie is put in."""

    def __init__(self, graph: Graph, lie: Lie) -> None:
        self.graph, self.lie = graph, lie
        self.session = 0
        self.received: dict[int, int] = {}
        told = described(graph)
        height, width, channels = told.pop("input_shape")
        digest = bytes.fromhex(told.pop("model_sha256"))
        self.told = {**told, "height": height, "width": width, "channels": channels, "model_sha256": digest}

    def answer(self, request: m.Message) -> m.Message | None:
        session, size = self.session, self.graph.output_activation.size
        match request:
            case m.Hello():
                self.session = request.session
                fixed = {"version": 1, "schema": m.SCHEMA_HASH, "session": self.session, "firmware": "1", "clock": 1}
                more = {"board": "nano33ble", "clock_hz": 64_000_000, "chunk": 512, "window": 4, "features": 7}
                return m.Info(**{**fixed, **more, **self.told})
            case m.Write():
                at = self.received.get(request.id, 0)
                if request.offset == at:
                    self.received = {request.id: at + len(request.data)}
                return m.Ack(session, request.id, self.received.get(request.id, 0))
            case m.Infer():
                return m.Result(session, request.id, m.Status.OK, 1000, bytes(size))
            case m.Layers():
                count = self.told["layers"]
                return m.Values(session, request.id, request.kind, 0, count, bytes(4 * count))
            case m.GetStats():
                return m.Stats(session, *[1] * 8)
            case m.Prepare():
                return m.Prepared(session)
            case m.OpenCamera():
                return m.CameraOpened(session, request.opening, m.CameraStatus.OK, 1 << 16, "played")
            case m.Live():
                return m.LiveSet(session, request.run, request.keep)
            case m.Poll():
                return m.Shot(session, 1, 1, 1, 0, 0, 0, 5, 5, 5, 5, 1000, bytes(size))
            case m.ReadFrame():
                total = 176 * 144 if request.kind == m.FrameKind.RAW else self.graph.input_activation.size
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
        if of or isinstance(request, m.Hello):
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

    def serve(self, fd: int) -> None:
        """Until the port is closed."""
        decoder = Decoder()
        while True:
            try:
                data = os.read(fd, 4096)
            except OSError:
                return
            if not data:
                return
            for event in decoder.feed(data):
                if isinstance(event, Frame) and event.type in m.BY_TYPE:
                    try:
                        request = m.BY_TYPE[event.type].unpack(event.payload)
                        os.write(fd, self.on_the_wire(request, event.sequence))
                    except (m.BadMessageError, OSError):
                        continue


def outcome(command: str, lie: Lie, folder: Path) -> campaign.Record:
    """What came of one command before one board."""
    path = folder / "played.tflite"
    path.write_bytes(model())
    master, slave = pty.openpty()
    tty.setraw(slave)
    board = Board(read_model(path), lie)
    threading.Thread(target=board.serve, args=(master,), daemon=True).start()
    port, picture = os.ttyname(slave), folder / "picture.png"
    Image.new("L", (24, 24), 99).save(picture)
    names = [f"{number}.bin" for number in range(5)]
    (folder / "y_labels.csv").write_text("".join(f"{name},2,1\n" for name in names))
    for name in names:
        (folder / name).write_bytes(bytes(24 * 24))
    os.environ["VWW_DEPLOY_STATE"], os.environ["VWW_DEPLOY_CACHE"] = str(folder / "state"), str(folder / "cache")
    arguments = {
        "run": ["run", str(picture), "--model", str(path), "--port", port],
        "verify": ["verify", str(path), "--port", port],
        "bench": ["bench", str(path), "--port", port, "--runs", "2"],
        "camera": ["camera", "--check", "--model", str(path), "--port", port],
        "mlperf": ["mlperf", str(folder), "--port", port],
    }[command]
    said = CliRunner().invoke(build(), arguments)
    if said.exception is not None and not isinstance(said.exception, VwwError | SystemExit):
        return {"outcome": "traceback", "why": "".join(traceback.format_exception(said.exception))[-700:]}
    if said.exit_code == 0:
        return {"outcome": "finished"}
    return {"outcome": "error in words", "why": str(said.exception)[:200]}


def work(cases: list[int]) -> Iterable[campaign.Record]:
    for name, seconds in dataclasses.asdict(channel.DEFAULT_TIMEOUTS).items():
        object.__setattr__(channel.DEFAULT_TIMEOUTS, name, seconds / 10)
    for case in cases:
        lie, command = lies()[case % len(lies())], COMMANDS[case // len(lies())]
        with tempfile.TemporaryDirectory() as folder:
            try:
                record = outcome(command, lie, Path(folder))
            except Exception:
                record = {"outcome": "traceback", "why": traceback.format_exc()[-700:]}
        yield {"case": case, "command": command, "lie": " ".join(map(str, lie)), **record}


def warm_up() -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert outcome("run", ("", "twice", 0), Path(folder))["outcome"] != "traceback"


if __name__ == "__main__":
    count = len(lies()) * len(COMMANDS)
    sys.exit(campaign.main(__doc__ or "", count, work, BAD, title="lying boards", seconds=PATIENCE_S, warm_up=warm_up))
