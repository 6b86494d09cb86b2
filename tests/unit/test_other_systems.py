"""What real boards need works where POSIX's own modules and calls do not exist: Windows has none of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import serial

from vww_deploy.advice import advice
from vww_deploy.link import transport
from vww_deploy.monitor.keyboard_windows import WindowsKeyboard
from vww_deploy.runs.store import Store

# Third-party packages have their own parts for Windows, so only imports of this package fail.
_CHILD = """
import builtins, importlib, os, pkgutil, signal, socket, sys

POSIX_ONLY = {"fcntl", "termios", "pty", "tty", "pwd", "grp", "resource", "syslog", "readline", "curses"}
real_import = builtins.__import__

def windows_import(name, globals=None, *rest, **named):
    if name in POSIX_ONLY and (globals or {}).get("__name__", "").startswith("vww_deploy"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return real_import(name, globals, *rest, **named)

builtins.__import__ = windows_import
import vww_deploy
modules = [m.name for m in pkgutil.walk_packages(vww_deploy.__path__, "vww_deploy.")]
for name in modules:
    if "._data" not in name and not name.endswith(("_posix", "__main__")):
        importlib.import_module(name)

for module, names in (
    (os, "geteuid getuid getgid killpg openpty ttyname mkfifo O_PATH O_DIRECTORY"),
    (signal, "SIGHUP SIGALRM"),
    (socket, "AF_UNIX MSG_DONTWAIT"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)

from vww_deploy.cli import build
for line in sys.argv[1:]:
    try:
        build()(line.split("|"), standalone_mode=False)
    except SystemExit as end:
        assert not end.code, line
print("\\nall done", len(modules))
"""


def test_everything_imports_and_models_are_handled_without_posix(tmp_path: Path) -> None:
    commands = (
        "doctor|--json",
        "boards",
        "inspect|person_96_gray|--json",
        f"compile|person_96_gray|-o|{tmp_path / 'library'}",
        "costs|-a|0.25|-s|48",
        f"runs|list|--store|{tmp_path / 'runs.sqlite'}",
    )
    Store(tmp_path / "runs.sqlite").close()
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, *commands], capture_output=True, text=True, timeout=240, check=False
    )
    assert child.returncode == 0, child.stderr
    assert "all done" in child.stdout
    assert list((tmp_path / "library").rglob("*.cpp"))


class PlayedConsole:
    """What the module ``msvcrt`` says when the user presses these keys."""

    def __init__(self, keys: str) -> None:
        self._keys = list(keys)

    def kbhit(self) -> bool:
        return bool(self._keys)

    def getwch(self) -> str:
        return self._keys.pop(0)


def test_keys_of_the_windows_console_are_those_of_every_terminal() -> None:
    with WindowsKeyboard(PlayedConsole("q\xe0M\xe0K\x00G\xe0\x86+é")) as keyboard:
        assert keyboard.read(0) == b"q\x1b[C\x1b[D\x1b[H+\xc3\xa9"
        assert keyboard.read(0) == b""
    with pytest.raises(KeyboardInterrupt):
        WindowsKeyboard(PlayedConsole("\x03")).read(0)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "could not open port 'COM7': FileNotFoundError(2, 'No such file.', None, 2)",
            "no such port",
        ),
        (
            "could not open port 'COM7': PermissionError(13, 'Access denied.', None, 5)",
            "another program has it open",
        ),
        ("Cannot configure port, something went wrong. OSError(22, 'A device', None, 31)", "not a serial port"),
    ],
)
def test_what_windows_says_of_a_port_is_understood(said: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(transport, "_exists", lambda port: True)
    error = transport._unopened("COM7", serial.SerialException(said))
    assert error.message.startswith("COM7: ") and meant in error.message


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_each_system_has_its_own_advice(platform: str) -> None:
    own = advice(platform)
    said = json.dumps(vars(own))
    others = {"linux": ("brew", "winget"), "darwin": ("apt-get", "winget"), "win32": ("apt-get", "brew", "dialout")}
    assert not any(word in said for word in others[platform])
    assert own.port_example.startswith({"linux": "/dev/tty", "darwin": "/dev/cu.", "win32": "COM"}[platform])
