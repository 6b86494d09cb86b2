"""Files that others may have put there, and files that are written whole."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def write_whole(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it: whole or not at all. Raises OSError if that is not possible."""
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Alone among the processes that lock the file ``path``, which is made for it; a killed one's lock is gone.

    Raises:
        BlockingIOError: ``how`` says not to wait, and another has it.
        OSError: the file cannot be made.
    """
    with path.open("w") as lock:
        fcntl.flock(lock, how)
        yield
