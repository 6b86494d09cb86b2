"""A compiled model as a library that the Arduino IDE installs: engine, link, camera, two examples."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vww_deploy import __version__
from vww_deploy.compiler.compiled import Compiled
from vww_deploy.compiler.emit import plain_name
from vww_deploy.compiler.library import card_header
from vww_deploy.errors import DataError
from vww_deploy.files import write_whole
from vww_deploy.graph.model import Model
from vww_deploy.resources import data_root, firmware_dir

# The kernels come with the compiled model; main.cpp is an example.
_LEFT_OUT: Final = ("vww_nn", "main.cpp")
_EXAMPLES: Final = ("CameraToLed", "SerialPictures")

# Kernels built for size are about half as fast.
_FOR_SPEED: Final = '#pragma GCC optimize("O2")\n'

# What `vww-deploy` knows the board by, and the camera that can be had; on the command line these are compiler flags.
_ARDUINO_H: Final = """\
// Written by vww-deploy: which board and which camera this is compiled for.
#pragma once

#if defined(ARDUINO_VWW_VIRTUAL)
#define VWW_BOARD_NAME "virtual"
#define VWW_CAMERA_VIRTUAL
#elif defined(ARDUINO_ARDUINO_NANO33BLE)
#define VWW_BOARD_NAME "nano33ble"
#if __has_include(<Arduino_OV767X.h>)
#define VWW_CAMERA_OV7675
#endif
#elif defined(ARDUINO_FEATHER_F405)
#define VWW_BOARD_NAME "feather_f405"
#elif defined(ARDUINO_UNOR4_MINIMA)
#define VWW_BOARD_NAME "uno_r4_minima"
#elif defined(ARDUINO_NANO_RP2040_CONNECT)
#define VWW_BOARD_NAME "nano_rp2040_connect"
#elif defined(ARDUINO_PORTENTA_H7_M7)
#define VWW_BOARD_NAME "portenta_h7_m7"
#else
#define VWW_BOARD_NAME "arduino"
#endif
"""
_NEEDS_ARDUINO_H: Final = ("board.h", "board.cpp", "camera.cpp", "ov7675_camera.h")

# ZIP archives hold times; these files have none, so that the same model gives the same bytes.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)


def library_name(model: Model) -> str:
    """The library's name and folder: what the Arduino IDE allows in one."""
    return "vww_" + re.sub(r"[^A-Za-z0-9_]", "_", model.name)


def library_files(model: Model, compiled: Compiled) -> dict[str, str]:
    """The library's files: text by path relative to its folder."""
    files = {"library.properties": _properties(model)}
    for name, text in compiled.files.items():
        if name.startswith("src/"):
            files[name] = _FOR_SPEED + text if name.endswith(".cpp") else text
    for path in _firmware_sources():
        text = path.read_text(encoding="utf-8")
        if path.name in _NEEDS_ARDUINO_H:
            text = '#include "vww_arduino.h"\n' + text
        files[f"src/{path.name}"] = text
    files["src/vww_arduino.h"] = _ARDUINO_H
    files["src/vww_model_card.h"] = card_header(model)
    files["LICENSE"] = (data_root() / "LICENSE").read_text(encoding="utf-8")
    for example in _EXAMPLES:
        sketch = firmware_dir() / "arduino" / example / f"{example}.ino"
        files[f"examples/{example}/{example}.ino"] = sketch.read_text(encoding="utf-8")
    files["examples/SerialPictures/firmware.cpp"] = (firmware_dir() / "src" / "main.cpp").read_text(encoding="utf-8")
    return files


def write_arduino_library(model: Model, compiled: Compiled, path: Path) -> Path:
    """Write the library as a ZIP file for the IDE's "Add .ZIP Library".

    Args:
        model: with its card, which says how pictures become the input.
        compiled: the same model.
        path: of the ZIP file; replaced.

    Raises:
        DataError: it cannot be written.
    """
    name = library_name(model)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, text in sorted(library_files(model, compiled).items()):
                archive.writestr(zipfile.ZipInfo(f"{name}/{file}", _NO_TIME), text, zipfile.ZIP_DEFLATED)
        write_whole(path, content.getvalue())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _firmware_sources() -> Iterator[Path]:
    """All that the firmware is made of; the Arduino IDE has one folder of sources for a library."""
    for folder in sorted(path for path in (firmware_dir() / "lib").iterdir() if path.name not in _LEFT_OUT):
        yield from _sources(folder / "src" if (folder / "src").is_dir() else folder)
    yield from (path for path in _sources(firmware_dir() / "src") if path.name not in _LEFT_OUT)


def _sources(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.iterdir() if path.suffix in (".h", ".cpp"))


def _properties(model: Model) -> str:
    fields = {
        "name": library_name(model),
        "version": __version__,
        "author": "vww-deploy",
        "maintainer": "vww-deploy",
        "sentence": f"Person detection with the network {plain_name(model.name)}.",
        "paragraph": "Engine, camera and serial link in plain C++, written by vww-deploy; no interpreter, no heap.",
        "category": "Data Processing",
        "url": "",  # Arduino IDE 1.8 takes no library without the field, and there is no public address
        "architectures": "*",
        "includes": "vww_arduino.h,vww_model.h",
    }
    return "".join(f"{key}={value}\n" for key, value in fields.items())
