"""A monitor's port is handed over to ``flash`` and back, across processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vww_deploy.errors import LinkError
from vww_deploy.link import portlock

PORT = "/dev/ttyTEST"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path))


def test_the_owner_is_named_and_only_while_it_holds_the_port() -> None:
    assert portlock.owner_of(PORT) == ""
    with portlock.holding(PORT, "a monitor"):
        assert portlock.owner_of(PORT).startswith("a monitor (process ")
        assert portlock.owner_of("/dev/ttyOTHER") == ""
        with pytest.raises(LinkError, match=r"/dev/ttyTEST: a monitor \(process"), portlock.holding(PORT, "another"):
            pass
    assert portlock.owner_of(PORT) == ""


def test_who_has_just_taken_the_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    named = threading.Event()
    write = Path.write_text

    def late(path: Path, text: str, encoding: str) -> int:
        named.wait(0.1)
        return write(path, text, encoding=encoding)

    monkeypatch.setattr(Path, "write_text", late)
    thread = threading.Thread(target=lambda: _hold_for(named))
    thread.start()
    try:
        while not (owner := portlock.owner_of(PORT)):
            pass
        assert owner.startswith("a monitor (process ")
    finally:
        named.set()
        thread.join()


def _hold_for(done: threading.Event) -> None:
    with portlock.holding(PORT, "a monitor"):
        done.wait(10)


def test_who_wants_the_port_waits_until_it_is_let_go() -> None:
    had = threading.Event()

    def flash() -> None:
        with portlock.taking(PORT, "flash"):
            had.set()
            assert portlock.owner_of(PORT).startswith("flash")

    thread = threading.Thread(target=flash)
    with portlock.holding(PORT, "a monitor"):
        assert portlock.wanted_by(PORT) == ""
        thread.start()
        while not portlock.wanted_by(PORT).startswith("flash"):
            pass
        assert not had.is_set()
    thread.join()
    assert had.is_set()
    assert portlock.wanted_by(PORT) == ""


def test_who_does_not_let_go_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portlock, "TAKE_TIMEOUT_S", 0.1)
    with (
        portlock.holding(PORT, "a monitor"),
        pytest.raises(LinkError, match=r"a monitor .* has the board"),
        portlock.taking(PORT, "flash"),
    ):
        pass


def test_the_lock_of_a_killed_program_is_gone() -> None:
    code = f"""
from vww_deploy.link import portlock
with portlock.holding({PORT!r}, "a monitor"):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as monitor:
        assert monitor.stdout is not None
        assert monitor.stdout.readline() == b"held\n"
        assert portlock.owner_of(PORT) == f"a monitor (process {monitor.pid})"
        monitor.kill()
        monitor.wait()
        with portlock.taking(PORT, "flash"):
            pass
