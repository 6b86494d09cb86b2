"""The firmware's link compiled for the host, with the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import pty
import subprocess
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.lockstep import compiled


@pytest.fixture(scope="session")
def host_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that ``host_device.cpp`` describes."""
    return compiled(tmp_path_factory.mktemp("link"), "host_device")


@pytest.fixture(scope="session")
def lockstep_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that ``lockstep_device.cpp`` describes."""
    return compiled(tmp_path_factory.mktemp("link"), "lockstep_device")


class HostBoard:
    """``host_device serve`` behind a tty."""

    def __init__(self, program: Path, *arguments: str) -> None:
        master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._program, self._arguments, self._master = program, arguments, master
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self._program), "serve", *self._arguments],
            stdin=self._master,
            stdout=self._master,
            stderr=subprocess.PIPE,
        )

    def restart(self) -> None:
        """What a watchdog or the reset button does: everything in the board's memory is gone, the tty is not."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def unplug(self) -> None:
        """The board and its tty are gone."""
        self.process.kill()
        self.process.wait()
        for end in (self._master, self._slave):
            os.close(end)
        self._master = self._slave = -1

    def close(self) -> None:
        if self._master >= 0:
            alive = self.process.poll() is None
            self.unplug()
            assert self.process.stderr is not None
            said = self.process.stderr.read().decode()
            assert alive and not said, f"the firmware's link died: {said}"


@pytest.fixture
def start_board(host_device: Path) -> Iterator[Callable[..., HostBoard]]:
    """Starts boards: ``start_board("staged")``; they are stopped after the test, which fails if one died of itself."""
    boards: list[HostBoard] = []

    def start(*arguments: str) -> HostBoard:
        boards.append(HostBoard(host_device, *arguments))
        return boards[-1]

    yield start
    for board in boards:
        board.close()
