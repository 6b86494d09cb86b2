"""The events of a live session, for recordings and for both views of the monitor.

A source (:mod:`vww_deploy.session.live`, a recording, a test) yields these in order. For each picture comes one
:class:`ShownPicture` and then one :class:`Inference` of the same ``number``; the others come whenever there is
something to say. Every event carries ``at``, the host's clock in seconds since 1970 (UTC) when it was known.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from vww_deploy.link.inference import Inference
from vww_deploy.pictures.outputs import OutputSpec

Pixels: TypeAlias = npt.NDArray[np.uint8]

_MOST_WAITING: Final = 1000  # events that wait when a board prints without end and answers nothing


@dataclass(frozen=True)
class Peer:
    """Who is at the other end.

    Attributes:
        board: catalogue name.
        port: device path or URL.
        firmware: version, as the device reports it.
        model: name of the model.
        model_sha256: of the ``.tflite`` file.
        outputs: what the model's outputs mean.
        threshold: P(person) from which the model card counts a picture as one with a person.
        clock: unit of ticks: ``instructions``, ``cycles`` or ``micros``.
        clock_hz: ticks a second.
        height: of the model's input, pixels; 0 where it was not noted, as width and channels.
        width: of the model's input, pixels.
        channels: of the model's input: 1 gray, 3 RGB.
    """

    board: str
    port: str
    firmware: str
    model: str
    model_sha256: str
    outputs: OutputSpec = field(default_factory=OutputSpec)
    threshold: float = 0.5
    clock: str = "micros"
    clock_hz: int = 1_000_000
    height: int = 0
    width: int = 0
    channels: int = 0


@dataclass(frozen=True, eq=False)
class ShownPicture:
    """A picture on its way to the prediction of the same number.

    Attributes:
        number: counts up by one within a session; a gap is a picture that was dropped on the way.
        pixels: what the model sees: uint8 ``[height, width, channels]``, 1 (gray) or 3 (RGB) channels.
        raw: what the camera gave (or the picture it was made from): uint8 ``[h, w, 1 or 3]``; None if not sent.
        source: the file's name or the camera's.
        sha256: of the picture file; empty for a camera's.
        truth: 1 person, 0 none, None if nobody has said.
    """

    number: int
    pixels: Pixels
    raw: Pixels | None = None
    source: str = ""
    sha256: str = ""
    truth: int | None = None
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be used; ``number`` is its position in a run, None where there is no end of pictures."""

    source: str
    reason: str
    number: int | None = None
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class LayerTimes:
    """Where one inference spent its time: ticks of each layer, in the network's order."""

    layers: tuple[tuple[str, int], ...]
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class ConsoleLine:
    """A line of text that the device printed between the frames of the link; shown as text, never interpreted."""

    text: str
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class LinkReport:
    """The link's counters since it was opened.

    Attributes:
        bytes_in: from the device.
        bytes_out: to the device.
        retries: requests sent again.
        errors: frames of the link that arrived damaged (CRC, COBS or length).
        drops: pictures that the device or the camera had to drop.
    """

    bytes_in: int
    bytes_out: int
    retries: int
    errors: int
    drops: int
    at: float = field(default_factory=time.time)


ConnectionState: TypeAlias = Literal["connecting", "connected", "lost", "ended"]


@dataclass(frozen=True)
class Connection:
    """The board came, went, or the source has nothing more.

    Attributes:
        state: ``connected`` comes with ``board``; ``lost`` with the reason; ``ended`` is the last event of a source.
        reason: one line for the user, with what to do.
        board: who is at the other end.
    """

    state: ConnectionState
    reason: str = ""
    board: Peer | None = None
    at: float = field(default_factory=time.time)


Event: TypeAlias = ShownPicture | Inference | Skipped | LayerTimes | ConsoleLine | LinkReport | Connection


def listener(pending: deque[Event]) -> Callable[[str], None]:
    """For :meth:`Device.hearing`: appends each line to ``pending`` up to a limit, and says when lines are dropped."""

    def hear(text: str) -> None:
        if len(pending) < _MOST_WAITING:
            pending.append(ConsoleLine(text))
        elif len(pending) == _MOST_WAITING:
            pending.append(ConsoleLine("(too many lines at once: the next ones are dropped)"))

    return hear
