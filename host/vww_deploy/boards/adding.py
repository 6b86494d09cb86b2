"""The two entries of a board that is plugged in and that the catalogue does not have: what PlatformIO knows of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vww_deploy.advice import advice
from vww_deploy.boards.catalogue import Board, UsbId, get_board, load_boards, usb_id_text
from vww_deploy.boards.drivers import plugged_in
from vww_deploy.errors import BoardError
from vww_deploy.files import write_whole
from vww_deploy.resources import own_boards_dir
from vww_deploy.tools import logged_start

_PLATFORMIO_TIMEOUT_S: Final = 120.0  # its list of all boards comes from its registry, once a day

# Processors as PlatformIO and the catalogue write them, without dashes and in small letters. What is not here has no
# cost model: the board works, nothing is estimated for it.
_CORES: Final = {
    r"nrf51.*|rp2040|samd21.*|stm32(f0|g0|l0|c0).*": "cortex_m0plus",
    r"nrf52.*|samd51.*|same5.*|stm32(f3|f4|g4|l4|wb).*|r7fa4m1.*|r7fa4w1.*|mk(20|64|66).*": "cortex_m4",
    r"stm32(f7|h7).*|i?mxrt10[56].*": "cortex_m7",
    r"rp2350.*|stm32(l5|u5|h5).*|r(7f)?a6m5.*": "cortex_m33",
    r"esp32": "xtensa_lx6",
    r"esp32s[23]": "xtensa_lx7",
    r"esp32c3": "rv32imc",
}

# build_unflags, build_flags and build_src_flags by PlatformIO platform, as the catalogue's boards of it have them.
_FLAGS: Final = {
    "ststm32": ("-Os -std=gnu++14", "-O2 -std=gnu++17", ""),
    "espressif32": ("-Os -std=gnu++11", "-O2 -std=gnu++17", ""),
    "teensy": ("", "", ""),
}
_OTHER_FLAGS: Final = ("-Os", "-O2", "-std=gnu++17")

# Chips that stand between USB and any board whatever: their ids say nothing of the board.
_ADAPTERS: Final = (0x0403, 0x067B, 0x0D28, 0x10C4, 0x1A86)
_ST_LINKS: Final = tuple((0x0483, product) for product in (0x374B, 0x374E, 0x3752, 0x3753, 0x3754))
_STM32_SERIAL: Final[UsbId] = (0x0483, 0x5740)

_ESP32_PARTITION: Final = 1_310_720  # bytes: the application's in Arduino's usual partition table


@dataclass(frozen=True)
class UsbPort:
    """A serial port on USB."""

    device: str
    usb_id: UsbId
    product: str
    """What it calls itself; may be empty."""


@dataclass(frozen=True)
class PlatformioBoard:
    """What PlatformIO knows of a board; bytes and Hz, 0 where it does not know."""

    id: str
    name: str
    platform: str
    mcu: str
    f_cpu: int
    ram: int
    flash: int


@dataclass(frozen=True)
class Added:
    """A board that was added."""

    board: Board
    port: UsbPort
    platformio: PlatformioBoard
    entry: Path
    """``NAME.toml``: what vww-deploy knows of it."""
    environment: Path
    """``NAME.ini``: how PlatformIO builds for it."""
    unknown: list[str]
    """What nobody knows or what is assumed, a sentence each."""


def add(port: str | None = None, platformio_id: str | None = None) -> Added:
    """Write the entries of a board that is plugged in and not known.

    Args:
        port: of the board; the one that the catalogue does not know when None.
        platformio_id: PlatformIO's name of the board; by its USB id, where the installed platforms have it, when None.

    Raises:
        BoardError: no such board is there, or several; PlatformIO does not know it; it has entries already.
    """
    there = _pick(port, platformio_id)
    found = _by_name(platformio_id) if platformio_id is not None else _by_usb_id(there)
    name = re.sub(r"[^a-z0-9_]", "_", found.id.lower())
    name = name if name[0].isalpha() else f"board_{name}"
    folder = own_boards_dir()
    entry, environment = folder / f"{name}.toml", folder / f"{name}.ini"
    if any(board.name == name for board in load_boards()):
        where = entry if entry.exists() else "the catalogue"
        raise BoardError(
            f"there is a board {name} already, in {where}",
            hint=f"`vww-deploy flash MODEL --board {name} --port {there.device}` takes it, whatever its USB id is",
        )
    toml, unknown = _entry(name, found, there)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(environment, _environment(name, found, there).encode())
        write_whole(entry, toml.encode())
    except OSError as error:
        raise BoardError(f"{folder}: the entries cannot be written: {error.strerror or error}") from error
    return Added(get_board(name), there, found, entry, environment, unknown)


def _pick(port: str | None, platformio_id: str | None) -> UsbPort:
    """The port that is meant."""
    here = [UsbPort(there.device, usb_id, _plain(there.product)) for there, usb_id in plugged_in()]
    known = {usb_id: board.name for board in load_boards() for usb_id in board.usb_ids + board.bootloader_usb_ids}
    if port is None:
        here = [one for one in here if one.usb_id not in known]
        if not here:
            raise BoardError("no USB board is plugged in that the catalogue does not know", hint=advice().not_seen)
        if len(here) > 1:
            names = ", ".join(f"{one.device} ({usb_id_text(one.usb_id)} {one.product})" for one in here)
            raise BoardError(f"several boards are plugged in that nobody knows: {names}", hint="say which with --port")
        return here[0]
    for one in here:
        if one.device in (port, str(Path(port).resolve())):
            if one.usb_id in known and platformio_id is None:
                raise BoardError(
                    f"{port} has the USB id {usb_id_text(one.usb_id)}, which is that of {known[one.usb_id]}",
                    hint="if it is another board, say which with --platformio",
                )
            return one
    raise BoardError(f"{port}: there is no such USB port", hint="`vww-deploy boards --add` without --port looks for it")


def _by_name(platformio_id: str) -> PlatformioBoard:
    """The board of this name: of an installed platform, else of PlatformIO's registry."""
    listed: list[dict[str, Any]] = []
    for options in (["--installed"], []):  # the registry is asked for a minute where there is no connection
        listed = _boards([*options, platformio_id])
        for one in listed:
            if one["id"] == platformio_id:
                return PlatformioBoard(
                    id=one["id"],
                    name=_plain(one["name"]),
                    platform=one["platform"],
                    mcu=_plain(one["mcu"]),
                    f_cpu=one["fcpu"],
                    ram=one["ram"],
                    flash=one["rom"],
                )
    near = ", ".join(one["id"] for one in listed[:5])
    raise BoardError(
        f"PlatformIO knows no board {platformio_id!r}" + (f"; it knows: {near}" if near else ""),
        hint="`pio boards TEXT` looks for one; those of platforms that are not installed come from PlatformIO's "
        "registry: check the connection",
    )


def _boards(arguments: list[str]) -> list[dict[str, Any]]:
    """What `pio boards` lists."""
    command = [sys.executable, "-m", "platformio", "boards", "--json-output", *arguments]
    logged_start(command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PLATFORMIO_TIMEOUT_S,
            check=True,
        )
        listed: list[dict[str, Any]] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise BoardError(
            "PlatformIO cannot say which boards it knows", hint=f"see what it says: `pio {' '.join(command[3:])}`"
        ) from error
    return listed


def _by_usb_id(port: UsbPort) -> PlatformioBoard:
    """The one board of PlatformIO's installed platforms that has the USB id."""
    found = sorted({name for name, ids in _installed() if port.usb_id in ids})
    if len(found) == 1:
        return _by_name(found[0])
    said = f"{usb_id_text(port.usb_id)} {port.product}".strip()
    if found:
        raise BoardError(
            f"{port.device} ({said}) may be any of PlatformIO's boards {', '.join(found)}",
            hint="say which with --platformio",
        )
    raise BoardError(
        f"{port.device} ({said}): no installed platform of PlatformIO has a board with this USB id",
        hint="`pio boards TEXT` looks for the board by its name; then --platformio ID says which it is",
    )


def _installed() -> Iterator[tuple[str, set[UsbId]]]:
    """The names of the boards of PlatformIO's installed platforms, with their USB ids."""
    from platformio.project.config import ProjectConfig

    platforms = Path(ProjectConfig.get_instance().get("platformio", "platforms_dir"))
    for file in sorted(platforms.glob("*/boards/*.json")):
        try:
            pairs = json.loads(file.read_text(encoding="utf-8"))["build"]["hwids"]
            yield file.stem, {(int(vendor, 16), int(product, 16)) for vendor, product in pairs}
        except (OSError, ValueError, KeyError, TypeError):
            continue  # somebody else's file; many have no USB ids


def core_of(mcu: str) -> str | None:
    """The target of a processor; None where there is none."""
    name = re.sub(r"[^a-z0-9]", "", mcu.lower())
    return next((target for pattern, target in _CORES.items() if re.fullmatch(pattern, name)), None)


def left_to_a_model(platform: str, ram: int, flash: int) -> tuple[int, int]:
    """Bytes of RAM and flash of these that framework and firmware are assumed to leave to a model.

    Less than linking found for each board that was linked: a model that fits by this fits.
    """
    if platform == "espressif32":  # WiFi's share of RAM; static data has half of it at most
        return ram * 35 // 100, min(flash, _ESP32_PARTITION) * 3 // 4 - 32_768
    return max(0, ram * 3 // 4 - 16_384), max(0, flash * 3 // 4 - 32_768)


def _entry(name: str, found: PlatformioBoard, port: UsbPort) -> tuple[str, list[str]]:
    """The catalogue's entry, and what is not known."""
    target = core_of(found.mcu)
    ram, flash = left_to_a_model(found.platform, found.ram, found.flash)
    usb, without = _own_usb_id(port)
    unknown = [
        f"What framework and firmware leave to a model is assumed: {ram:,} of {found.ram:,} bytes of RAM, {flash:,} of "
        f"{found.flash:,} of flash. `vww-deploy flash MODEL --board {name} --build-only -o firmware.elf` says what a "
        "build takes",
        "Where a firmware begins in flash: so it is written as .elf and .zip alone, not as .bin, .hex or .uf2",
        "The USB id of its bootloader: PlatformIO's uploader finds it",
    ]
    if target is None:
        unknown.append(f"The core of {found.mcu}: no latency is estimated, none of its own code is chosen")
    if without:
        unknown.append(without)
    lines = [
        "# Written by `vww-deploy boards --add`. docs/boards.md says what the fields mean; mend what is wrong.",
        f"title = {_quoted(found.name)}",
        f"mcu = {_quoted(found.mcu)}",
        *([f'target = "{target}"'] if target is not None else []),
        f"clock_hz = {found.f_cpu}",
        f"# Assumed, of {found.ram} bytes of RAM and {found.flash} of flash.",
        f"ram_bytes = {ram}",
        f"flash_bytes = {flash}",
        f"usb = {json.dumps(usb)}",
        "bootloader_usb = []",
        'bootloader = "platformio"',
        "address = 0",
        "images = []",
        'figures = "vendor"',
        "baudrate = 115200",
        "cameras = []",
    ]
    return "\n".join(lines) + "\n", unknown


def _own_usb_id(port: UsbPort) -> tuple[list[str], str]:
    """The USB ids for the entry; else why there are none."""
    by_port = f"name its port: --port {port.device}"
    if port.usb_id[0] in _ADAPTERS or port.usb_id in _ST_LINKS:
        return [], f"{usb_id_text(port.usb_id)} is a serial adapter's, which may be on any board: {by_port}"
    same = [board.name for board in load_boards() if port.usb_id in board.usb_ids + board.bootloader_usb_ids]
    if same:
        return [], f"{usb_id_text(port.usb_id)} is the USB id of {same[0]} as well: {by_port}"
    return [usb_id_text(port.usb_id)], ""


def _environment(name: str, found: PlatformioBoard, port: UsbPort) -> str:
    """How PlatformIO builds for it."""
    unflags, flags, src_flags = _FLAGS.get(found.platform, _OTHER_FLAGS)
    if port.usb_id == _STM32_SERIAL:  # the processor's own USB: Serial is to be there and not on a UART
        flags += " -DPIO_FRAMEWORK_ARDUINO_ENABLE_CDC -DUSBCON"
    lines = [
        "; Written by `vww-deploy boards --add`: what platformio.ini has for the catalogue's boards.",
        f"[env:{name}]",
        f"platform = {found.platform}",
        f"board = {found.id}",
        *([f"build_unflags = {unflags}"] if unflags else []),
        f'build_flags = -DVWW_BOARD_NAME=\\"{name}\\" {flags}'.rstrip(),
        *([f"build_src_flags = {src_flags}"] if src_flags else []),
    ]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
