"""The boards that there are: ``catalogue.toml`` as typed values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

from vww_deploy.compiler.targets import Target, get_target
from vww_deploy.errors import BoardError

_FILE: Final = Path(__file__).with_name("catalogue.toml")

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


@cache
def load_boards() -> tuple[Board, ...]:
    """All boards, the virtual one first."""
    entries = tomllib.loads(_FILE.read_text())
    return tuple(
        Board(
            name=name,
            title=entry["title"],
            mcu=entry["mcu"],
            target=get_target(entry["target"]),
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
        )
        for name, entry in entries.items()
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


def _usb_id(text: str) -> UsbId:
    vendor, product = text.split(":")
    return int(vendor, 16), int(product, 16)
