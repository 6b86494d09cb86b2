"""What can be done with a board whatever it hangs on: find it, write it, reset it, give its camera something to see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from vww_deploy.boards.catalogue import Board
from vww_deploy.boards.platformio import FirmwareImage, Progress
from vww_deploy.errors import BoardError

if TYPE_CHECKING:
    from vww_deploy.boards.camera_feed import CameraFault, CameraFeed

FeedOpener = Callable[[], AbstractContextManager["CameraFeed | None"]]
"""Connects what a board's camera looks at; None where the camera has a view of its own."""


@dataclass(frozen=True)
class Attached:
    """A board that is plugged in, or that runs."""

    board: Board
    port: str
    serial_number: str | None
    in_bootloader: bool = False


class BoardDriver(ABC):
    """One way to reach boards.

    Args:
        board: of the catalogue.
        instance: see :func:`vww_deploy.boards.drivers.driver_for`.
    """

    emulated: ClassVar[bool]
    """Boards are programs of this computer, started when they are flashed, as many as there are instances, each with a
    port of its own; else they are there or not."""
    camera_needs_sources: ClassVar[bool]
    """The camera sees what :meth:`camera_feed` is given; else it looks at the world."""

    def __init__(self, board: Board, instance: str | None = None) -> None:
        self.board = board
        self.instance = instance

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where this computer keeps what it knows of the board; there whenever it is asked for."""

    @abstractmethod
    def attached(self) -> list[Attached]:
        """The boards of this kind that are there."""

    @abstractmethod
    def not_attached(self) -> BoardError:
        """What to say, and what to do, when there is none."""

    def locate(self) -> str:
        """The port of the one board of this kind that runs its application.

        Raises:
            BoardError: there is none, or more than one.
        """
        here = [found.port for found in self.attached() if not found.in_bootloader]
        if not here:
            raise self.not_attached()
        if len(here) > 1:
            raise BoardError(
                f"{len(here)} boards {self.board.name} are attached: {', '.join(here)}", hint="say which with --port"
            )
        return here[0]

    @abstractmethod
    def follow(self, port: str) -> Callable[[], str | None]:
        """A function that says, whenever it is called, where the board is by then that is at ``port`` now; None while
        it is away. A board that restarts may come back under another name."""

    @abstractmethod
    def check_present(self, port: str | None) -> None:
        """Makes sure, before a build that may take minutes, that there is a board to upload to.

        Raises:
            BoardError: there is none, or several and ``port`` does not say which.
        """

    @abstractmethod
    def upload(
        self, library: Path, *, port: str | None, flags: Mapping[str, int], progress: Progress | None
    ) -> AbstractContextManager[tuple[FirmwareImage, str]]:
        """Builds the firmware with a compiled model and puts it on the board; nobody else has the board meanwhile.

        Args:
            library: the folder that ``Compiled.write`` wrote.
            port: of the board; see :meth:`locate` when None.
            flags, progress: as :func:`vww_deploy.boards.platformio.build` has them.

        Returns:
            What was built, and the port that the board has then.

        Raises:
            VwwError: as :func:`vww_deploy.boards.flash.flash` has them.
        """

    def start(self, image: Path) -> None:
        """Starts a board on demand with a firmware that was built before.

        Args:
            image: the ELF file.

        Raises:
            BoardError: boards of this kind are not started on demand, or it did not start.
            ToolMissing: the emulator is not installed.
        """
        raise BoardError(f"{self.board.name} cannot be started", hint="plug it in")

    @abstractmethod
    def press_reset(self) -> None:
        """Restarts the board from outside; does nothing where nobody can.

        Raises:
            BoardError: the board is off.
        """

    @abstractmethod
    def power_off(self) -> bool:
        """Switches a board off that was started on demand; whether one ran."""

    @abstractmethod
    def firmware_image(self) -> Path | None:
        """The image that this computer put last on such a board; None if it has flashed none."""

    @abstractmethod
    def camera_feed(self, sources: Sequence[str], fps: float = 10.0, fault: CameraFault | None = None) -> FeedOpener:
        """What the board's camera looks at.

        Args:
            sources: pictures, a folder, a video or ``webcam``.
            fps: pictures a second.
            fault: something to be wrong with the camera.

        Raises:
            DataError: the camera needs something to look at and got nothing, or has a view of its own.
        """

    @abstractmethod
    def log(self) -> list[str]:
        """What the emulator printed; empty for hardware."""
