"""Lying boards before the commands that talk to one: the figures of docs/security.md.

    python benchmarks/lying_boards.py               # every lie before every command; goes on where it stopped
    python benchmarks/lying_boards.py --only 17     # one, in this process, with its traceback

A played board on a pseudo-terminal tells the truth but for one lie: a field of one kind of message holds its least, its
largest or another number, or the board is silent, noisy, refuses, restarts. ``mlperf`` has lies of its own, in each
line of the benchmark's dialogue. The waits are the named ones, a tenth as long. ``monitor`` is ended by Ctrl-C after
three seconds. ``traceback``, ``died`` and ``hung`` must not be, nor may the truth end in an error.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pty
import signal
import sys
import tempfile
import threading
import traceback
import tty
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support import campaign
from tests.support.lying_board import (
    SIDE,
    TRUTH,
    BenchmarkBoard,
    Lie,
    LinkBoard,
    benchmark_lies,
    link_lies,
    model,
    serve,
)
from vww_deploy.boards.drivers.usb import UsbDriver
from vww_deploy.boards.platformio import FirmwareImage
from vww_deploy.compiler import Compiled, HostEngine, compile_model
from vww_deploy.errors import VwwError
from vww_deploy.link import camera, channel
from vww_deploy.session import camera as stills
from vww_deploy.session import mlperf

BAD = ("traceback", "died", "hung", "truth refused")
PATIENCE_S = 300
WATCHED_S = 3.0
"""What ``monitor`` is given before Ctrl-C."""
COMMANDS = ("run", "verify", "bench", "camera", "monitor", "pytest")
BOARD_TEST = """
import numpy as np
from vww_deploy.hil import assert_bit_exact, assert_latency

def test_a_picture(vww_device, vww_board, vww_model):
    picture = np.zeros(vww_device.info.input_shape, np.int8)
    assert_bit_exact(vww_device, vww_board, {"zeros": picture})
    assert_latency(vww_device, max_ticks=2000)

def test_layers(vww_device, vww_board, vww_model):
    picture = np.ones(vww_device.info.input_shape, np.int8)
    assert len(vww_device.layer_digests(picture)) == len(vww_board.report.layers)
    vww_device.stats()
"""


@cache
def engine() -> tuple[Compiled, HostEngine]:
    compiled = compile_model(model())
    return compiled, HostEngine(compiled)


@cache
def cases() -> tuple[tuple[str, Lie], ...]:
    over_link = [(command, lie) for command in COMMANDS for lie in link_lies()]
    return (*over_link, *(("mlperf", lie) for lie in benchmark_lies()))


@contextlib.contextmanager
def interrupted(seconds: float) -> Iterator[None]:
    """Ctrl-C after that long, if the block is not over by then."""
    timer = threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Watcher:
    """A pytest plugin that keeps what the tests raised."""

    def __init__(self) -> None:
        self.raised: list[BaseException] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None:
            self.raised.append(call.excinfo.value)


def tested(folder: Path, path: Path, port: str) -> campaign.Record:
    """What pytest says with the board; it is taken as flashed."""

    @contextlib.contextmanager
    def uploaded(_self: Any, _library: Path, *, port: str, **_more: Any) -> Iterator[tuple[FirmwareImage, str]]:
        yield FirmwareImage(path, 1, 1), port

    UsbDriver.upload = uploaded  # type: ignore[method-assign,assignment]
    (folder / "test_it.py").write_text(BOARD_TEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    watcher = Watcher()
    arguments = ["-p", "no:cacheprovider", "-c", str(folder / "pytest.ini"), str(folder / "test_it.py")]
    board = ["--vww-board", "nano33ble", "--vww-port", port, "--vww-model", str(path)]
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        code = pytest.main([*arguments, *board], plugins=[watcher])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return {"outcome": "traceback", "why": said.getvalue()[-700:]}
    for error in watcher.raised:
        if not isinstance(error, VwwError | AssertionError | pytest.fail.Exception):
            return {"outcome": "traceback", "why": "".join(traceback.format_exception(error))[-700:]}
    if code == pytest.ExitCode.OK:
        return {"outcome": "finished"}
    return {"outcome": "error in words", "why": str(watcher.raised[0])[:200]}


def outcome(command: str, lie: Lie, folder: Path) -> campaign.Record:
    """What came of one command before one board."""
    path = folder / "played.tflite"
    path.write_bytes(model())
    master, slave = pty.openpty()
    tty.setraw(slave)
    board = BenchmarkBoard(lie) if command == "mlperf" else LinkBoard(*engine(), lie)
    threading.Thread(target=serve, args=(board, master), daemon=True).start()
    port, picture = os.ttyname(slave), folder / "picture.png"
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    names = [f"{number}.bin" for number in range(5)]
    (folder / "y_labels.csv").write_text("".join(f"{name},2,1\n" for name in names))
    for name in names:
        (folder / name).write_bytes(bytes(SIDE * SIDE))
    os.environ["VWW_DEPLOY_STATE"], os.environ["VWW_DEPLOY_CACHE"] = str(folder / "state"), str(folder / "cache")
    if command == "pytest":
        return tested(folder, path, port)
    arguments = {
        "run": ["run", str(picture), "--model", str(path)],
        "verify": ["verify", str(path)],
        "bench": ["bench", str(path), "--runs", "2"],
        "camera": ["camera", "--model", str(path), "--count", "2", "--out", str(folder / "stills")],
        "monitor": ["monitor", str(picture), "--model", str(path), "--plain", "--record", str(folder / "r.vwwrec")],
        "mlperf": ["mlperf", str(folder)],
    }[command]
    with interrupted(WATCHED_S) if command == "monitor" else contextlib.nullcontext():
        ended = campaign.invoked([*arguments, "--port", port])
    if ended is not None and not isinstance(ended, VwwError | SystemExit):
        return {"outcome": "traceback", "why": "".join(traceback.format_exception(ended))[-700:]}
    by_key = command == "monitor" and isinstance(ended, SystemExit) and ended.code == 128 + signal.SIGINT
    if ended is None or by_key:
        return {"outcome": "finished"}
    return {"outcome": "error in words", "why": str(ended)[:200]}


def shorten_waits() -> None:
    """A tenth of each."""
    for name, seconds in dataclasses.asdict(channel.DEFAULT_TIMEOUTS).items():
        object.__setattr__(channel.DEFAULT_TIMEOUTS, name, seconds / 10)
    for module, name in (
        (camera, "START_TIMEOUT_S"),
        (stills, "SHOT_TIMEOUT_S"),
        (mlperf, "INFER_TIMEOUT_S"),
        (mlperf, "WHOLE_ANSWER_TIMEOUT_S"),
    ):
        setattr(module, name, getattr(module, name) / 10)
    mlperf.Dut.command.__defaults__ = (mlperf.ANSWER_TIMEOUT_S / 10,)


def work(numbers: list[int]) -> Iterable[campaign.Record]:
    shorten_waits()
    for case in numbers:
        command, lie = cases()[case]
        with tempfile.TemporaryDirectory() as folder:
            try:
                record = outcome(command, lie, Path(folder))
            except Exception:
                record = {"outcome": "traceback", "why": traceback.format_exc()[-700:]}
        if lie == TRUTH and record["outcome"] == "error in words":
            record["outcome"] = "truth refused"
        yield {"case": case, "command": command, "lie": " ".join(map(str, lie)), **record}


def warm_up() -> None:
    engine()
    with tempfile.TemporaryDirectory() as folder:
        assert outcome("run", TRUTH, Path(folder))["outcome"] == "finished"


if __name__ == "__main__":
    sys.exit(
        campaign.main(__doc__ or "", len(cases()), work, BAD, title="lying boards", seconds=PATIENCE_S, warm_up=warm_up)
    )
