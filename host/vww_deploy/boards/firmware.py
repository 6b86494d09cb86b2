"""A board's firmware, named by what it is made of; that of a virtual board is built once on a machine."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from filelock import FileLock

from vww_deploy import resources
from vww_deploy.boards import flash, platformio
from vww_deploy.boards.catalogue import Board
from vww_deploy.compiler import Compiled
from vww_deploy.files import write_whole
from vww_deploy.scratch import scratch_folder

KEPT_IMAGES: Final = 20
"""Images of virtual boards that a machine keeps."""


def firmware_of(compiled: Compiled, board: Board) -> str:
    """SHA-256 in hex over all that a board's firmware is made of here: model library, sources, flags.

    Two machines that agree in it build the same program. (Their images may still differ in a byte: tools write paths
    into them.)
    """
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)

    add("board", board.name.encode())
    add("flags", repr(sorted(flash.firmware_flags(compiled, board).items())).encode())
    for name, text in sorted(compiled.files.items()):
        add(name, text.encode())
    for source, content in resources.firmware_sources():
        add(source, content)
    add("platformio.ini", platformio.project_file(board))
    return digest.hexdigest()


def virtual_image(firmware: str, board: Board, compiled: Callable[[], Compiled]) -> Path:
    """The virtual board's image of that :func:`firmware_of`; compiled and built if this machine has not done it yet.

    Raises:
        VwwError: as :func:`vww_deploy.boards.platformio.build` has them.
    """
    kept = resources.cache_dir() / "firmware" / f"{firmware}-{_tools(board)}.elf"
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(kept.parent / "lock"):
        if not kept.is_file():
            made = compiled()
            with scratch_folder() as folder:
                library = made.write(folder / "vww_model")
                image = platformio.build(board, library, flags=flash.firmware_flags(made, board))
                write_whole(kept, image.elf.read_bytes())
            for old in sorted(kept.parent.glob("*.elf"), key=lambda path: -path.stat().st_mtime)[KEPT_IMAGES:]:
                old.unlink(missing_ok=True)
    return kept


def _tools(board: Board) -> str:
    """Names the versions of the programs that build for ``board``: another compiler makes another image."""
    digest = hashlib.sha256()
    for tool in board.tools:
        if (path := shutil.which(tool)) is not None:
            stat = Path(path).stat()
            digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:12]
