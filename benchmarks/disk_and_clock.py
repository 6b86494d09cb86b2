"""Commands on a disk that fills up, under a limit of file sizes, and while the clock is set back: docs/faults.md.

    python benchmarks/disk_and_clock.py               # 129 cases; goes on where it stopped
    python benchmarks/disk_and_clock.py --only 17     # one, in this process

The commands and what must hold afterwards are those of ``kills.py``; here they end by themselves. ``disk``: all that is
written goes to a file system of its own (tmpfs in a namespace; ``no mount`` where the system forbids that) that
has up to 200 KB left. ``limit``: no file may grow past some size (RLIMIT_FSIZE). ``clock``: it goes back by a day at a
random moment. Besides what ``kills.py`` names, ``traceback`` and ``silent`` must not be: something was not written, and
the command did not say so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks import kills
from tests.support import campaign
from vww_deploy import cli

BAD = (*kills.BAD, "traceback", "silent")
MANNERS = ("disk", "limit", "clock")
COMMANDS = ("run", "record", "compile", "report", "collect", "train", "flash")
COUNTS = {"train": 4, "flash": 4}
EACH = 7
WATCHED_S, LONGEST_S = 5.0, 600.0
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_DAY_S = 86_400.0


def cases() -> list[tuple[str, str]]:
    return [
        (command, manner)
        for number in range(max(EACH, *COUNTS.values()))
        for command in COMMANDS
        for manner in MANNERS
        if number < COUNTS.get(command, EACH)
    ]


def mount(folder: Path) -> bool:
    """A disk of 24 MB there, for this process and its children alone; False where the system forbids it."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWNS | _CLONE_NEWUSER):
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    return not libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=24m")


def set_back_after(seconds: float) -> None:
    """This process's clock, which a thread sets back by a day."""
    true_time, offset = time.time, [0.0]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(seconds=offset[0])

    for name, module in list(sys.modules.items()):
        if name.startswith("vww_deploy") and getattr(module, "datetime", None) is datetime:
            module.datetime = Clock  # type: ignore[attr-defined]
    time.time = lambda: true_time() - offset[0]
    timer = threading.Timer(seconds, offset.__setitem__, [0, _DAY_S])
    timer.daemon = True
    timer.start()


class Strained(kills.Place):
    """Where the command that would be killed meets something else."""

    def __init__(self, folder: Path, seed: int, manner: str) -> None:
        super().__init__(folder, seed)
        self.manner = manner
        self.code = 0

    def killed(self, *arguments: object, within_s: float, again: Callable[[], None] = lambda: None) -> Path:
        """Has the command meet it and come to its end; what it printed, in another folder."""
        said = Path(tempfile.mkdtemp(dir="/dev/shm")) / "said"
        reading, writing = os.pipe()
        with self._strain():
            pid = os.fork()
            if pid == 0:
                os.dup2(writing, 1)
                os.dup2(writing, 2)
                os.close(reading)
                self._become(within_s, [str(one) for one in arguments])
            os.close(writing)
            watched = arguments[0] == "monitor"
            timer = threading.Timer(WATCHED_S if watched else LONGEST_S, os.kill, [pid, signal.SIGINT])
            timer.start()
            with os.fdopen(reading, "rb") as pipe:
                text = pipe.read()
            self.code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            timer.cancel()
        said.write_bytes(text)
        words = text.decode(errors="replace")
        if "Traceback" in words:
            raise kills.WrongError("traceback", words[-300:])
        expected = (0, 1) if arguments[0] == "collect" else (130,) if watched else (0,)
        if self.manner == "clock" and self.code not in expected:
            raise kills.WrongError("stuck", f"{self.code}: {words[-250:]}")
        if watched and self.code not in (0, 130) and "error:" not in words:
            raise kills.WrongError("silent", words[-200:])
        if watched and self.code in (0, 130):
            self.killed_at = time.time() + kills.KEPT_S  # all that was shown is kept
        return said

    def _become(self, within_s: float, arguments: list[str]) -> None:
        """The child's life."""
        code = 1
        try:
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            if self.manner == "limit":
                size = self.random.choice((0, 3_000, 20_000, 100_000))
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            if self.manner == "clock":
                set_back_after(self.random.uniform(0, within_s))
            sys.argv = ["vww-deploy", *arguments]
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):
                    stream.flush()
            os._exit(code)

    @contextlib.contextmanager
    def _strain(self) -> Iterator[None]:
        """A full disk, but for a little, in the block."""
        ballast = self.folder / "ballast"
        if self.manner == "disk":
            left = self.random.choice((0, 4_096, 20_000, 60_000, 200_000))
            space = os.statvfs(self.folder)
            ballast.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - left)))
        try:
            yield
        finally:
            ballast.unlink(missing_ok=True)


def work(numbers: list[int]) -> Iterable[campaign.Record]:
    for case in numbers:
        command, manner = cases()[case]
        record: dict[str, Any] = {"case": case, "command": command, "manner": manner}
        with tempfile.TemporaryDirectory() as folder:
            if manner == "disk" and not mount(Path(folder)):
                yield record | {"outcome": "no mount"}
                continue
            place = Strained(Path(folder), 1000 + case, manner)
            try:
                kills.SCENES[command](place)
                record["outcome"] = "whole"
            except kills.WrongError as wrong:
                record |= {"outcome": wrong.outcome, "why": wrong.why}
            if manner == "disk":
                ctypes.CDLL(None).umount2(folder.encode(), 2)
        yield record | {"code": place.code}


if __name__ == "__main__":
    count = len(cases())
    about = __doc__ or ""
    sys.exit(
        campaign.main(about, count, work, BAD, title="disk and clock", seconds=kills.PATIENCE_S, warm_up=kills.engine)
    )
