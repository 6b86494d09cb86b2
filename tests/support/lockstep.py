"""A board in made time: the firmware's real link (lockstep_device.cpp), and a clock that stands still while anything
computes. Hours of a bad line take seconds, and every run is the same."""

from __future__ import annotations

import struct
import subprocess
import zlib
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest

from vww_deploy.link import channel, device, faults, jobs
from vww_deploy.link.transport import Line

INPUT_SHAPE: Final = (96, 96, 1)
LAYERS: Final = 4
_LINK: Final = Path(__file__).resolve().parents[2] / "firmware" / "lib" / "vww_link" / "src"
_PAIR: Final = struct.Struct("<II")


def compiled(folder: Path, name: str) -> Path:
    """The program of ``name``.cpp with the firmware's link, and the sanitizers."""
    program = folder / name
    sources = [str(Path(__file__).with_name(f"{name}.cpp")), *map(str, sorted(_LINK.glob("*.cpp")))]
    subprocess.run(
        [
            *("g++", "-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{_LINK}", "-o", str(program)),
            *sources,
        ],
        check=True,
    )
    return program


class Clock:
    """Stands in for the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    @classmethod
    def install(cls, monkeypatch: pytest.MonkeyPatch) -> Clock:
        """Has the client and the fault proxy live in made time; the client's ids repeat from run to run, too."""
        clock = cls()
        for module in (channel, jobs, device, faults):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr("secrets.randbelow", Random(1).randrange)
        return clock


class LockstepBoard:
    """A transport to the board; :meth:`reset` is its reset button."""

    line = Line()

    def __init__(self, program: Path, clock: Clock, *, layer_ms: int = 0, staged: bool = True) -> None:
        self._command = [str(program), str(layer_ms), *(["staged"] if staged else [])]
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self.reset()

    @property
    def name(self) -> str:
        return "lockstep"

    def reset(self) -> None:
        self.close()
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._waiting = b""
        self._sent = b""
        self._busy_until: float | None = None
        self._take_answer()

    def read(self, timeout_s: float) -> bytes:
        # At least a microsecond, so that rounding cannot make the clock stand still.
        deadline = self._clock.now + max(1e-6, timeout_s)
        while not self._sent and self._busy_until is not None and self._busy_until <= deadline:
            self._clock.now = max(self._clock.now, self._busy_until)
            self._let_run()
        if not self._sent:
            self._clock.now = deadline
        sent, self._sent = self._sent, b""
        return sent

    def write(self, data: bytes) -> None:
        self._waiting += data
        if self._busy_until is not None and self._busy_until > self._clock.now:
            return
        self._let_run()

    def reopen(self) -> None:
        self._sent = b""

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None

    def _let_run(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        now_ms = int(self._clock.now * 1000) & 0xFFFFFFFF
        data, self._waiting = self._waiting, b""
        self._process.stdin.write(_PAIR.pack(now_ms, len(data)) + data)
        self._process.stdin.flush()
        self._take_answer()

    def _take_answer(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        head = self._process.stdout.read(_PAIR.size)
        if not head:
            assert self._process.wait() == 0, "the firmware's link died"
            self.reset()
            return
        busy_ms, size = _PAIR.unpack(head)
        self._sent += self._process.stdout.read(size)
        self._busy_until = self._clock.now + busy_ms / 1000 if busy_ms else None


def pictures(count: int, seed: int = 5) -> list[npt.NDArray[np.int8]]:
    """Random pictures of the board's input shape."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, INPUT_SHAPE, np.int8) for _ in range(count)]


def right_outputs(images: list[npt.NDArray[np.int8]]) -> list[list[int]]:
    """What the board's engine answers, computed here."""
    return [np.frombuffer(struct.pack("<I", zlib.crc32(i.tobytes()))[:2], np.int8).tolist() for i in images]
