"""The virtual camera: the feed's answers, and the firmware's driver (built for the host) that takes them."""

from __future__ import annotations

import ctypes
import socket
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vww_deploy.boards import camera_feed
from vww_deploy.boards.camera_feed import CameraFault, CameraFeed, Pictures, TestPattern
from vww_deploy.errors import DataError, LinkError
from vww_deploy.pictures.camera_format import CameraFormat, PixelFormat, decode_picture, encode_picture
from vww_deploy.resources import firmware_dir

OK, NO_CAMERA, UNSUPPORTED, NO_FRAME, TORN, WAITING = range(6)

SHIM = r"""
#include "virtual_camera.h"
#include <vector>
extern "C" {
typedef int (*ReadFn)();
typedef void (*WriteFn)(const uint8_t*, int);
typedef uint32_t (*ClockFn)();
}
namespace {
struct TestPort : vww::Port {
  ReadFn read_fn; WriteFn write_fn; ClockFn clock_fn;
  int read() override { return read_fn(); }
  size_t write(const uint8_t* data, size_t size) override { write_fn(data, int(size)); return size; }
  uint32_t milliseconds() override { return clock_fn(); }
};
struct Sink : vww::PictureSink {
  std::vector<uint8_t> bytes;
  void take(const uint8_t* data, size_t size) override { bytes.insert(bytes.end(), data, data + size); }
};
TestPort port;
Sink sink;
vww::VirtualCamera* camera = nullptr;
}
extern "C" {
void setup(ReadFn r, WriteFn w, ClockFn c) {
  port.read_fn = r; port.write_fn = w; port.clock_fn = c;
  delete camera;
  camera = new vww::VirtualCamera(port);
}
int begin(int w, int h, int pixels, int pattern) {
  auto status = camera->begin({{uint16_t(w), uint16_t(h), vww::PixelFormat(pixels)}, vww::TestPattern(pattern)});
  while (status == vww::CameraStatus::kWaiting) status = camera->starting();
  return int(status);
}
void request() { sink.bytes.clear(); camera->request(); }
int poll() { return int(camera->poll(sink)); }
const char* name() { return camera->name(); }
int taken() { return int(sink.bytes.size()); }
const uint8_t* bytes() { return sink.bytes.data(); }
}
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("virtual_camera")
    lib = firmware_dir() / "lib"
    (folder / "shim.cpp").write_text(SHIM)
    sources = [lib / "vww_camera/src/virtual_camera.cpp", lib / "vww_link/src/vww_frame.cpp"]
    sources.append(lib / "vww_preprocess/vww_preprocess.cpp")
    includes = [f"-I{lib / name}" for name in ("vww_camera/src", "vww_link/src", "vww_preprocess")]
    command = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Wno-non-virtual-dtor", "-fsanitize=undefined"]
    command += ["-fno-sanitize-recover=all", "-shared", "-fPIC", *includes, "-o", str(folder / "libcamera.so")]
    subprocess.run([*command, str(folder / "shim.cpp"), *map(str, sources)], check=True)
    loaded = ctypes.CDLL(str(folder / "libcamera.so"))
    loaded.name.restype = ctypes.c_char_p
    loaded.bytes.restype = ctypes.POINTER(ctypes.c_uint8)
    return loaded


class Board:
    """The driver with bytes and a clock that the test holds; every look at the clock takes a millisecond."""

    def __init__(self, library: ctypes.CDLL, respond: Callable[[bytes], bytes] | None = None) -> None:
        self.incoming = bytearray()
        self.sent = bytearray()
        self.now = 0
        self.slow = (b"", 1)
        """Bytes that come by themselves, one every so many milliseconds."""
        self._library = library
        self._respond = respond
        self._callbacks = (
            ctypes.CFUNCTYPE(ctypes.c_int)(self._read),
            ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint8), ctypes.c_int)(self._write),
            ctypes.CFUNCTYPE(ctypes.c_uint32)(self._clock),
        )
        library.setup(*self._callbacks)

    def _read(self) -> int:
        return self.incoming.pop(0) if self.incoming else -1

    def _write(self, data: ctypes._Pointer[ctypes.c_uint8], size: int) -> None:
        request = bytes(data[:size])
        self.sent += request
        if self._respond is not None:
            self.incoming += self._respond(request)

    def _clock(self) -> int:
        self.now += 1
        data, period = self.slow
        if data and self.now % period == 0:
            self.incoming += data[:1]
            self.slow = (data[1:], period)
        return self.now

    def begin(self, camera_format: CameraFormat, pattern: TestPattern = TestPattern.NONE) -> int:
        status: int = self._library.begin(
            camera_format.width, camera_format.height, int(camera_format.pixels), int(pattern)
        )
        return status

    def picture(self) -> tuple[int, bytes]:
        self._library.request()
        status = WAITING
        for _ in range(10_000):
            status = self._library.poll()
            if status != WAITING:
                break
        return status, bytes(self._library.bytes()[: self._library.taken()])

    @property
    def name(self) -> str:
        name: bytes = self._library.name()
        return name.decode()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[Path, socket.socket]]:
    """A listening socket, as the virtual board has one."""
    path = tmp_path / "camera"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(1)
        yield path, server


def served(address: tuple[Path, socket.socket], board_sees: Callable[[socket.socket], None], **how: object) -> None:
    """Runs ``board_sees`` with the board's end of the line while a feed with the settings ``how`` serves it."""
    path, server = address
    with CameraFeed(path, **how) as feed:  # type: ignore[arg-type]
        board_end, _ = server.accept()
        with board_end:
            board_end.settimeout(5)
            board_sees(board_end)
        assert feed.failure is None or isinstance(feed.failure, LinkError)


def receive(end: socket.socket, request: bytes, size: int) -> bytes:
    end.sendall(request)
    data = b""
    while len(data) < size:
        data += end.recv(size - len(data))
    return data


SMALL = CameraFormat(20, 12, PixelFormat.RGB565_BIG)


@pytest.mark.parametrize("pixels", list(PixelFormat))
def test_pictures_travel_from_the_pictures_to_the_driver(
    library: ctypes.CDLL, picture: Path, address: tuple[Path, socket.socket], pixels: PixelFormat
) -> None:
    camera_format = CameraFormat(24, 16, pixels)

    def board_sees(end: socket.socket) -> None:
        sizes = {1: 12 + len(camera_feed.NAME) + 4, 2: 12 + camera_format.bytes + 4}
        board = Board(library, lambda request: receive(end, request, sizes[request[2]]))
        assert board.begin(camera_format) == OK
        assert board.name == camera_feed.NAME
        for _ in range(3):
            assert board.picture() == (OK, encode_picture(Image.open(picture), camera_format))

    served(address, board_sees, source=Pictures([picture]), fps=200.0)


def test_pictures_come_at_the_cameras_beat(picture: Path, address: tuple[Path, socket.socket]) -> None:
    """Four pictures at 20 a second take at least three periods, however fast they are asked for."""
    import time

    def board_sees(end: socket.socket) -> None:
        start = time.monotonic()
        for _ in range(4):
            receive(end, request_of(SMALL), 12 + SMALL.bytes + 4)
        assert time.monotonic() - start > 3 / 20

    served(address, board_sees, source=Pictures([picture]), fps=20.0)


def request_of(camera_format: CameraFormat, kind: int = 2, pattern: int = 0, sequence: int = 9) -> bytes:
    import struct

    return struct.pack(
        "<2sBBHHHBB",
        b"VQ",
        kind,
        pattern,
        sequence,
        camera_format.width,
        camera_format.height,
        int(camera_format.pixels),
        0,
    )


def test_bytes_that_are_no_request_are_passed_over(picture: Path, address: tuple[Path, socket.socket]) -> None:
    def board_sees(end: socket.socket) -> None:
        answer = receive(end, b"VVQ\0noiseVQ" + request_of(SMALL), 12)
        # "VQ" in the noise began a request that made no sense; the camera says so, or answers the right one.
        assert answer[:2] == b"VC"

    served(address, board_sees, source=Pictures([picture]), fps=100.0)


@pytest.mark.parametrize(
    "request_bytes",
    [request_of(CameraFormat(0, 5)), request_of(CameraFormat(9000, 9000)), request_of(SMALL, pattern=3)],
)
def test_impossible_formats_are_answered(
    picture: Path, address: tuple[Path, socket.socket], request_bytes: bytes
) -> None:
    def board_sees(end: socket.socket) -> None:
        assert receive(end, request_bytes, 12)[3] == 1

    served(address, board_sees, source=Pictures([picture]), fps=100.0)


def answer(kind: int, sequence: int, payload: bytes, status: int = 0, crc: int | None = None) -> bytes:
    import struct

    crc = zlib.crc32(payload) if crc is None else crc
    return struct.pack("<2sBBHHI", b"VC", kind, status, sequence, 0, len(payload)) + payload + struct.pack("<I", crc)


def obedient(payload: bytes, change: Callable[[bytes], bytes] = lambda data: data) -> Callable[[bytes], bytes]:
    """A camera that answers with ``payload``; pictures go through ``change``."""

    def respond(request: bytes) -> bytes:
        sequence = int.from_bytes(request[4:6], "little")
        if request[2] == 1:
            return answer(1, sequence, b"test")
        return change(answer(2, sequence, payload))

    return respond


PAYLOAD = bytes(range(240)) * 2


def test_the_driver_says_what_is_wrong(library: ctypes.CDLL) -> None:
    silent = Board(library)
    assert silent.begin(SMALL) == NO_CAMERA
    assert silent.name == ""
    assert len(silent.sent) == 3 * 12  # asked three times
    assert 1500 < silent.now < 1600  # it does not wait longer than it says
    # a picture that is still on its way from before does not make the camera absent, however long it takes
    late = Board(library)
    late.slow = (b"\0" * 900 + answer(1, 1, b"late"), 3)
    assert late.begin(SMALL) == OK
    assert late.name == "late"
    cases: list[tuple[Callable[[bytes], bytes], int]] = [
        (lambda data: data, OK),
        (lambda data: data[:100], TORN),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), TORN),
        (lambda data: b"", NO_FRAME),
        (lambda data: answer(2, int.from_bytes(data[4:6], "little"), PAYLOAD[:-1]), TORN),
        (lambda data: answer(2, int.from_bytes(data[4:6], "little"), b"", status=1), UNSUPPORTED),
        # late answers to earlier questions come first
        (lambda data: answer(2, 1, b"stale") + answer(1, 2, b"") + data, OK),
        # noise, with a header's first letters in it
        (lambda data: b"VVCnoise of enough letters" + data, OK),
    ]
    for change, expected in cases:
        board = Board(library, obedient(PAYLOAD, change))
        assert board.begin(SMALL) == OK
        status, data = board.picture()
        assert status == expected
        if expected == OK:
            assert data == PAYLOAD
        # whatever happened, the next picture is taken
        board._respond = obedient(PAYLOAD)
        board.incoming.clear()
        assert board.picture() == (OK, PAYLOAD)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), length=st.integers(0, 2**32 - 1), kind=st.integers(0, 3))
def test_the_driver_survives_anything(library: ctypes.CDLL, data: bytes, length: int, kind: int) -> None:
    header = b"VC" + bytes([kind, 0]) + b"\x02\0\0\0" + length.to_bytes(4, "little")
    board = Board(library, obedient(PAYLOAD, lambda _: header + data))
    assert board.begin(SMALL) == OK
    status, taken = board.picture()
    assert status in (NO_FRAME, TORN, UNSUPPORTED)
    assert len(taken) <= SMALL.bytes


def test_patterns() -> None:
    walking = camera_feed.pattern_picture(TestPattern.WALKING_ONE, CameraFormat(10, 4, PixelFormat.RGB565_BIG))
    assert list(walking[:10]) == [1, 2, 4, 8, 16, 32, 64, 128, 1, 2]
    camera_format = CameraFormat(160, 120, PixelFormat.RGB565_LITTLE)
    bars = decode_picture(camera_feed.pattern_picture(TestPattern.BARS, camera_format), camera_format)
    colours = [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)]
    assert (bars[:, 10::20] == np.array(colours, dtype=np.uint8)[None] * 255).all()


@pytest.mark.parametrize("fault", list(CameraFault))
def test_every_fault_keeps_the_pictures_length(fault: CameraFault) -> None:
    data = np.random.default_rng(1).integers(0, 256, SMALL.bytes, dtype=np.uint8).tobytes()
    assert len(camera_feed.broken(data, SMALL, fault)) == len(data)


def test_folders_are_shown_in_order_and_bad_pictures_left_out(tmp_path: Path) -> None:
    for value in (10, 20, 30):
        Image.new("L", (4, 4), value).save(tmp_path / f"{value}.png")
    (tmp_path / "15.png").write_text("no picture")
    pictures = Pictures([tmp_path])
    assert [pictures.image(1).getpixel((0, 0)) for _ in range(4)] == [10, 20, 30, 10]
    (only := tmp_path / "bad").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        Pictures([only])
    (only / "x.png").write_text("no picture")
    with pytest.raises(DataError, match="is no picture"):
        Pictures([only]).image(1)


def test_a_video_runs_at_its_own_speed(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs the extra 'camera'")
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (32, 32))
    for i in range(10):
        writer.write(np.full((32, 32, 3), 20 * i, dtype=np.uint8))
    writer.release()
    video = camera_feed.Video(path, fps=10.0)  # every second picture
    shown = [round(np.asarray(video.image(1)).mean() / 20) for _ in range(7)]
    video.close()
    assert shown[:5] == [1, 3, 5, 7, 9]
    assert len(set(shown[5:])) == 2  # from the start again


class BlueWebcam:
    """Stands in for a webcam: three blue pictures, then it is unplugged. OpenCV's order is blue, green, red."""

    def __init__(self, number: int) -> None:
        assert number == 1
        self.left = 3
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.full((24, 32, 3), (255, 0, 0), np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_the_webcams_pictures_are_in_true_colours_until_it_is_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs the extra 'camera'")
    monkeypatch.setattr(cv2, "VideoCapture", BlueWebcam)
    webcam = camera_feed.open_images(["webcam:1"], 10.0)
    assert isinstance(webcam, camera_feed.Video)
    for _ in range(3):
        image = webcam.image(1)
        assert image.size == (32, 24)
        assert image.getpixel((5, 5)) == (0, 0, 255)
    with pytest.raises(DataError, match="webcam 1 gives no more pictures"):
        webcam.image(1)
    webcam.close()
    assert webcam._capture.released


def test_missing_videos_and_boards_are_told(tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2", reason="needs the extra 'camera'")
    with pytest.raises(DataError, match=r"no video .*none\.avi"):
        camera_feed.Video(tmp_path / "none.avi", 10.0)
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(DataError, match="cannot be opened"):
        camera_feed.Video(tmp_path / "text.avi", 10.0)
    monkeypatch.setattr(camera_feed, "CONNECT_TIMEOUT_S", 0.1)
    with pytest.raises(LinkError, match="camera port") as caught:
        CameraFeed(tmp_path / "none", Pictures([picture]))
    assert "running" in caught.value.hint
    with pytest.raises(DataError, match="0 pictures a second"):
        CameraFeed(tmp_path / "none", Pictures([picture]), fps=0.0)
