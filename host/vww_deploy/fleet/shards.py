"""A shard: a part of a run that any board of the right kind can do, wherever it is.

A pure function of model, firmware and the pictures' hashes: two boards that do it must say the same, so that it can be
done again whenever a board, a process or a machine is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.store import RunHeader, StoredSkip

DEFAULT_SIZE: Final = 50
"""Pictures of a shard: some seconds of a board, so that a lost one costs little and the way there even less."""


@dataclass(frozen=True)
class Work:
    """What all shards of a run have in common.

    Attributes:
        kind: of board, a name of the catalogue.
        firmware: as :func:`vww_deploy.boards.firmware.firmware_of` has it.
        model_name: for people.
        model_sha256: of the ``.tflite`` file, which travels as a blob.
        card: the model card as JSON text.
        outputs: what the model's outputs mean.
        compare: run the host reference beside the board.
        raw_camera: send pictures in this camera format, for the board to preprocess; empty to send the model's input.
    """

    kind: str
    firmware: str
    model_name: str
    model_sha256: str
    card: str
    outputs: OutputSpec
    compare: bool = True
    raw_camera: str = ""


@dataclass(frozen=True)
class Item:
    """A picture: its position in the run, its hash, what it is called, and its label if that is known."""

    position: int
    sha256: str
    path: str
    truth: int | None = None


@dataclass(frozen=True)
class Shard:
    """A part of a run.

    Attributes:
        work: what all have in common.
        items: its pictures, in order; none to describe the board alone. Of ``infer`` and ``verify``: int8 inputs.
        task: ``run`` the pictures, ``infer`` the inputs, or ``verify`` or ``bench`` a board.
        repeats: inferences to ``bench``.
        board: serial number of the board that must do it; empty for any of the kind.
    """

    work: Work
    items: tuple[Item, ...] = ()
    task: str = "run"
    repeats: int = 0
    board: str = ""

    @property
    def key(self) -> str:
        """Its name in the fleet, of all that it depends on."""
        return f"{self.task}-{hashlib.sha256(repr(self).encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class Outcome:
    """What became of a shard.

    Attributes:
        board: serial number of the board that had it.
        started: seconds since 1970, by the machine's clock.
        finished: likewise.
        flashed: whether the board had to be flashed for it.
        header: what the board is, of a shard without pictures.
        results: of the pictures.
        skipped: pictures that could not be used.
        report: what ``verify`` and ``bench`` found; of ``infer`` what the board is, and the inferences.
        error: why it was not done; empty if it was.
        hint: what to do about it.
        at_fault: whether it was the board that failed: another one may do the shard.
        set_aside: whether the board gets no more shards, having failed too often.
    """

    board: str
    started: float
    finished: float
    flashed: bool = False
    header: RunHeader | None = None
    results: tuple[StoredResult, ...] = ()
    skipped: tuple[StoredSkip, ...] = ()
    report: Any = None
    error: str = ""
    hint: str = ""
    at_fault: bool = False
    set_aside: bool = False


def split(work: Work, items: Iterable[Item], size: int = DEFAULT_SIZE, *, task: str = "run") -> Iterator[Shard]:
    """The pictures in shards of ``size``, in order."""
    rest = iter(items)
    while part := tuple(islice(rest, size)):
        yield Shard(work, part, task)
