"""What a killed ``flash`` leaves running: PlatformIO with its compilers. The next build, or ``doctor``, ends it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from filelock import FileLock, Timeout

from vww_deploy.resources import cache_dir
from vww_deploy.scratch import sweep_folders

_NOTE: Final = "running.json"


@contextmanager
def noted(project: Path, pid: int) -> Iterator[None]:
    """Within the block it is written down in ``project``, whose lock the caller holds, that process ``pid`` builds."""
    note = project / _NOTE
    with contextlib.suppress(psutil.NoSuchProcess):  # one that has ended already
        note.write_text(json.dumps({"pid": pid, "started": _started(psutil.Process(pid))}), encoding="utf-8")
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
        left = abs(_started(process) - float(said["started"])) < 1  # not another one that has its number by now
    except (OSError, ValueError, TypeError, KeyError, psutil.Error):
        left = False
    if left:
        end_tree(process.pid)
    note.unlink(missing_ok=True)
    return left


def _started(process: psutil.Process) -> float:
    """Seconds after the computer's start: the time of day at which a process began goes with the clock when it is set.

    Raises:
        psutil.Error: the process has gone.
    """
    return process.create_time() - psutil.boot_time()


def end_tree(pid: int) -> None:
    """Ends a process and all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        for one in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def sweep() -> int:
    """Ends and removes all that killed builds left; returns how much that was."""
    found = sweep_folders()
    for note in (cache_dir() / "build").glob(f"*/{_NOTE}"):
        with contextlib.suppress(Timeout), FileLock(note.with_name("lock"), blocking=False):
            found += end_left(note.parent)
    return found
