"""The boards that there are: ``catalogue.toml``, and the user's own beside it, as typed values."""

from __future__ import annotations

import contextlib
import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from vww_deploy.compiler.targets import TARGETS, Target, get_target
from vww_deploy.errors import BoardError
from vww_deploy.resources import own_boards_dir

_FILE: Final = Path(__file__).with_name("catalogue.toml")
_MUST_BE: Final[dict[str, type]] = {
    **dict.fromkeys(("title", "mcu", "bootloader", "figures"), str),
    **dict.fromkeys(("clock_hz", "flash_bytes", "ram_bytes", "address", "baudrate"), int),
    **dict.fromkeys(("usb", "bootloader_usb", "images", "cameras"), list),
}
_MAY_BE: Final[dict[str, type]] = {
    "target": str,
    "driver": str,
    "tools": list,
    "uf2_family": int,
    **dict.fromkeys(("needs_registry", "counts_instructions"), bool),
}
_DRIVERS: Final = ("usb", "qemu")

UsbId = tuple[int, int]


@dataclass(frozen=True)
class Board:
    """A kind of board."""

    name: str
    """Its environment in ``platformio.ini`` has the same name."""
    title: str
    mcu: str
    target: Target | None
    """The core; None where it is not known."""
    driver: str
    """How it is reached: ``usb`` or ``qemu``, see :mod:`vww_deploy.boards.drivers`."""
    tools: tuple[str, ...]
    """Programs that its build takes from this computer."""
    needs_registry: bool
    """Its build takes compiler and framework from PlatformIO's registry."""
    counts_instructions: bool
    """Its clock counts instructions, which are no time."""
    clock_hz: int
    flash_bytes: int
    """Flash that the framework and the firmware leave to the model."""
    ram_bytes: int
    """RAM that the framework and the firmware leave to the model, its stack not counted."""
    usb_ids: tuple[UsbId, ...]
    """(VID, PID) of the running application."""
    bootloader_usb_ids: tuple[UsbId, ...]
    bootloader: str
    """``serial`` (a port, after a 1200-baud touch), ``none``, or the name of what PlatformIO uploads through."""
    address: int
    """Where a firmware begins in flash."""
    images: tuple[str, ...]
    """What the board's tools take besides an ELF (``bin``, ``hex``, ``uf2``), the usual one first."""
    uf2_family: int
    """In UF2 files; 0 where there are none."""
    figures: str
    """Where RAM and flash are from: ``linked`` by hand, or estimated from the ``vendor``'s figures."""
    baudrate: int
    cameras: tuple[str, ...]
    environment: str = ""
    """Of a board that the user added: its environment, which ``platformio.ini`` does not have."""

    @property
    def core(self) -> str:
        """The core's name for people."""
        return self.target.title if self.target else ""

    def estimated_ms(self, instructions: int) -> float | None:
        """Milliseconds for what takes a Cortex-M4 so many instructions; None where the core is not known.

        None, too, for a board that counts instructions, where they take no time. A real Cortex-M4 needs some more
        cycles than it has instructions, a Cortex-M7 fewer than that, a Cortex-M0+, which lacks the fast ones, several
        times as many.
        """
        cycles = self.target.cycles_per_m4_instruction if self.target else None
        if cycles is None or not self.clock_hz or self.counts_instructions:
            return None
        return 1000.0 * instructions * cycles / self.clock_hz


UNLISTED: Final = Board(
    name="arduino",  # as the library for the Arduino IDE calls itself on boards that it does not know
    title="board outside the catalogue",
    mcu="",
    target=None,
    driver="usb",
    tools=(),
    needs_registry=True,
    counts_instructions=False,
    clock_hz=0,
    flash_bytes=0,
    ram_bytes=0,
    usb_ids=(),
    bootloader_usb_ids=(),
    bootloader="none",
    address=0,
    images=(),
    uf2_family=0,
    figures="",
    baudrate=115200,
    cameras=(),
)
"""What runs the library of ``compile --arduino-library`` without being in the catalogue; found by its port alone."""


def load_boards() -> tuple[Board, ...]:
    """All boards: the virtual one first, those that the user added (docs/boards.md) last.

    Raises:
        BoardError: an entry of the user's cannot be read.
    """
    return _packaged() + tuple(_own(file, _stamp(file)) for file in sorted(own_boards_dir().glob("*.toml")))


@cache
def _packaged() -> tuple[Board, ...]:
    entries = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(_board(name, entry) for name, entry in entries.items())


def _stamp(entry: Path) -> tuple[tuple[str, int, int], ...]:
    """What changes with the files of a board of the user's."""
    found = []
    for file in (entry, entry.with_suffix(".ini")):
        with contextlib.suppress(OSError):
            stat = file.stat()
            found.append((file.name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


@lru_cache(maxsize=256)
def _own(file: Path, stamp: object) -> Board:
    """The user's board of an entry ``NAME.toml`` with its environment ``NAME.ini`` beside it; read when they change."""
    try:
        if any(board.name == file.stem for board in _packaged()):
            raise ValueError("vww-deploy itself has a board of this name")
        environment = file.with_suffix(".ini").read_text(encoding="utf-8")
        if f"[env:{file.stem}]" not in environment:
            raise ValueError(f"{file.with_suffix('.ini').name} has no [env:{file.stem}]")
        return _board(file.stem, tomllib.loads(file.read_text(encoding="utf-8")), environment)
    except (OSError, ValueError) as error:
        said = f"{error.filename} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise BoardError(
            f"{file} is no board's entry: {said}",
            hint="mend it, or move it and its .ini away; docs/boards.md says what is in them",
        ) from error


def _board(name: str, entry: dict[str, Any], environment: str = "") -> Board:
    """The board of an entry; ValueError for what is wrong with it."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError("its name must be of small letters, digits and _")
    for key, kind in {**_MUST_BE, **_MAY_BE}.items():
        if key in _MUST_BE and key not in entry:
            raise ValueError(f"{key} is missing")
        if key in entry and (
            type(entry[key]) is not kind or (kind is list and not all(isinstance(one, str) for one in entry[key]))
        ):
            raise ValueError(f"{key} is no {'list of strings' if kind is list else kind.__name__}")
    if entry.get("target", TARGETS[0]) not in TARGETS:
        raise ValueError(f"target is none of {', '.join(TARGETS)}")
    if entry.get("driver", "usb") not in _DRIVERS:
        raise ValueError(f"driver is none of {', '.join(_DRIVERS)}")
    return Board(
        name=name,
        title=entry["title"],
        mcu=entry["mcu"],
        target=get_target(entry["target"]) if "target" in entry else None,
        driver=entry.get("driver", "usb"),
        tools=tuple(entry.get("tools", ())),
        needs_registry=entry.get("needs_registry", True),
        counts_instructions=entry.get("counts_instructions", False),
        clock_hz=entry["clock_hz"],
        flash_bytes=entry["flash_bytes"],
        ram_bytes=entry["ram_bytes"],
        usb_ids=tuple(_usb_id(text) for text in entry["usb"]),
        bootloader_usb_ids=tuple(_usb_id(text) for text in entry["bootloader_usb"]),
        bootloader=entry["bootloader"],
        address=entry["address"],
        images=tuple(entry["images"]),
        uf2_family=entry.get("uf2_family", 0),
        figures=entry["figures"],
        baudrate=entry["baudrate"],
        cameras=tuple(entry["cameras"]),
        environment=environment,
    )


def get_board(name: str) -> Board:
    """The board called ``name``; :class:`BoardError` with the names there are when there is none."""
    for board in load_boards():
        if board.name == name:
            return board
    names = ", ".join(board.name for board in load_boards())
    close = get_close_matches(name.lower(), [board.name for board in load_boards()], n=1)
    meant = f"do you mean {close[0]}? " if close else ""
    raise BoardError(
        f"there is no board {name!r}", hint=f"{meant}the boards are: {names}; any other is named by --port alone"
    )


def usb_id_text(usb_id: UsbId) -> str:
    """``2341:805a``, as entries have it."""
    return f"{usb_id[0]:04x}:{usb_id[1]:04x}"


def _usb_id(text: str) -> UsbId:
    if not re.fullmatch(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}", text):
        raise ValueError(f"{text!r} is no USB id; one is 2341:805a")
    vendor, product = text.split(":")
    return int(vendor, 16), int(product, 16)
