"""What travels to a machine once: models and pictures, kept in its cache by their SHA-256.

The client gives them to the scheduler, which keeps what it does not have; a worker asks the scheduler for what its
machine lacks. A key that is no SHA-256 of the bytes is refused on every side.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from vww_deploy.errors import FleetError
from vww_deploy.files import write_whole
from vww_deploy.resources import cache_dir

KEPT_BYTES: Final = 4 << 30
"""Of what is kept; beyond it, what was used longest ago goes when a worker or scheduler starts."""

_KEY: Final = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """This machine's files by their SHA-256."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder: Final = folder or cache_dir() / "fleet" / "blobs"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the file of that hash is, or would be."""
        if not _KEY.fullmatch(sha256):
            raise FleetError(f"{sha256[:80]!r} is no SHA-256")
        return self.folder / sha256

    def missing(self, hashes: Iterable[str]) -> list[str]:
        """Those of which there is no file; the others count as used now."""
        lacking = []
        for sha256 in hashes:
            try:
                os.utime(self.path(sha256))
            except FileNotFoundError:
                lacking.append(sha256)
        return lacking

    def put(self, sha256: str, data: bytes) -> None:
        """Keep a file.

        Raises:
            FleetError: the bytes have another hash.
        """
        if hashlib.sha256(data).hexdigest() != sha256:
            raise FleetError(f"what came as {sha256[:12]} has another SHA-256")
        write_whole(self.path(sha256), data)

    def read(self, sha256: str) -> bytes:
        """The bytes; OSError if there is no such file."""
        return self.path(sha256).read_bytes()

    def prune(self, kept_bytes: int = KEPT_BYTES) -> None:
        """Remove what was used longest ago, beyond that size in all."""
        total = 0
        with contextlib.suppress(OSError):  # another process prunes, too
            by_use = sorted(((path.stat(), path) for path in self.folder.iterdir()), key=lambda one: -one[0].st_mtime)
            for status, path in by_use:
                total += status.st_size
                if total > kept_bytes:
                    path.unlink(missing_ok=True)
