"""Files that others may have put there, and files that are written whole."""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

JSON_SCHEMA: Final = 1
"""Of what ``--json`` prints and ``runs export`` writes (docs/json.md): goes up when a field goes away or its meaning
changes."""


def check_file(path: Path) -> None:
    """Raise OSError if there is a pipe or a device, which one may wait for or read without end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is no file")


def resolve_inside(folder: Path, name: str) -> Path:
    """Where ``name``, as a list in ``folder`` has it, leads to: resolved. ValueError if it can lead nowhere."""
    try:
        return (folder / name).resolve()
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        raise ValueError(str(error)) from error


def shown(path: str) -> str:
    """A path as text that can be printed and stored: bytes that are no UTF-8 become ``\\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def meant(text: str) -> str:
    """The path that :func:`shown` made a text of, if there is a file of that name; else the text."""
    if "\\x" not in text or Path(text).exists():
        return text
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())
    path = os.fsdecode(raw)
    return path if Path(path).exists() else text


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: through a temporary one beside it, which takes its place when it is complete.

    A link stays one (what it leads to is replaced); pipes and devices are written to. What an earlier, killed call left
    beside the file is removed.

    Raises:
        OSError: that is not possible; the file is as it was.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)  # a terminal, a pipe; a folder raises
        return
    _sweep(path)
    unfinished = _unfinished(path)
    try:
        unfinished.write_bytes(content)
        if path.exists():
            shutil.copymode(path, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files (UTF-8, by path relative to ``folder``) so that none is ever half there.

    All of them are written beside the folder first. A new folder then appears as a whole; in one that exists already
    the files are put in their places one after the other, each whole, and what else is there stays.

    Raises:
        OSError: that is not possible; as long as the disk takes no more, nothing has been replaced.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    staged = _unfinished(folder)
    try:
        for name, text in files.items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).write_text(text, encoding="utf-8", newline="\n")
        if not folder.exists():
            staged.rename(folder)
            return
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).replace(folder / name)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _sweep(path: Path) -> None:
    """Remove the unfinished files of processes that are gone."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = left.name.split(".")[-2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            with suppress(OSError):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def make_private(path: Path) -> None:
    """An empty file that its owner alone reads and writes; one that is there already stays as it is.

    Where it cannot be made, whoever opens it next says why.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
