"""An entry of the log that a run is: the store and a recording are two ways to keep it."""

from __future__ import annotations

from dataclasses import dataclass

from vww_deploy.link.inference import Inference
from vww_deploy.session.events import ShownPicture


@dataclass(frozen=True)
class StoredResult:
    """A picture and what a board made of it.

    Attributes:
        path: of the picture; the camera's name for a camera's.
        truth: 1 person, 0 none, None if nobody has said.
        sha256: of the picture file; what makes two runs' results the same picture's.
        inference: its number is the picture's position in the run.
        board_serial: which board it was: its serial number, a virtual board's name; empty where nobody knows.
    """

    path: str
    truth: int | None
    sha256: str
    inference: Inference
    board_serial: str = ""

    @classmethod
    def of(cls, picture: ShownPicture, inference: Inference, board_serial: str = "") -> StoredResult:
        """The two events that belong together."""
        return cls(picture.source, picture.truth, picture.sha256, inference, board_serial)

    def says_the_same(self, other: StoredResult) -> bool:
        """Whether picture, outputs and reference are the other's; boards and times may differ."""
        mine, theirs = (
            (one.inference.number, one.sha256, one.inference.outputs, one.inference.reference) for one in (self, other)
        )
        return mine == theirs
