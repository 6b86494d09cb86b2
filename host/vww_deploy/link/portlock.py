"""Who has a board's port, across processes: a monitor lets go of it for as long as ``flash`` needs it.

Two small files beside each other in the user's cache, each locked by whoever it names: ``.owner`` by the program that
watches the board, ``.wanted`` by the one that asks for it. The system releases a lock when its process ends, however it
ends. POSIX only, as the locks are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vww_deploy.errors import LinkError
from vww_deploy.resources import cache_dir

TAKE_TIMEOUT_S: Final = 30.0
"""A monitor lets go after the inference in hand; the slowest model and a repeated request take some seconds."""

_LOOK_S: Final = 0.05


@contextlib.contextmanager
def holding(port: str, who: str) -> Iterator[None]:
    """Hold ``port`` for watching it.

    Raises:
        LinkError: another program does.
    """
    with _open(port, "owner") as file:
        if not _lock(file):
            raise LinkError(f"{port}: {_said(file) or 'another program'} has the board", hint="close it first")
        _say(file, who)
        yield


@contextlib.contextmanager
def taking(port: str, who: str) -> Iterator[None]:
    """Have whoever watches the board at ``port`` let go of it, and keep it from coming back.

    Raises:
        LinkError: it does not let go.
    """
    with _open(port, "wanted") as wanted, _open(port, "owner") as owner:
        deadline = time.monotonic() + TAKE_TIMEOUT_S
        for file in (wanted, owner):
            while not _lock(file):
                if time.monotonic() > deadline:
                    raise LinkError(f"{port}: {_said(file) or 'another program'} has the board", hint="close it first")
                time.sleep(_LOOK_S)
            _say(file, who)
        yield


def wanted_by(port: str) -> str:
    """Who asks for the board at ``port``; empty if nobody does."""
    return _holder(port, "wanted")


def owner_of(port: str) -> str:
    """Who watches the board at ``port``; empty if nobody does."""
    return _holder(port, "owner")


def _holder(port: str, kind: str) -> str:
    with contextlib.suppress(OSError), _open(port, kind) as file:
        return "" if _lock(file) else _said(file) or "another program"
    return ""


@contextlib.contextmanager
def _open(port: str, kind: str) -> Iterator[int]:
    folder = cache_dir() / "ports"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(str(Path(port).absolute()).encode()).hexdigest()[:16]
    file = os.open(folder / f"{name}.{kind}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(file: int, who: str) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, f"{who} (process {os.getpid()})".encode(), 0)


def _said(file: int) -> str:
    return os.pread(file, 200, 0).decode(errors="replace")
