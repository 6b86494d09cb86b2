"""Boards that the emulator runs on this computer, started whenever one is flashed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vww_deploy.boards import platformio
from vww_deploy.boards.catalogue import Board
from vww_deploy.boards.drivers.driver import Attached, BoardDriver, FeedOpener
from vww_deploy.boards.platformio import FirmwareImage, Progress
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.errors import BoardError, DataError
from vww_deploy.link import portlock

if TYPE_CHECKING:
    from vww_deploy.boards.camera_feed import CameraFault, CameraFeed


class QemuDriver(BoardDriver):
    """The virtual board; its port is a tty of this computer."""

    emulated = True
    camera_needs_sources = True

    def __init__(self, board: Board, instance: str | None = None) -> None:
        super().__init__(board, instance)
        self._name = instance or board.name

    @property
    def folder(self) -> Path:
        return self._virtual.folder

    def attached(self) -> list[Attached]:
        virtual = self._virtual
        if not virtual.running:
            virtual.sweep()
            return []
        return [Attached(self.board, str(virtual.tty), None)]

    def not_attached(self) -> BoardError:
        return BoardError("the virtual board is off", hint="`vww-deploy flash --board virtual` starts it with a model")

    def follow(self, port: str) -> Callable[[], str | None]:
        return lambda: next((found.port for found in self.attached()), None)

    def check_present(self, port: str | None) -> None:
        """The upload starts one."""

    @contextlib.contextmanager
    def upload(
        self, library: Path, *, port: str | None, flags: Mapping[str, int], progress: Progress | None
    ) -> Iterator[tuple[FirmwareImage, str]]:
        port = str(self._virtual.tty)
        with portlock.taking(port, portlock.FLASH):
            # What stands for the port in PlatformIO's upload is the instance: its tty comes with its start.
            yield platformio.upload(self.board, library, port=self._name, flags=flags, progress=progress), port

    def start(self, image: Path) -> None:
        self._virtual.start(image)

    def press_reset(self) -> None:
        self._virtual.reset()

    def power_off(self) -> bool:
        virtual = self._virtual
        ran = virtual.running
        virtual.stop()
        if self._name != self.board.name:  # made for once
            shutil.rmtree(virtual.folder, ignore_errors=True)
        return ran

    def firmware_image(self) -> Path | None:
        image = self._virtual.firmware
        return image if image.is_file() else None

    def camera_feed(self, sources: Sequence[str], fps: float = 10.0, fault: CameraFault | None = None) -> FeedOpener:
        from vww_deploy.boards.camera_feed import CameraFeed, open_images

        if not self.board.cameras:
            raise DataError(f"{self.board.name} has no camera")
        if not sources:
            raise DataError(
                "the virtual board's camera has nothing to look at",
                hint="Name pictures, a folder, a video, or webcam.",
            )

        @contextlib.contextmanager
        def opened() -> Iterator[CameraFeed]:
            with CameraFeed(self._virtual.camera_socket, open_images(sources, fps), fps, fault) as feed:
                yield feed

        return opened

    def log(self) -> list[str]:
        log = self._virtual.log
        return log.read_text(errors="replace").splitlines() if log.is_file() else []

    @property
    def _virtual(self) -> VirtualBoard:
        return VirtualBoard(self._name)
