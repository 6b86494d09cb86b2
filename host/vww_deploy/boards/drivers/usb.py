"""Boards on a USB port, found by their USB ids and written through their bootloader."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vww_deploy.boards import bootloader, platformio
from vww_deploy.boards.catalogue import UsbId
from vww_deploy.boards.drivers.driver import Attached, BoardDriver, FeedOpener
from vww_deploy.boards.platformio import FirmwareImage, Progress
from vww_deploy.errors import BoardError, DataError
from vww_deploy.link import portlock
from vww_deploy.resources import cache_dir

if TYPE_CHECKING:
    from vww_deploy.boards.camera_feed import CameraFault


class UsbDriver(BoardDriver):
    """Hardware."""

    emulated = False
    camera_needs_sources = False

    @property
    def folder(self) -> Path:
        name = hashlib.sha256(f"{self.board.name} {self.instance or ''}".encode()).hexdigest()
        folder = cache_dir() / "boards" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def attached(self) -> list[Attached]:
        return [
            Attached(self.board, port.device, port.serial_number, in_bootloader)
            for ids, in_bootloader in ((self.board.usb_ids, False), (self.board.bootloader_usb_ids, True))
            for port in _ports(ids)
            if self.instance in (None, port.serial_number)
        ]

    def not_attached(self) -> BoardError:
        return BoardError(
            f"no {self.board.title} is attached",
            hint="plug it in with a cable that has data lines (many have none); `vww-deploy boards` shows what is "
            "seen, and --port names a port by hand",
        )

    def follow(self, port: str) -> Callable[[], str | None]:
        return bootloader.follow(self.board, port)

    def check_present(self, port: str | None) -> None:
        bootloader.pick(self.board, port)

    @contextlib.contextmanager
    def upload(
        self, library: Path, *, port: str | None, flags: Mapping[str, int], progress: Progress | None
    ) -> Iterator[tuple[FirmwareImage, str]]:
        self.check_present(port)
        # Built before the board is disturbed: what does not build leaves it as it was.
        image = platformio.build(self.board, library, flags=flags, progress=progress)
        with contextlib.ExitStack() as stack:
            with bootloader.alone(self.board):
                target = bootloader.pick(self.board, port)
                if target.port is not None:
                    stack.enter_context(portlock.taking(target.port, portlock.FLASH))
                upload_port = bootloader.enter(target)
                platformio.upload(self.board, library, port=upload_port, flags=flags, progress=progress)
                port = bootloader.wait_for_application(target)
            yield image, port

    def press_reset(self) -> None:
        pass

    def power_off(self) -> bool:
        return False

    def firmware_image(self) -> Path | None:
        image = platformio.elf_file(self.board)
        return image if image.is_file() else None

    def camera_feed(self, sources: Sequence[str], fps: float = 10.0, fault: CameraFault | None = None) -> FeedOpener:
        if sources or fault is not None:
            raise DataError(f"{self.board.name} has a camera of its own: it needs no pictures")
        return contextlib.nullcontext

    def log(self) -> list[str]:
        return []


def plugged_in() -> list[tuple[bootloader.Port, UsbId]]:
    """The serial ports on USB with their ids, whatever is plugged in there."""
    return [(port, port.usb_id) for port in bootloader.ThisMachine().ports() if port.usb_id is not None]


def _ports(ids: Sequence[UsbId]) -> list[bootloader.Port]:
    return [port for port, usb_id in plugged_in() if usb_id in ids]


def serial_number(port: str) -> str:
    """Of the USB device at ``port``; empty where it has none."""
    here = (there.serial_number for there in bootloader.ThisMachine().ports() if there.device == os.path.realpath(port))
    return next(here, None) or ""
