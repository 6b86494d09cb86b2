"""What can go wrong, as one tree of exceptions.

Every error a user can meet is a :class:`VwwError`: what happened and where in the message, what to do next in ``hint``.
The command line prints both and exits with ``exit_code``; nothing else is ever shown as a traceback.
"""

from __future__ import annotations

from typing import Any


class VwwError(Exception):
    """A failure that is reported to the user: ``message`` says what happened and where, ``hint`` what to do next.

    ``details`` is what ``--json`` has besides them.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = {}


class ModelError(VwwError):
    """A model file that cannot be read, or a model that cannot be compiled."""


class DoesNotFit(ModelError):  # noqa: N818
    """A model that needs more RAM or flash than a board has."""


class DataError(VwwError):
    """Pictures, labels or data sets that cannot be used."""


class ToolMissing(VwwError):  # noqa: N818
    """A program or package that is not installed; ``hint`` is the command that installs it."""


class BuildError(VwwError):
    """The firmware did not build."""


class BoardError(VwwError):
    """A board that cannot be found, started, flashed or reset."""


class LinkError(VwwError):
    """The serial link: port missing, busy, vanished, silent, or speaking something else."""


class ProtocolMismatch(LinkError):  # noqa: N818
    """The device speaks another protocol version, or runs another model than was asked for."""


class StoreError(VwwError):
    """The run store cannot be written or read."""


class FleetError(VwwError):
    """The machines that work together: one that cannot be reached or may not join, or boards that nobody offers."""
