"""A recording as a source: the same events again, at any speed or step by step, without a board."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vww_deploy.link.inference import Inference
from vww_deploy.runs.recording import Recording
from vww_deploy.session.events import Connection, Event, ShownPicture
from vww_deploy.session.source import Control

_LONGEST_GAP_S: Final = 5.0  # nobody wants to wait through a night in which the board was off


class Replay:
    """Replays a recording; at its end it stays, so that one can step back.

    Args:
        path: of the recording.

    Raises:
        StoreError: it cannot be read.
    """

    takes_pictures = False
    replays = True

    def __init__(self, path: Path) -> None:
        with Recording(path) as recording:  # says what is wrong now, not in a thread later
            self.pictures: Final = recording.pictures
            """In the whole recording."""
        self.position = 0
        """Of the picture shown last, from 1."""
        self.path: Final = path
        self.title = path.name

    def ports(self) -> list[tuple[str, str]]:
        """A recording has no boards to choose from."""
        return []

    def events(self, control: Control) -> Iterator[Event]:
        """The recorded events, each as long after the one before as it was, divided by the control's speed."""
        with Recording(self.path) as recording:
            coming = recording.events()
            shown = 0  # id of the event that came last
            before: float | None = None  # when it happened
            due = time.monotonic()  # when it was shown
            steps = 0  # pictures to show without waiting, paused or not
            ended = False
            sought = False  # the next picture is not the one behind the last
            while not control.stopped:
                if (place := control.take_place()) is not None:
                    coming, before, steps = recording.events(recording.before_picture(place)), None, 1
                    sought = True
                wanted = control.take_steps()
                if wanted < 0:
                    shown = recording.before(shown, -wanted)
                    coming, before, steps = recording.events(shown), None, 1
                    sought = True
                else:
                    steps += wanted
                if control.paused and not steps:
                    before = None
                    control.wait_for_request(1.0)
                    continue
                recorded = next(coming, None)
                if recorded is None:
                    steps = 0
                    if not ended:
                        yield Connection("ended", "The recording ends here.")
                    ended = True
                    control.wait_for_request(1.0)
                    coming = recording.events(shown)
                    continue
                ended = False
                if before is None or steps or control.speed == 0:
                    due = time.monotonic()
                else:
                    due += min(max(0.0, recorded.event.at - before), _LONGEST_GAP_S) / control.speed
                    control.wait_while_streaming(due - time.monotonic())
                shown, before = recorded.id, recorded.event.at
                if isinstance(recorded.event, ShownPicture):
                    self.position = self.position + 1 if self.position and not sought else recording.place(shown)
                    sought = False
                yield recorded.event
                if steps and isinstance(recorded.event, Inference):
                    steps -= 1
