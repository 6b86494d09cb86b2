"""Confinement of the emulator: a guest that can ask for the host's files gets none.

The virtual board's firmware moves its bytes by semihosting, and a semihosting call opens any file that QEMU may open.
So QEMU is started under Landlock (Linux 5.13 and newer): it may read and run what the system is made of, read the
firmware, and write nothing; what it talks through it inherits as open files.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from vww_deploy.tools import logged_start

# System calls of Linux, the same number on every architecture, and values of <linux/landlock.h> and <linux/prctl.h>.
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1
_EXECUTE: Final = 1 << 0
_READ_FILE: Final = 1 << 2
_READ_FOLDER: Final = 1 << 3
# Every right of the first version of Landlock: what is not given is refused.
_ALL_RIGHTS: Final = (1 << 13) - 1
_SET_NO_NEW_PRIVS: Final = 38

# Programs, libraries and data of the system.
_SYSTEM: Final = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache")

SANDBOX: Final = (
    ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
    if sys.platform == "linux"
    else ()
)
"""QEMU's own sandbox, which it has on Linux only: it starts no program."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def available() -> bool:
    """True when this system can confine a process."""
    return sys.platform == "linux" and _call(_CREATE_RULESET, None, 0, _RULESET_VERSION) >= 1


def start(command: Sequence[str], readable: Collection[Path], **options: Any) -> subprocess.Popen[bytes]:
    """Starts ``command``, confined where the system can do it.

    Args:
        command: the program's path and its arguments.
        readable: files that it may read beside the system's and those of its own installation.
        options: of :class:`subprocess.Popen`.
    """
    logged_start(command)
    if not available():
        return subprocess.Popen(command, **options)
    program = Path(command[0]).resolve()
    outcome: list[subprocess.Popen[bytes] | BaseException] = []

    def starting() -> None:
        try:
            _restrict_thread([*map(Path, _SYSTEM), program, program.parent.parent / "share", *readable])
            outcome.append(subprocess.Popen(command, **options))
        except BaseException as error:
            outcome.append(error)

    # The restriction holds for a thread and what it starts, and nothing lifts it: so a thread of its own, which ends.
    thread = threading.Thread(target=starting, name="confined start")
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _restrict_thread(readable: Sequence[Path]) -> None:
    if sys.platform != "linux":
        raise OSError("only Linux has Landlock")
    attributes = _Ruleset(_ALL_RIGHTS)
    ruleset = _checked(_call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0))
    try:
        for path in filter(Path.exists, readable):
            rights = _EXECUTE | _READ_FILE | (_READ_FOLDER if path.is_dir() else 0)
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = _PathBeneath(rights, place)
                _checked(_call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))
            finally:
                os.close(place)
        _checked(_libc().prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_call(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: Any) -> int:
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return int(_libc().syscall(ctypes.c_long(number), *wide))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
