"""What a killed ``flash`` leaves: PlatformIO with its compilers, and folders of sources.

Both are kept where the next build, or ``doctor``, finds them: it ends the processes and removes the folders.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from filelock import FileLock, Timeout

from vww_deploy.errors import BuildError
from vww_deploy.resources import cache_dir

_NOTE: Final = "running.json"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder in the user's cache for the time of the block, named after this process.

    Raises:
        BuildError: its disk is full, then or in the block.
    """
    _sweep_folders()
    parent = _scratch()
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


@contextmanager
def noted(project: Path, pid: int) -> Iterator[None]:
    """Within the block it is written down in ``project``, whose lock the caller holds, that process ``pid`` builds."""
    note = project / _NOTE
    with contextlib.suppress(psutil.NoSuchProcess):  # one that has ended already
        note.write_text(json.dumps({"pid": pid, "started": psutil.Process(pid).create_time()}), encoding="utf-8")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def end_left(project: Path) -> bool:
    """Ends what a killed build left running in ``project``, whose lock the caller holds; whether there was any."""
    note = project / _NOTE
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
        process = psutil.Process(int(said["pid"]))
        left = abs(process.create_time() - float(said["started"])) < 1  # not another one that has its number by now
    except (OSError, ValueError, TypeError, KeyError, psutil.Error):
        left = False
    if left:
        end_tree(process.pid)
    note.unlink(missing_ok=True)
    return left


def end_tree(pid: int) -> None:
    """Ends a process and all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        for one in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def sweep() -> int:
    """Ends and removes all that killed builds left; returns how much that was."""
    found = _sweep_folders()
    for note in (cache_dir() / "build").glob(f"*/{_NOTE}"):
        with contextlib.suppress(Timeout), FileLock(note.with_name("lock"), blocking=False):
            found += end_left(note.parent)
    return found


def _scratch() -> Path:
    return cache_dir() / "scratch"


def _sweep_folders() -> int:
    found = 0
    for folder in _scratch().glob("*-*"):
        pid = folder.name.partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
            found += 1
    return found
