"""What is installed, what is missing, and the command that fixes it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from serial.tools import list_ports

from vww_deploy import resources
from vww_deploy.advice import advice
from vww_deploy.boards import confine, leftovers
from vww_deploy.errors import VwwError
from vww_deploy.tools import logged_start

_TOOL_TIMEOUT_S: Final = 20.0  # a compiler or QEMU saying its version; seconds only on a machine that is very busy
_FREE_BYTES: Final = 500 << 20  # a board's build folder and PlatformIO's packages take less

_EXTRAS: Final = {
    "demo": ("skimage", "the sample pictures of demo, init-hil and the virtual camera"),
    "train": ("tensorflow", "training and quantising models"),
    "web": ("nicegui", "the monitor's web page"),
    "report": ("plotly", "the plot of costs"),
    "search": ("optuna", "architecture search"),
    "camera": ("cv2", "videos and webcams as the virtual camera"),
    "profile": ("capstone", "instruction profiles"),
    "heic": ("pillow_heif", "HEIC pictures, as iPhones take them"),
    "fleet": ("distributed", "many boards and machines"),
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it is there and works.
        required: whether ``vww-deploy`` needs it for its main way: compile, flash and run on the virtual board.
        found: version or place, or what is wrong.
        cure: the command that fixes it; empty if it is fine.
    """

    name: str
    ok: bool
    required: bool
    found: str
    cure: str = ""


def examine() -> list[Check]:
    """Look at everything; takes about a second."""
    checks = [
        _python(),
        _cross_compiler(),
        _qemu(),
        _host_compiler(),
        _package("platformio", "PlatformIO"),
        _package("ai-edge-litert", "reference interpreter"),
        _folder("work folder", resources.cache_dir),
        _folder("run store", resources.state_dir),
        _left_behind(),
        _models(),
        *_serial_ports(),
    ]
    return checks + [_extra(extra, module, use) for extra, (module, use) in _EXTRAS.items()]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", sys.version_info >= (3, 11), True, f"{version}, {sys.executable}", "")


def _cross_compiler() -> Check:
    name = "ARM cross compiler"
    cure = advice().install_cross_compiler
    version = _first_line("arm-none-eabi-g++", "--version")
    if version is None:
        return Check(name, False, True, "arm-none-eabi-g++ is not installed", cure)
    for library in ("libstdc++.a", "libc.a"):
        place = _first_line("arm-none-eabi-g++", f"-print-file-name={library}")
        if place is None or not Path(place).is_absolute():
            return Check(name, False, True, f"{version}, but without {library}", cure)
    return Check(name, True, True, version)


def _qemu() -> Check:
    name = "emulator"
    cure = advice().install_qemu
    version = _first_line("qemu-system-arm", "--version")
    if version is None:
        return Check(name, False, True, "qemu-system-arm is not installed", cure)
    machines = _output("qemu-system-arm", "-machine", "help") or ""
    if "netduinoplus2" not in machines:
        return Check(name, False, True, f"{version} has no machine netduinoplus2", cure)
    if not confine.available():
        version += "; this system cannot confine it: flash only firmware that you trust (docs/security.md)"
    return Check(name, True, True, version)


def _host_compiler() -> Check:
    version = _first_line("g++", "--version")
    if version is None:
        return Check(
            "host compiler", False, False, "g++ is not installed; host builds need it", advice().install_host_compiler
        )
    return Check("host compiler", True, False, version)


def _package(distribution: str, name: str) -> Check:
    try:
        return Check(name, True, True, f"{distribution} {metadata.version(distribution)}")
    except metadata.PackageNotFoundError:
        cure = f"{sys.executable} -m pip install {distribution}"
        return Check(name, False, True, f"the package {distribution} is not installed", cure)


def _folder(name: str, folder: Callable[[], Path]) -> Check:
    variable = "VWW_DEPLOY_CACHE" if folder is resources.cache_dir else "VWW_DEPLOY_STATE"
    cure = advice().set_variable.format(name=variable, value="FOLDER_WITH_SPACE")
    try:
        path = folder()
    except OSError as error:
        return Check(name, False, True, str(error), cure)
    if not os.access(path, os.W_OK):
        return Check(name, False, True, f"{path} cannot be written", cure)
    free = shutil.disk_usage(path).free
    if free < _FREE_BYTES:
        return Check(name, False, True, f"{path} has only {free >> 20} MB free", cure)
    return Check(name, True, True, f"{path} ({free >> 30} GB free)")


def _left_behind() -> Check:
    """What a killed ``flash`` left is ended and removed."""
    try:
        found = leftovers.sweep()
    except (OSError, VwwError):  # the work folder's own check says why
        found = 0
    said = f"by killed builds: {found}, ended and removed" if found else "nothing"
    return Check("left behind", True, False, said)


def _models() -> Check:
    names = [path.stem for path in sorted(resources.models_dir().glob("*.tflite"))]
    return Check("shipped models", bool(names), False, ", ".join(names) or f"none in {resources.models_dir()}")


def _serial_ports() -> list[Check]:
    ports = [port.device for port in list_ports.comports() if port.vid is not None]
    closed = [device for device in ports if not os.access(device, os.R_OK | os.W_OK)]
    if closed:
        cure = advice().port_denied.format(port=closed[0])
        return [Check("serial ports", False, False, f"no permission for {', '.join(closed)}", cure)]
    return [Check("serial ports", True, False, ", ".join(ports) or "no USB serial device is plugged in")]


def _extra(extra: str, module: str, use: str) -> Check:
    name = f"extra [{extra}]"
    if importlib.util.find_spec(module) is None:
        return Check(name, False, False, f"not installed; for {use}", resources.install_extra(extra))
    return Check(name, True, False, use)


def _first_line(*command: str) -> str | None:
    output = _output(*command)
    return None if output is None else (output.splitlines() or [""])[0]


def _output(*command: str) -> str | None:
    logged_start(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
