"""Who has a board's port, across processes: a monitor lets go of it for as long as ``flash`` needs it.

Locks in the cache: ``.owner`` is held by the program that watches the board, ``.wanted`` by the one that asks for it,
``.offered`` by the worker that offers the board to a fleet, and a text file beside each says who that is. The system
releases a lock when its process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from vww_deploy.errors import LinkError
from vww_deploy.resources import cache_dir

FLASH: Final = "vww-deploy flash"
"""What an upload calls itself to whoever has the board."""

TAKE_TIMEOUT_S: Final = 30.0
"""A monitor lets go after the inference in hand; the slowest model and a repeated request take some seconds."""

_NAME_TIMEOUT_S: Final = 0.5


@contextlib.contextmanager
def holding(port: str, who: str) -> Iterator[None]:
    """Hold ``port`` for watching it.

    Raises:
        LinkError: another program does.
    """
    with _locked(port, "owner", who, timeout_s=0):
        yield


@contextlib.contextmanager
def taking(port: str, who: str) -> Iterator[None]:
    """Have whoever watches the board at ``port`` let go of it, and keep it from coming back.

    Raises:
        LinkError: it does not let go.
    """
    with _locked(port, "wanted", who, TAKE_TIMEOUT_S), _locked(port, "owner", who, TAKE_TIMEOUT_S):
        yield


@contextlib.contextmanager
def offering(board: str, who: str, timeout_s: float = 0) -> Iterator[None]:
    """Be the one that offers the board of that serial number to a fleet; it may still be watched between two shards.

    Raises:
        LinkError: another program offers it.
    """
    with _locked(board, "offered", who, timeout_s):
        yield


def offered_by(board: str) -> str:
    """Who offers the board of that serial number to a fleet; empty if nobody does."""
    return _holder(board, "offered")


def wanted_by(port: str) -> str:
    """Who asks for the board at ``port``; empty if nobody does."""
    return _holder(port, "wanted")


def owner_of(port: str) -> str:
    """Who watches the board at ``port``; empty if nobody does."""
    return _holder(port, "owner")


def _holder(port: str, kind: str) -> str:
    place = _place(port, kind)
    try:
        with FileLock(place, blocking=False):
            return ""
    except Timeout:
        return _said(place)


@contextlib.contextmanager
def _locked(port: str, kind: str, who: str, timeout_s: float) -> Iterator[None]:
    place = _place(port, kind)
    lock = FileLock(place, timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout:
        raise LinkError(f"{port}: {_said(place)} has the board", hint="close it first") from None
    try:
        _text(place).write_text(f"{who} (process {os.getpid()})", encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            _text(place).unlink()
        lock.release()


def _place(port: str, kind: str) -> Path:
    folder = cache_dir() / "ports"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(str(Path(port).absolute()).encode()).hexdigest()[:16]
    return folder / f"{name}.{kind}"


def _text(place: Path) -> Path:
    return place.with_name(f"{place.name}.txt")


def _said(place: Path) -> str:
    """Who has a lock; the name is written a moment after the lock is taken."""
    until = time.monotonic() + _NAME_TIMEOUT_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if text := _text(place).read_text(encoding="utf-8", errors="replace")[:200]:
                return text
        time.sleep(0.01)
    return "another program"
