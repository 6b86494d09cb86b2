"""Folders for what programs make on the way: in the user's cache, where the next one removes what a killed one left."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from vww_deploy.errors import BuildError
from vww_deploy.resources import cache_dir


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder in the user's cache for the time of the block, named after this process.

    Raises:
        BuildError: its disk is full, then or in the block.
    """
    sweep_folders()
    parent = _parent()
    try:
        parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=parent) as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise disk_full(parent) from error


def disk_full(folder: Path) -> BuildError:
    """What to say of it."""
    return BuildError(
        f"the disk of {folder} is full",
        hint="free some space there, or name a folder on another disk in the environment variable VWW_DEPLOY_CACHE",
    )


def environment(folder: Path) -> dict[str, str]:
    """For a program whose own temporary files go to ``folder``: a compiler that is killed leaves them."""
    return {**os.environ, **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(folder))}


def sweep_folders() -> int:
    """Removes the folders of processes that are gone; returns how many those were."""
    found = 0
    for folder in _parent().glob("*-*"):
        pid = folder.name.partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
            found += 1
    return found


def _parent() -> Path:
    return cache_dir() / "scratch"
