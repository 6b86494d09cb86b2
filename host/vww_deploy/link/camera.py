"""The board's own camera: opened, and watched live (docs/camera.md, "Live mode").

camera = DeviceCamera.open(device, parse_format("qcif"))
camera.start(keep=FrameKind.MODEL)
shot = camera.next_shot(timeout_s=5)
"""

from __future__ import annotations

import math
import secrets
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import BoardError, LinkError
from vww_deploy.link import messages as m
from vww_deploy.link.device import Device
from vww_deploy.link.inference import Inference
from vww_deploy.link.messages import CameraStatus, FrameKind
from vww_deploy.pictures.camera_format import CameraFormat

# The longest and the shortest sleep between two questions for a new shot; one costs the board some microseconds.
_LONGEST_SLEEP_S: Final = 0.05
_SHORTEST_SLEEP_S: Final = 0.002

START_TIMEOUT_S: Final = 30.0
"""Cameras start within seconds; a virtual one first ends the picture that it was sending, on a busy host slowly."""

TROUBLE: Final = {
    CameraStatus.NO_CAMERA: (
        "no camera answers",
        "Check that the camera's plug sits fully in its socket; on the virtual board, that a camera feed is running.",
    ),
    CameraStatus.UNSUPPORTED: (
        "the camera has no such picture size or pixel format",
        "Try qcif or qqvga, gray or rgb565be.",
    ),
    CameraStatus.NO_FRAME: (
        "the camera answers, but sends no picture",
        "A sync line (VSYNC, HREF), the pixel clock or the camera's clock is not connected: check plug and wires.",
    ),
    CameraStatus.TORN: (
        "pictures begin and do not end as they should",
        "A loose plug or long wires lose bytes: press the plug in, shorten the wires.",
    ),
}
"""What a camera's status means, and what to do about it."""


@dataclass(frozen=True, eq=False)
class CameraShot:
    """A camera picture's inference, and what the board kept of the picture."""

    inference: Inference
    """Its number counts up by one from shot to shot; a gap is results that the host was too slow to ask for. Its
    stages are ``capture``, ``preprocess``, ``inference`` and ``transfer`` (sent since the shot before began)."""
    model_input: npt.NDArray[np.int8] | None
    """The input that the model got, int8 [height, width, channels]; None when the board did not keep it."""
    raw_picture: bytes | None
    """The camera's bytes; None when the board did not keep them."""
    missed: int
    """Shots since the one before whose results were not asked for in time."""
    drops: int
    """Shots so far whose pictures were wanted and not kept, because older ones were still being read."""
    failures: int
    """Camera pictures so far that did not come whole."""


class DeviceCamera:
    """A camera that answered. Made by :meth:`open`."""

    def __init__(self, device: Device, camera_format: CameraFormat, pattern: int, name: str, room: int) -> None:
        """Use :meth:`open`."""
        self.device: Final = device
        self.format: Final = camera_format
        self.name = name
        """What the camera says it is."""
        self.room = room
        """Bytes of pictures that the board can keep for the host at a time."""
        self.status = CameraStatus.OK
        """What came of the last request for a picture."""
        self.failures = 0
        """Camera pictures that did not come whole since the live mode started."""
        self._pattern = pattern
        self._interval_ms = 0
        self._keep = FrameKind(0)
        self._last_number = 0
        self._release = 0
        self._pause_s = _SHORTEST_SLEEP_S

    @classmethod
    def open(cls, device: Device, camera_format: CameraFormat, pattern: int = 0) -> DeviceCamera:
        """Has the board look for its camera and set it up.

        Args:
            camera_format: size and pixel format of the camera's pictures.
            pattern: the sensor's test pattern instead of a picture: 0 none, 1 walking one, 2 bars.

        Raises:
            BoardError: no camera answers, or it cannot do what is asked; the hint says what to try.
            LinkError: this firmware has no camera mode.
        """
        if m.Feature.FRAMES not in device.info.features:
            raise LinkError(f"{device.port}: this firmware has no camera mode", hint="flash it again")
        camera = cls(device, camera_format, pattern, "", 0)
        camera._open()
        return camera

    def start(self, *, keep: FrameKind = FrameKind.MODEL, interval_s: float = 0.0) -> FrameKind:
        """Starts the live mode.

        Args:
            keep: the pictures to bring with the shots.
            interval_s: the least time from shot to shot; 0 for as fast as camera and model go.

        Returns:
            What will be brought: less than ``keep`` where the board has no room for the pictures.
        """
        self._interval_ms = round(interval_s * 1000)
        self._keep = keep
        self._last_number = self._release = self.failures = 0
        return self._start()

    def stop(self) -> None:
        """Ends the live mode."""
        self.device.request(m.Live(0, 0, 0), m.LiveSet)
        self.device.live = False

    def next_shot(self, timeout_s: float) -> CameraShot | None:
        """The next shot; None when there is none in time: :attr:`status` tells what the camera did."""
        deadline = time.monotonic() + timeout_s
        asked = 0
        while True:
            answer = self._poll(0)
            if not answer.run:  # the board restarted
                self._open()
                self._start()
                self._last_number = self._release = 0
            elif answer.number != self._last_number and answer.number:
                break
            if time.monotonic() > deadline:
                return None
            asked += 1
            time.sleep(self._pause_s)
        # About four questions a shot.
        faster = asked < 2
        self._pause_s = (
            max(self._pause_s / 2, _SHORTEST_SLEEP_S) if faster else min(self._pause_s * 1.25, _LONGEST_SLEEP_S)
        )
        return self._fetch(answer)

    def _open(self) -> None:
        camera_format = self.format
        opening = secrets.randbelow(1 << 32)
        request = m.OpenCamera(
            opening, camera_format.width, camera_format.height, int(camera_format.pixels), self._pattern
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while (answer := self.device.request(request, m.CameraOpened)).status == CameraStatus.WAITING:
            if time.monotonic() > deadline:
                break
            time.sleep(_LONGEST_SLEEP_S)
        self.name, self.room = answer.name, answer.room
        if answer.status != CameraStatus.OK:
            self.status = CameraStatus(answer.status) if answer.status in list(CameraStatus) else CameraStatus.NO_CAMERA
            raise trouble(self.device.info.board, self.status)

    def _start(self) -> FrameKind:
        answer = self.device.request(m.Live(1, self._interval_ms, int(self._keep)), m.LiveSet)
        self.device.live = True
        return FrameKind(answer.keep)

    def _poll(self, number: int) -> m.Shot:
        answer = self.device.request(m.Poll(number, self._release), m.Shot)
        if answer.camera in list(CameraStatus):
            self.status = CameraStatus(answer.camera)
        self.failures = answer.failures
        return answer

    def _fetch(self, answer: m.Shot) -> CameraShot:
        """The newest shot, or the older one whose pictures are kept."""
        if answer.held > self._release and answer.held != answer.number:
            held = self._poll(answer.held)
            answer = held if held.number else answer
        info = self.device.info
        stages = (
            ("capture", answer.capture_us),
            ("preprocess", answer.preprocess_us),
            ("inference", answer.inference_us),
            ("transfer", answer.transmit_us),
        )
        inference = info.inference(
            self.device.port,
            answer.number,
            answer.outputs,
            answer.ticks,
            stages=tuple((name, microseconds * info.clock_hz // 1_000_000) for name, microseconds in stages),
        )
        model = raw = None
        if answer.held == answer.number:
            shape = info.input_shape
            if FrameKind.MODEL in self._keep:
                values = self._read(answer.number, FrameKind.MODEL, math.prod(shape))
                model = None if values is None else np.frombuffer(values, np.int8).reshape(shape)
            if FrameKind.RAW in self._keep:
                raw = self._read(answer.number, FrameKind.RAW, self.format.bytes)
            self._release = answer.number
        missed = max(0, answer.number - self._last_number - 1) if self._last_number else 0
        self._last_number = max(answer.number, self._last_number)
        return CameraShot(inference, model, raw, missed, answer.drops, answer.failures)

    def _read(self, number: int, kind: FrameKind, size: int) -> bytes | None:
        """A kept picture; None when it is gone, or not of ``size`` bytes."""
        data = bytearray()
        while len(data) < size:
            piece = self.device.request(m.ReadFrame(number, int(kind), len(data)), m.FramePiece)
            if piece.total != size or piece.offset != len(data) or not piece.data:
                return None
            data += piece.data
        return bytes(data) if len(data) == size else None


def trouble(board: str, status: CameraStatus) -> BoardError:
    """The error for a camera that is not as it should be."""
    what, hint = TROUBLE.get(status, ("the camera works, but no picture comes", "reset the board, or flash it again"))
    return BoardError(f"{board}: {what}", hint=hint)
