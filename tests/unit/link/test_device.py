"""The client against the firmware's own link, built for this machine, over a tty."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import struct
import threading
import time
import tty
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vww_deploy.errors import DataError, LinkError, ProtocolMismatch
from vww_deploy.link import messages as m
from vww_deploy.link.channel import Timeouts
from vww_deploy.link.device import Device
from vww_deploy.link.frames import encode_frame
from vww_deploy.link.info import DeviceInfo
from vww_deploy.link.transport import SerialTransport, open_transport

Start = Callable[..., Any]
MODES = ((), ("staged",))


def pictures(number: int, seed: int = 1) -> list[npt.NDArray[np.int8]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(-128, 128, (48, 64, 1)).astype(np.int8) for _ in range(number)]


def expected(picture: npt.NDArray[np.int8]) -> list[int]:
    """What host_device.cpp's engine makes of a picture."""
    return [int(one) for one in np.frombuffer(zlib.crc32(picture.tobytes()).to_bytes(4, "little")[:2], np.int8)]


@pytest.mark.parametrize("mode", MODES, ids=["one buffer", "two buffers"])
def test_every_picture_gets_its_own_result(start_board: Start, mode: tuple[str, ...]) -> None:
    images = pictures(20)
    with Device.connect(open_transport(start_board(*mode).port)) as device:
        results = list(device.infer_many(images))
        assert [list(result.outputs) for result in results] == [expected(image) for image in images]
        assert {result.latency_us for result in results} == {600}
        assert len({result.number for result in results}) == 20
        assert device.link.retries == 0 and device.link.bad_frames == 0
        stats = device.stats()
        assert (stats.inferences, stats.bad_frames, stats.dropped_bytes) == (20, 0, 0)


def test_what_the_board_says_of_itself(start_board: Start) -> None:
    with Device.connect(open_transport(start_board("staged").port)) as device:
        info = device.info
        assert (info.board, info.firmware_version, info.input_shape) == ("host", "0.1.0", (48, 64, 1))
        assert info.model_sha256 == "010203" + "00" * 29
        assert (info.clock, info.clock_hz, info.layers) == ("micros", 1_000_000, 3)
        assert (info.input_scale, info.input_zero_point) == (0.0078125, -1)
        assert (info.output_scale, info.output_zero_point) == (0.00390625, -128)
        assert m.Feature.STAGED_INPUT in info.features


def test_layers(start_board: Start) -> None:
    (image,) = pictures(1)
    with Device.connect(open_transport(start_board().port)) as device:
        crc = zlib.crc32(image.tobytes())
        assert device.layer_digests(image) == [(crc + layer) & 0xFFFFFFFF for layer in range(3)]
        assert device.layer_ticks(image) == [100, 200, 300]


def test_a_picture_of_another_shape_is_refused_before_it_is_sent(start_board: Start) -> None:
    with (
        Device.connect(open_transport(start_board().port)) as device,
        pytest.raises(DataError, match=r"int8 \[48, 64, 1\], not int8 \[64, 48, 1\]"),
    ):
        device.infer(np.zeros((64, 48, 1), np.int8))


def test_a_typed_line_outlives_a_pulled_cable(start_board: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = open_transport(start_board().port)
    lines: list[str] = []
    with Device.connect(transport) as device, device.hearing(lines.append):
        whole, pulled = transport.write, iter([True])

        def write(data: bytes) -> None:
            if next(pulled, False):
                raise LinkError("the cable was pulled")
            whole(data)

        monkeypatch.setattr(transport, "write", write)
        device.type_line("help")
        device.poll(0.3)
        assert "infer  run the model" in "\n".join(lines) and device.link.reconnects == 1


def test_everybody_who_listens_hears_the_console_and_only_while_they_listen(start_board: Start) -> None:
    always: list[str] = []
    once: list[str] = []
    with Device.connect(open_transport(start_board().port), on_console=always.append) as device:
        with device.hearing(once.append):
            device.type_line("stats")
            device.poll(0.3)
        heard = len(once)
        assert heard and once == always
        device.type_line("stats")
        device.poll(0.3)
    assert len(once) == heard < len(always)


def test_the_console_between_frames(start_board: Start) -> None:
    lines: list[str] = []
    with Device.connect(open_transport(start_board().port)) as device, device.hearing(lines.append):
        for line in ("help", "info", "infer", "stats", "nonsense"):
            device.type_line(line)
        device.infer(pictures(1)[0])
        device.poll(0.3)
        text = "\n".join(lines)
        for part in (
            "infer  run the model",
            "board    host",
            "outputs ",
            "inferences    1",
            "unknown command: nonsense",
        ):
            assert part in text


class Bad(SerialTransport):
    """Damages what passes: ``damage`` maps each write, and each read, to what arrives."""

    def __init__(self, port: str, damage: Callable[[bytes], bytes]) -> None:
        super().__init__(port, 115200)
        self._damage = damage

    def write(self, data: bytes) -> None:
        super().write(self._damage(data))

    def read(self, timeout_s: float) -> bytes:
        return self._damage(super().read(timeout_s))


@pytest.mark.parametrize("mode", MODES, ids=["one buffer", "two buffers"])
@pytest.mark.parametrize("kind", ["flip", "drop", "hole", "twice"])
def test_lost_damaged_and_doubled_bytes(start_board: Start, mode: tuple[str, ...], kind: str) -> None:
    random = np.random.default_rng(7)

    def damage(data: bytes) -> bytes:
        if not data or random.random() > 0.08:
            return data
        at = int(random.integers(len(data)))
        if kind == "flip":
            return data[:at] + bytes([data[at] ^ 1 << int(random.integers(8))]) + data[at + 1 :]
        if kind == "twice":
            return data + data
        return data[:at] + data[at + (64 if kind == "hole" else 1) :]

    images = pictures(20)
    transport = Bad(start_board(*mode).port, damage)
    with Device.connect(transport, timeouts=Timeouts(answer_s=0.1, busy_s=0.2)) as device:
        results = [list(result.outputs) for result in device.infer_many(images)]
        assert results == [expected(image) for image in images]
        assert device.link.retries > 0 or kind == "twice"


@pytest.mark.parametrize("mode", MODES, ids=["one buffer", "two buffers"])
def test_a_board_that_restarts_in_between(start_board: Start, mode: tuple[str, ...]) -> None:
    board = start_board(*mode)
    images = pictures(12)

    def with_restarts() -> Iterator[npt.NDArray[np.int8]]:
        for index, image in enumerate(images):
            if index in (3, 7):
                board.restart()
            yield image

    with Device.connect(open_transport(board.port)) as device:
        results = [list(result.outputs) for result in device.infer_many(with_restarts())]
        assert results == [expected(image) for image in images]
        assert device.link.resets >= 1


def test_without_reconnecting_a_restart_is_an_error(start_board: Start) -> None:
    board = start_board()
    with Device.connect(open_transport(board.port), reconnect=False) as device:
        device.infer(pictures(1)[0])
        board.restart()
        with pytest.raises(LinkError, match="the board restarted"):
            device.infer(pictures(1)[0])
        assert device.link.resets == 0


def test_a_board_that_comes_back_with_another_model_is_an_error(
    start_board: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = start_board()
    with Device.connect(open_transport(board.port)) as device:
        another = replace(device.info, model_sha256="ff" * 32)
        monkeypatch.setattr(DeviceInfo, "of", lambda *_: another)
        board.restart()
        with pytest.raises(ProtocolMismatch, match="runs another model than before"):
            device.infer(pictures(1)[0])


def test_the_log_of_the_link_names_each_message(start_board: Start, caplog: pytest.LogCaptureFixture) -> None:
    board = start_board()
    with caplog.at_level("DEBUG", "vww_deploy.link"), Device.connect(open_transport(board.port)) as device:
        device.infer(pictures(1)[0])
    said = [record.getMessage() for record in caplog.records]
    for kind in ("<- #", "Hello(version=", "-> #", "Info(", "Write(id=", " bytes: ", "Infer(", "Result("):
        assert any(kind in line for line in said), kind


def test_an_unplugged_board_is_an_error_that_says_so(start_board: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vww_deploy.link.transport.REOPEN_TIMEOUT_S", 0.3)
    board = start_board()
    device = Device.connect(open_transport(board.port))
    device.infer(pictures(1)[0])
    board.unplug()
    with pytest.raises(LinkError) as caught:
        device.infer(pictures(1)[0])
    assert board.port in caught.value.message and "plug" in caught.value.hint + caught.value.message


def test_a_board_that_goes_while_one_only_listens_is_an_error_that_says_so(
    start_board: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vww_deploy.link.transport.REOPEN_TIMEOUT_S", 0.3)
    board = start_board()
    device = Device.connect(open_transport(board.port))
    device.poll(0.1)
    board.unplug()
    with pytest.raises(LinkError):
        device.poll(5)


def hang(board: Any, transport: SerialTransport) -> None:
    """Stops the board, and fills its tty until that takes nothing more."""
    board.process.send_signal(signal.SIGSTOP)
    with contextlib.suppress(BlockingIOError):
        while True:
            assert transport._serial.fd is not None
            os.write(transport._serial.fd, b"\0" * 256)


def test_a_board_that_hangs_is_given_up_after_its_silence(start_board: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, not anew with each attempt: nothing that is tried meanwhile makes the wait longer."""
    monkeypatch.setattr("vww_deploy.link.transport.WRITE_TIMEOUT_S", 0.5)
    board = start_board("staged")
    transport = open_transport(board.port)
    with Device.connect(transport, timeouts=Timeouts(silence_s=2.0)) as device:
        device.infer(pictures(1)[0])
        hang(board, transport)
        began = time.monotonic()
        try:
            with pytest.raises(LinkError, match="does not answer any more"):
                device.infer(pictures(1)[0])
        finally:
            board.process.send_signal(signal.SIGCONT)
    assert 2.0 <= time.monotonic() - began < 6.0


def test_a_board_that_takes_nothing_for_a_while_costs_no_result(
    start_board: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vww_deploy.link.transport.WRITE_TIMEOUT_S", 0.1)
    board = start_board()
    transport = open_transport(board.port)
    with Device.connect(transport) as device:
        hang(board, transport)
        go_on = threading.Timer(1.0, board.process.send_signal, [signal.SIGCONT])
        go_on.start()
        (image,) = pictures(1)
        assert list(device.infer(image).outputs) == expected(image)
        assert device.link.retries > 0 and device.link.reconnects == 0
        go_on.join()


def test_a_host_that_stops_reading_does_not_stop_the_board(start_board: Start) -> None:
    board = start_board()
    transport = open_transport(board.port)
    # 3000 answers of a hundred bytes are more than any tty keeps.
    with contextlib.suppress(LinkError):
        for _ in range(3000):
            transport.write(encode_frame(m.GetStats.TYPE, 1, b""))
            transport.write(b"info\n")
    transport.close()
    with Device.connect(open_transport(board.port)) as device:
        (image,) = pictures(1)
        assert list(device.infer(image).outputs) == expected(image)


@pytest.fixture
def stranger() -> Iterator[tuple[str, int]]:
    """A tty whose other end the test has: (port, file descriptor)."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave), master
    os.close(master)
    os.close(slave)


def test_a_silent_port(stranger: tuple[str, int]) -> None:
    with pytest.raises(LinkError, match="nothing answers"):
        Device.connect(open_transport(stranger[0]), timeouts=Timeouts(hello_s=0.3))


def test_something_else_on_the_port(stranger: tuple[str, int]) -> None:
    port, master = stranger
    transport = open_transport(port)
    os.write(master, b"$GPGGA,123519,4807.038,N\r\n")
    with pytest.raises(LinkError, match=r"something else .* answers: '\$GPGGA"):
        Device.connect(transport, timeouts=Timeouts(hello_s=0.3))


def test_another_protocol_version(stranger: tuple[str, int]) -> None:
    port, master = stranger

    def answer() -> None:
        os.read(master, 1000)
        os.write(master, encode_frame(m.Info.TYPE, 0, b"\x02\0\0\0\0", version=2))

    threading.Thread(target=answer, daemon=True).start()
    with pytest.raises(ProtocolMismatch, match="protocol version 2") as caught:
        Device.connect(open_transport(port))
    assert "vww-deploy flash" in caught.value.hint


@pytest.mark.parametrize("rest", [b"", b"more than this side knows" * 4])
def test_another_schema_of_the_same_version(stranger: tuple[str, int], rest: bytes) -> None:
    port, master = stranger

    def answer() -> None:
        os.read(master, 1000)
        os.write(master, encode_frame(m.Info.TYPE, 0, struct.pack("<BII", 1, m.SCHEMA_HASH ^ 1, 7) + rest))

    threading.Thread(target=answer, daemon=True).start()
    with pytest.raises(ProtocolMismatch, match="its messages differ") as caught:
        Device.connect(open_transport(port))
    assert "vww-deploy flash" in caught.value.hint


def test_a_frame_that_was_begun_and_never_ended(start_board: Start) -> None:
    """A host that died in the middle of a frame leaves the console usable."""
    transport = open_transport(start_board().port)
    transport.write(encode_frame(m.Write.TYPE, 1, bytes(500))[:300])
    time.sleep(0.8)
    transport.write(b"info\r\n")
    deadline = time.monotonic() + 5
    said = b""
    while b"board    host" not in said and time.monotonic() < deadline:
        said += transport.read(0.5)
    transport.close()
    assert b"board    host" in said


def test_a_frame_that_pauses_is_completed_and_is_no_typing(start_board: Start) -> None:
    """A host on a busy machine stops for a while in the middle of a frame; pixels may be printable."""
    transport = open_transport(start_board().port)
    lines: list[str] = []
    frame = encode_frame(m.Write.TYPE, 1, bytes(12) + b"K%L\n" * 100)
    with Device.connect(transport) as device, device.hearing(lines.append):
        for part in (frame[:200], frame[200:]):
            transport.write(part)
            time.sleep(0.8)
        stats = device.stats()
        assert (stats.abandoned, stats.bad_frames, stats.console_lines) == (1, 0, 0)
    assert lines == []
