"""Where events come from, and what a viewer may ask of it while they come.

A :class:`Source` is iterated in one thread; a :class:`Control` carries the requests of other threads to it. A source
looks at its control between two events and waits only through it, so that every request is heard within milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from vww_deploy.session.events import Event

_MAX_PICTURES: Final = 32  # pictures from a browser that may wait for the board
_MAX_WAITING: Final = 64 << 20  # bytes of their files, all together


@dataclass(frozen=True)
class SentPicture:
    """A picture that a viewer wants the board to see: its name, for display, and the file's bytes."""

    name: str
    data: bytes


class Control:
    """Requests from viewers to a source. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = False
        self._paused = False
        self._speed = 1.0
        self._steps = 0
        self._port: str | None = None
        self._place: int | None = None
        self._pictures: deque[SentPicture] = deque()
        self._requests = 0
        self._heard = 0

    # -- what viewers ask -------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the source."""
        with self._changed:
            self._stopped = True
            self._wake()

    def pause(self, paused: bool) -> None:
        """Hold the source after the picture in hand, or let it go on."""
        with self._changed:
            self._paused = paused
            self._steps = 0
            self._wake()

    def step(self, pictures: int = 1) -> None:
        """While paused: show the next picture; a negative number goes back, where the source can."""
        with self._changed:
            self._steps += pictures
            self._wake()

    def seek(self, place: int) -> None:
        """Show the picture at a place, counted from 1, and hold there, where the source can."""
        with self._changed:
            self._paused, self._steps, self._place = True, 0, place
            self._wake()

    def set_speed(self, speed: float) -> None:
        """How fast a replay goes; 1 is as it was, 0 as fast as it can."""
        with self._changed:
            self._speed = max(0.0, speed)
            self._wake()

    def send(self, picture: SentPicture) -> bool:
        """Have the board look at a picture next; False if too many wait already."""
        with self._changed:
            waiting = sum(len(one.data) for one in self._pictures)
            if len(self._pictures) >= _MAX_PICTURES or waiting + len(picture.data) > _MAX_WAITING:
                return False
            self._pictures.append(picture)
            self._wake()
        return True

    def choose(self, port: str) -> None:
        """Go on with the board at another port."""
        with self._changed:
            self._port = port
            self._wake()

    # -- what sources look at ---------------------------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether the source should end."""
        return self._stopped

    @property
    def paused(self) -> bool:
        """Whether the source should hold."""
        return self._paused

    @property
    def speed(self) -> float:
        """See :meth:`set_speed`."""
        return self._speed

    @property
    def interrupted(self) -> bool:
        """Whether a source that just shows one picture after another has something else to do."""
        return self._stopped or self._paused or self._port is not None or bool(self._pictures)

    @property
    def leaving(self) -> bool:
        """Whether a source should let go of its board: stopped, or another port was chosen."""
        return self._stopped or self._port is not None

    def take_picture(self) -> SentPicture | None:
        """The next picture that a viewer sent."""
        with self._changed:
            return self._pictures.popleft() if self._pictures else None

    def take_port(self) -> str | None:
        """The port that a viewer chose since last asked."""
        with self._changed:
            port, self._port = self._port, None
            return port

    def take_steps(self) -> int:
        """The pictures to step since last asked."""
        with self._changed:
            steps, self._steps = self._steps, 0
            return steps

    def take_place(self) -> int | None:
        """The place to go to since last asked."""
        with self._changed:
            place, self._place = self._place, None
            return place

    def wait_for_request(self, seconds: float) -> None:
        """Waits, but no longer than until a viewer asks for something, or has asked since the last time."""
        with self._changed:
            if self._heard == self._requests:
                self._changed.wait(seconds)
            self._heard = self._requests

    def wait_while_streaming(self, seconds: float) -> None:
        """Waits the whole time, unless the source is stopped, paused, or has something else to do."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self.interrupted and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def wait_while_staying(self, seconds: float) -> None:
        """Waits the whole time, unless the source is :attr:`leaving`."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self.leaving and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def _wake(self) -> None:
        self._requests += 1
        self._changed.notify_all()


class Source(Protocol):
    """Yields events; see :mod:`vww_deploy.session.events`.

    Attributes:
        title: what is watched, in a few words.
        takes_pictures: whether :meth:`Control.send` reaches a board.
        replays: whether :meth:`Control.step` and :meth:`Control.set_speed` do something.
    """

    title: str
    takes_pictures: bool
    replays: bool

    def events(self, control: Control) -> Iterator[Event]:
        """The events until the source ends or is stopped. A board that goes away is an event, not an error.

        Raises:
            VwwError: what waiting cannot help (a model that does not match, a damaged recording).
        """
        ...

    def ports(self) -> list[tuple[str, str]]:
        """Boards that can be chosen: port and name of each. Asked from any thread."""
        ...
