"""The board's camera: watched live, and single pictures of it."""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.boards.camera_feed import CameraFeed
from vww_deploy.boards.drivers import FeedOpener
from vww_deploy.errors import BoardError, DataError
from vww_deploy.files import write_whole
from vww_deploy.graph.model import Model
from vww_deploy.link import portlock
from vww_deploy.link.camera import CameraShot, DeviceCamera, trouble
from vww_deploy.link.device import Device
from vww_deploy.link.messages import FrameKind
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.camera_format import CameraFormat, decode_picture
from vww_deploy.session.events import (
    Connection,
    ConsoleLine,
    Event,
    LinkReport,
    Pixels,
    ShownPicture,
    listener,
)
from vww_deploy.session.live import Connect, LiveSource, attached_boards, taken_by
from vww_deploy.session.session import interpreted, peer_of, prepare
from vww_deploy.session.source import Control

SHOT_TIMEOUT_S: Final = 60.0
"""The slowest camera gives a picture a second, the slowest model takes some; the emulator on a busy host is slower."""

FAILURES: Final = 2
"""So many pictures one after another that did not come whole are no accident."""

_LOOK_S: Final = 0.25  # between two looks at what viewers want while no shot comes
_IDLE_S: Final = 0.25


class CameraLive(LiveSource):
    """A board that looks for itself: a :class:`vww_deploy.session.source.Source` whose pictures are the board's own.

    Args:
        connect: opens the board.
        model: the one on it.
        feed: connects what the camera looks at: ``BoardDriver.camera_feed``.
        camera_format: size and pixel format of the camera's pictures.
        raw: bring the camera's pictures, too; they take longer than what the model saw.
        fps: the most shots a second; 0 for no limit.
        title: of the board.
        boards: lists the boards that can be chosen: port and name of each.
        waits: for a board that was not there yet.
        follows: take the model that the board runs, where this computer knows it, instead of ``model``.
    """

    def __init__(
        self,
        connect: Connect,
        model: Model,
        feed: FeedOpener,
        camera_format: CameraFormat,
        *,
        raw: bool = True,
        fps: float = 0.0,
        title: str = "",
        boards: Callable[[], Sequence[tuple[str, str]]] = attached_boards,
        waits: bool = False,
        follows: bool = False,
    ) -> None:
        super().__init__(connect, model, fps=fps, title=title, boards=boards, waits=waits, follows=follows)
        self._feed = feed
        self._camera_format = camera_format
        self._keep = FrameKind.MODEL | FrameKind.RAW if raw else FrameKind.MODEL

    def _watch(self, device: Device, control: Control) -> Iterator[Event]:
        pending: deque[Event] = deque()
        with device.hearing(listener(pending)), self._feed() as feed:
            prepare(device, self._model)
            spec, quantization = self._model.card.input, self._model.graph.input_activation.quantization
            self._pixel_of = pixel_values(preprocess.quantisation_table(spec, quantization))
            camera = DeviceCamera.open(device, self._camera_format)
            yield Connection("connected", board=peer_of(device, self._model))
            yield from self._layer_times(device)
            yield from self._shots(camera, feed, control, pending)

    def _shots(
        self, camera: DeviceCamera, feed: CameraFeed | None, control: Control, pending: deque[Event]
    ) -> Iterator[Event]:
        device = camera.device
        live = False
        wait = _PictureWait(camera)
        missed = 0
        try:
            while not control.leaving:
                if taker := portlock.wanted_by(device.port):
                    raise taken_by(taker)
                step = control.paused and control.take_steps() > 0
                sent = control.take_picture()
                if live and (sent is not None or (control.paused and not step)):
                    camera.stop()
                    live = False
                if sent is not None:
                    yield from self._show_sent(device, sent.name, sent.data)
                elif control.paused and not step:
                    device.poll(_IDLE_S)
                else:
                    if not live:
                        kept = camera.start(keep=self._keep, interval_s=1 / self._fps if self._fps else 0.0)
                        live, wait = True, _PictureWait(camera)
                        if kept != self._keep:
                            pending.append(ConsoleLine(_no_room(self._keep, kept)))
                    shot = camera.next_shot(_LOOK_S)
                    if feed is not None and feed.failure is not None:
                        raise feed.failure
                    # Where there is no room for the model's picture, the user was told so.
                    wait.check(shot, whole=shot is not None and (shot.model_input is not None or kept != self._keep))
                    if shot is not None:
                        missed += shot.missed
                        yield from self._events_of(device, camera, shot, missed)
                while pending:
                    yield pending.popleft()
        finally:
            if live:
                camera.stop()

    def _events_of(self, device: Device, camera: DeviceCamera, shot: CameraShot, missed: int) -> Iterator[Event]:
        if shot.model_input is not None:
            number = self._number
            self._number += 1
            raw = None
            if shot.raw_picture is not None:
                raw = decode_picture(shot.raw_picture, camera.format)
                raw = raw if raw.ndim == 3 else raw[:, :, np.newaxis]
            yield ShownPicture(number, self._pixel_of[shot.model_input.view(np.uint8)], raw, camera.name)
            yield interpreted(shot.inference, self._model, number)
        link = device.link
        yield LinkReport(
            bytes_in=link.bytes_received,
            bytes_out=link.bytes_sent,
            retries=link.retries,
            errors=link.bad_frames,
            drops=missed + shot.drops + shot.failures,
        )


class _PictureWait:
    """The wait for a camera's next picture, from now on; each one that comes begins it anew."""

    def __init__(self, camera: DeviceCamera) -> None:
        self._camera = camera
        self._failed = camera.failures
        self._since = time.monotonic()
        self._shots = 0

    def check(self, shot: CameraShot | None, *, whole: bool) -> None:
        """Takes note of a look at the camera.

        Args:
            shot: what came of it.
            whole: with a picture.

        Raises:
            BoardError: pictures fail one after the other, or there was none for :data:`SHOT_TIMEOUT_S`.
        """
        camera, now = self._camera, time.monotonic()
        board = camera.device.info.board
        if camera.failures >= self._failed + FAILURES:
            raise trouble(board, camera.status)
        if shot is not None:
            self._failed = shot.failures
            self._shots += 1
        if whole:
            self._since, self._shots = now, 0
        elif now - self._since > SHOT_TIMEOUT_S and self._shots:
            raise BoardError(
                f"{board}: it takes pictures with its camera, but has sent none of them for {SHOT_TIMEOUT_S:.0f} s",
                hint="flash the board again: its firmware does not do what this version expects",
            )
        elif now - self._since > SHOT_TIMEOUT_S:
            raise trouble(board, camera.status)


def pixel_values(table: npt.NDArray[np.int8]) -> Pixels:
    """The inverse of a quantisation table: the pixel value that each int8 value, seen as uint8, stands for."""
    wide = table.astype(np.int32)
    values = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int32)
    pixels: Pixels = np.abs(wide[None, :] - values[:, None]).argmin(axis=1).astype(np.uint8)
    return pixels


def _no_room(wanted: FrameKind, kept: FrameKind) -> str:
    lost = " and ".join(kind.name.lower() for kind in wanted if kind not in kept and kind.name)
    return f"the board has no room to keep the {lost} picture beside this model"


def stills(device: Device, model: Model, camera_format: CameraFormat, count: int, pattern: int = 0) -> Iterator[bytes]:
    """Single pictures of the board's camera, in the camera's format.

    Raises:
        BoardError: no camera, no pictures, or the board has no room to keep one beside its model.
    """
    prepare(device, model)
    yield from pictures_of(DeviceCamera.open(device, camera_format, pattern), count)


def pictures_of(camera: DeviceCamera, count: int) -> Iterator[bytes]:
    """So many pictures of an open camera, in its format; BoardError when they do not come."""
    board, camera_format = camera.device.info.board, camera.format
    if FrameKind.RAW not in camera.start(keep=FrameKind.RAW):
        camera.stop()
        raise BoardError(
            f"{board}: beside the model there is room for {camera.room:,} bytes of pictures, "
            f"not for {camera_format.bytes:,}",
            hint="Take a smaller picture (--camera-format qqvga), or flash a smaller model.",
        )
    try:
        wait = _PictureWait(camera)
        taken = 0
        while taken < count:
            shot = camera.next_shot(_LOOK_S)
            data = None if shot is None else shot.raw_picture
            wait.check(shot, whole=data is not None)
            if data is not None:
                taken += 1
                yield data
                wait = _PictureWait(camera)
    finally:
        camera.stop()


def save_picture(data: bytes, camera_format: CameraFormat, path: Path) -> None:
    """Write a camera picture as a picture file, of the kind that the name ends in; else PNG.

    Raises:
        DataError: the file cannot be written.
    """
    from PIL import Image

    content = io.BytesIO()
    kind = Image.registered_extensions().get(path.suffix.lower(), "PNG")
    Image.fromarray(decode_picture(data, camera_format)).save(content, kind)
    try:
        write_whole(path, content.getvalue())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
