"""The virtual camera: pictures, a video or a webcam at the other end of the virtual board's second UART.

The board asks, the camera answers (docs/camera.md, "The virtual camera"). A request is 12 bytes: ``VQ``, kind (1 who
are you, 2 the next picture), test pattern, sequence number (u16), width (u16), height (u16), pixel format, 0. The
answer is ``VC``, the kind, 0 (or 1: no such format), the sequence number, two zeros, a length (u32), so many bytes, and
their CRC-32. Numbers are little-endian.

Pictures begin at the camera's own rate, whoever asks and however often, as with a sensor: the answer comes with the
next one, and what nobody asked for is lost.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import socket
import struct
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol, Self

import numpy as np
from PIL import Image

from vww_deploy.resources import install_extra

from ..errors import DataError, LinkError, ToolMissing, VwwError
from ..pictures import preprocess
from ..pictures.camera_format import CameraFormat, PixelFormat, encode_picture
from .virtual import connect

NAME: Final = "virtual OV7675"
"""What the camera says it is."""

CONNECT_TIMEOUT_S: Final = 5.0
"""The virtual board opens its camera port while it starts; that takes well under a second."""

MAX_PICTURE_BYTES: Final = 640 * 480 * 2
"""No OV7675 picture is larger; larger requests are answered with "no such format"."""

_REQUEST: Final = struct.Struct("<2sBBHHHBB")
_HEADER: Final = struct.Struct("<2sBBHHI")
_IDENTIFY: Final = 1
_PICTURE: Final = 2


class TestPattern(enum.IntEnum):
    """The sensor's own pictures, numbered as in its registers."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    NONE = 0
    WALKING_ONE = 1
    BARS = 2


class CameraFault(enum.Enum):
    """What can be wrong with a camera, for trying what the checks say about it."""

    ABSENT = "absent"
    BLACK = "black"
    WHITE = "white"
    TORN = "torn"
    SWAPPED_BYTES = "swapped-bytes"
    SWAPPED_LINES = "swapped-lines"
    STUCK_LINE = "stuck-line"
    NO_FRAME = "no-frame"
    CUT = "cut"


class ImageSource(Protocol):
    """Where the camera looks."""

    def image(self, beats: int) -> Image.Image:
        """The picture ``beats`` periods of the camera after the one before (at least 1)."""
        ...

    def close(self) -> None:
        """Gives back what the source holds."""
        ...


class Pictures:
    """Picture files, one each time a picture is asked for, from the start again after the last."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Args:
            paths: files that :func:`vww_deploy.pictures.preprocess.open_picture` reads; folders give their pictures.

        Raises:
            DataError: there is no picture.
        """
        self._paths: list[Path] = []
        for path in paths:
            if path.is_dir():
                self._paths += sorted(p for p in path.rglob("*") if p.suffix.lower() in preprocess.PICTURE_SUFFIXES)
            else:
                self._paths.append(path)
        if not self._paths:
            raise DataError("the camera has no pictures to show", hint="Name picture files or a folder of them.")
        self._next = 0

    def image(self, beats: int) -> Image.Image:
        """The next readable file; the number of beats does not matter."""
        for _ in range(len(self._paths)):
            path = self._paths[self._next]
            self._next = (self._next + 1) % len(self._paths)
            try:
                return preprocess.open_picture(preprocess.read_picture_file(path), str(path))
            except DataError as error:
                last = error
        raise last

    def close(self) -> None:
        """Nothing is held."""


class Video:
    """A video file (in a loop), or the host's webcam. Needs OpenCV: the extra ``camera``."""

    def __init__(self, source: Path | int, fps: float) -> None:
        """Args:
            source: a file, or the number of a webcam.
            fps: of the camera that shows it; a video runs at its own speed, whatever this is.

        Raises:
            ToolMissing: OpenCV is not installed.
            DataError: the file or the webcam cannot be opened.
        """
        # Read when OpenCV is loaded: its own complaints on stderr say less than the errors below.
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        try:
            import cv2
        except ImportError as error:
            raise ToolMissing("videos and webcams need OpenCV", hint=install_extra("camera")) from error
        if isinstance(source, Path) and not source.is_file():
            raise DataError(f"there is no video {source}")
        self._cv2: Any = cv2
        self._capture: Any = cv2.VideoCapture(source if isinstance(source, int) else str(source))
        self._name = f"webcam {source}" if isinstance(source, int) else str(source)
        if not self._capture.isOpened():
            hint = "Is it connected, and is no other program using it?" if isinstance(source, int) else "Is it a video?"
            raise DataError(f"{self._name} cannot be opened", hint=hint)
        own_fps = 0.0 if isinstance(source, int) else float(self._capture.get(cv2.CAP_PROP_FPS) or 0.0)
        self._pictures_a_beat = own_fps / fps if own_fps > 0 else 1.0
        self._is_file = not isinstance(source, int)
        self._due = 0.0

    def image(self, beats: int) -> Image.Image:
        """The picture that is due now; what lies between is passed over."""
        self._due += beats * self._pictures_a_beat
        image = None
        while image is None or self._due >= 1.0:
            good, image = self._capture.read()
            if not good:
                if not self._is_file or not self._capture.set(self._cv2.CAP_PROP_POS_FRAMES, 0):
                    raise DataError(f"{self._name} gives no more pictures")
                good, image = self._capture.read()
                if not good:
                    raise DataError(f"{self._name} holds no picture that can be read")
            self._due = max(0.0, self._due - 1.0)
        return Image.fromarray(np.ascontiguousarray(image[..., ::-1]))

    def close(self) -> None:
        """Gives the webcam back."""
        self._capture.release()


VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})
"""File name endings (lower case) that are taken for videos."""


def open_images(sources: Sequence[str], fps: float) -> ImageSource:
    """What the camera looks at: picture files and folders, one video, or ``webcam`` (``webcam:1`` for the second).

    Raises:
        DataError, ToolMissing: as :class:`Pictures` and :class:`Video`.
    """
    if len(sources) == 1:
        name, _, number = sources[0].partition(":")
        if name == "webcam" and (number or "0").isdecimal():
            return Video(int(number or "0"), fps)
        if Path(sources[0]).suffix.lower() in VIDEO_SUFFIXES:
            return Video(Path(sources[0]), fps)
    return Pictures([Path(source) for source in sources])


def pattern_picture(pattern: TestPattern, camera_format: CameraFormat) -> bytes:
    """A test pattern as the sensor sends it.

    ``WALKING_ONE``: byte *k* of the picture is ``1 << (k % 8)``. ``BARS``: eight upright bars of full colours, white,
    yellow, cyan, green, magenta, red, blue, black.
    """
    if pattern is TestPattern.WALKING_ONE:
        return np.left_shift(1, np.arange(camera_format.bytes) % 8).astype(np.uint8).tobytes()
    bars = np.array([[g & 4, g & 2, g & 1] for g in (7, 6, 3, 2, 5, 4, 1, 0)]) > 0
    across = bars[np.arange(camera_format.width) * 8 // camera_format.width].astype(np.uint8) * 255
    return encode_picture(Image.fromarray(np.tile(across, (camera_format.height, 1, 1))), camera_format)


class CameraFeed:
    """Answers the board's requests from a thread until it is closed; a context manager.

    Args:
        address: the virtual board's camera socket.
        source: where the camera looks; closed with the feed.
        fps: pictures a second.
        fault: something to be wrong.

    Raises:
        LinkError: nothing listens at ``address``.
    """

    def __init__(self, address: Path, source: ImageSource, fps: float = 10.0, fault: CameraFault | None = None) -> None:
        if not fps > 0:
            raise DataError(f"a camera cannot have {fps:g} pictures a second")
        self._source = source
        self._period_s = 1.0 / fps
        self._fault = fault
        self._beat = 0
        self._start = time.monotonic()
        self.served = 0
        """Pictures sent so far."""
        self.failure: VwwError | None = None
        """Why the feed ended by itself."""
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._socket = _connect(address)
        self._thread = threading.Thread(target=self._run, name="virtual camera", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Takes the camera off the board."""
        self._stop_writer.send(b"x")
        self._thread.join()
        for end in (self._socket, self._stop_reader, self._stop_writer):
            end.close()
        self._source.close()

    def _run(self) -> None:
        pending = bytearray()
        try:
            while not self._stopped(self._socket):
                data = self._socket.recv(4096)
                if not data:
                    raise LinkError("the virtual board is gone")
                pending += data
                for request in take_requests(pending):
                    self._send(self._answer(request))
        except OSError as error:
            self.failure = LinkError(f"the virtual board's camera port broke: {error.strerror or error}")
        except (LinkError, DataError) as error:
            self.failure = error

    def _stopped(self, *readable: socket.socket, timeout_s: float | None = None) -> bool:
        """Waits until something comes, or for ``timeout_s``; true when the feed is to end."""
        ready, _, _ = select.select([self._stop_reader, *readable], [], [], timeout_s)
        return self._stop_reader in ready

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            ready, writable, _ = select.select([self._stop_reader], [self._socket], [])
            if ready:
                return
            if writable:
                with contextlib.suppress(BlockingIOError):  # less room than it looked
                    view = view[self._socket.send(view[:4096]) :]

    def _answer(self, request: bytes) -> bytes:
        _, kind, pattern, sequence, width, height, pixels, _ = _REQUEST.unpack(request)
        if self._fault is CameraFault.ABSENT:
            return b""
        if kind == _IDENTIFY:
            return _packed(kind, sequence, NAME.encode())
        if kind != _PICTURE or pattern not in list(TestPattern) or pixels not in list(PixelFormat):
            return _packed(kind, sequence, b"", status=1)
        camera_format = CameraFormat(width, height, PixelFormat(pixels))
        if not 0 < camera_format.bytes <= MAX_PICTURE_BYTES:
            return _packed(kind, sequence, b"", status=1)
        if self._fault is CameraFault.NO_FRAME:
            return b""
        beats = self._wait_for_beat()
        if pattern != TestPattern.NONE:
            data = pattern_picture(TestPattern(pattern), camera_format)
        else:
            data = encode_picture(self._source.image(beats), camera_format)
        self.served += 1
        answer = _packed(kind, sequence, broken(data, camera_format, self._fault))
        return answer[: len(answer) // 2] if self._fault is CameraFault.CUT else answer

    def _wait_for_beat(self) -> int:
        """Sleeps until the next picture begins; returns how many began since the last that was sent."""
        due = max(self._beat + 1, int((time.monotonic() - self._start) / self._period_s) + 1)
        self._stopped(timeout_s=max(0.0, self._start + due * self._period_s - time.monotonic()))
        beats = due - self._beat
        self._beat = due
        return beats


def take_requests(pending: bytearray) -> list[bytes]:
    """Removes the whole requests from the front of ``pending``; bytes that are none are passed over."""
    requests = []
    while len(pending) >= _REQUEST.size:
        if pending[:2] == b"VQ":
            requests.append(bytes(pending[: _REQUEST.size]))
            del pending[: _REQUEST.size]
        else:
            del pending[0]
    return requests


def broken(data: bytes, camera_format: CameraFormat, fault: CameraFault | None) -> bytes:
    """The picture as a camera with this fault would have sent it; the same length always."""
    values = np.frombuffer(data, np.uint8)
    if fault is CameraFault.BLACK:
        return bytes(len(data))
    if fault is CameraFault.WHITE:
        return b"\xff" * len(data)
    if fault is CameraFault.TORN:  # bytes lost in the middle: from there on everything is shifted
        cut = len(data) // 2
        lost = camera_format.width // 3 * camera_format.pixels.bytes + 1
        return data[:cut] + data[cut + lost :] + data[:lost]
    if fault is CameraFault.SWAPPED_BYTES and len(data) % 2 == 0:
        return values.reshape(-1, 2)[:, ::-1].tobytes()
    if fault is CameraFault.SWAPPED_LINES:
        return ((values & 0xFC) | ((values & 1) << 1) | ((values >> 1) & 1)).astype(np.uint8).tobytes()
    if fault is CameraFault.STUCK_LINE:
        return (values & 0xDF).astype(np.uint8).tobytes()
    return data


def _packed(kind: int, sequence: int, payload: bytes, status: int = 0) -> bytes:
    header = _HEADER.pack(b"VC", kind, status, sequence, 0, len(payload))
    return header + payload + struct.pack("<I", zlib.crc32(payload))


def _connect(address: Path) -> socket.socket:
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        try:
            connection = connect(address)
            connection.setblocking(False)
            return connection
        except OSError as error:
            if time.monotonic() > deadline:
                raise LinkError(
                    f"the virtual board's camera port {address} does not answer: {error.strerror or error}",
                    hint="Is the virtual board running? `vww-deploy boards` shows it; flashing starts it.",
                ) from error
            time.sleep(0.05)
