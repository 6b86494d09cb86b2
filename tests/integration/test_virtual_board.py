"""The virtual board: firmware through PlatformIO, QEMU as a managed process, pictures over its tty."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest
import serial

from vww_deploy.boards import platformio
from vww_deploy.boards.catalogue import get_board
from vww_deploy.boards.drivers import driver_for
from vww_deploy.boards.flash import Flashed, firmware_flags, flash
from vww_deploy.boards.running import check_model
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.compiler import Compiled, compile_model, layer_digest
from vww_deploy.errors import BoardError, BuildError, DoesNotFit, LinkError, ProtocolMismatch, ToolMissing
from vww_deploy.graph.reader import read_model
from vww_deploy.graph.reference import Reference
from vww_deploy.link import messages as m
from vww_deploy.link.device import Device
from vww_deploy.link.frames import encode_frame
from vww_deploy.link.transport import open_transport
from vww_deploy.resources import firmware_dir, models_dir

pytestmark = [
    pytest.mark.virtual,
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs QEMU"),
    pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs the ARM compiler"),
]

VIRTUAL = get_board("virtual")


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    """The shipped model."""
    path = models_dir() / "person_96_gray.tflite"
    if not path.is_file():
        pytest.skip("no model is shipped yet")
    return compile_model(path)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this module's own; afterwards no QEMU of it may be left."""
    # As long as a user's could be: a Unix socket's path may have 107 bytes only.
    folder = tmp_path_factory.mktemp("cache") / ("a-long-name" * 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VWW_DEPLOY_CACHE", str(folder))
        yield folder
        boards = [VirtualBoard(path.name) for path in (folder / "virtual").glob("*")]
        for board in boards:
            board.stop()
        assert not any(board.running for board in boards)


@pytest.fixture(scope="module")
def sources_before() -> set[Path]:
    return {path for path in firmware_dir().rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def flashed(compiled: Compiled, sources_before: set[Path]) -> Flashed:
    return flash(compiled, "virtual")


@pytest.fixture
def board(flashed: Flashed) -> VirtualBoard:
    """The board with the shipped model, powered."""
    virtual = VirtualBoard()
    if not virtual.running:
        virtual.start(flashed.image.elf)
    return virtual


@pytest.fixture
def device(board: VirtualBoard, compiled: Compiled) -> Iterator[Device]:
    with Device.connect(open_transport(str(board.tty))) as connected:
        yield connected


def noise(compiled: Compiled, number: int) -> list[npt.NDArray[np.int8]]:
    generator = np.random.default_rng(5)
    shape = compiled.report().input_shape
    return [generator.integers(-128, 128, shape).astype(np.int8) for _ in range(number)]


def test_flash_leaves_a_board_that_runs_the_model(flashed: Flashed, compiled: Compiled) -> None:
    assert flashed.info.model_sha256 == compiled.graph.sha256
    assert (flashed.info.board, flashed.info.clock, flashed.info.clock_hz) == ("virtual", "instructions", 10**9)
    assert flashed.info.layers == len(compiled.layers)
    attached = driver_for(VIRTUAL).attached()
    assert [found.port for found in attached] == [flashed.port] == [driver_for(VIRTUAL).locate()]


def test_the_catalogue_promises_no_more_ram_than_there_is(flashed: Flashed, compiled: Compiled) -> None:
    flags = firmware_flags(compiled, VIRTUAL)
    height, width, channels = compiled.report().input_shape
    buffers = flags["VWW_STAGE_INPUT"] * height * width * channels + flags["VWW_HELD_PICTURE_BYTES"]
    own = flashed.image.ram_bytes - compiled.report().ram_bytes - buffers
    assert 131_072 - own >= VIRTUAL.ram_bytes
    assert 1_048_576 - (flashed.image.flash_bytes - compiled.report().flash_bytes) >= VIRTUAL.flash_bytes


def test_results_and_layers_are_the_references(device: Device, compiled: Compiled) -> None:
    reference = Reference(compiled.graph)
    images = noise(compiled, 3)
    for image, result in zip(images, device.infer_many(images), strict=True):
        assert list(result.outputs) == reference.run(image).ravel().tolist()
    outputs = reference.run_all(images[0])
    digests = device.layer_digests(images[0])
    assert digests == [layer_digest(outputs[layer.activation.id]) for layer in compiled.layers]
    assert device.link.bad_frames == 0


def test_the_count_of_instructions_is_the_same_to_the_digit(device: Device, compiled: Compiled) -> None:
    """Alone, while the next picture comes in, and after a reset."""
    assert m.Feature.STAGED_INPUT in device.info.features
    (image,) = noise(compiled, 1)
    alone = device.infer(image)
    overlapped = [result.ticks for result in device.infer_many([image] * 4)]
    device.reset()
    assert {alone.ticks, *overlapped, device.infer(image).ticks} == {alone.ticks}
    assert alone.ticks > compiled.report().macs_left / 4
    assert sum(device.layer_ticks(image)) == pytest.approx(alone.ticks, rel=0.01)


def test_a_plain_serial_program_can_use_the_console(board: VirtualBoard) -> None:
    with serial.Serial(str(board.tty), 115200, timeout=5) as port:
        port.write(b"info\r\n")
        assert port.read_until(b"int8, zero point") != b""
        port.reset_input_buffer()
        port.write(b"infer\n")
        line = port.read_until(b"\n").decode()
        assert line.startswith("outputs ") and "instructions" in line


def test_no_message_is_a_multiple_of_64_bytes_long(device: Device, board: VirtualBoard) -> None:
    """Batches of console lines of every length: none may fill its last USB packet."""
    device.close()
    with serial.Serial(str(board.tty), 115200, timeout=0.3) as port:
        for length in range(30, 95):
            port.write(b"x" * length + b"\n")
            answer = port.read_until(b"(try help)\r\n")
            assert b"x" * min(length, 96) in answer
            assert len(answer) % 64 != 0, f"{len(answer)} bytes"


def test_reset_button(device: Device, board: VirtualBoard, compiled: Compiled) -> None:
    (image,) = noise(compiled, 1)
    before = device.infer(image)
    board.reset()
    after = device.infer(image)
    assert list(after.outputs) == list(before.outputs)
    assert device.link.resets == 1
    assert device.stats().inferences == 1


def test_resets_in_the_middle_of_uploads_and_inferences(
    device: Device, board: VirtualBoard, compiled: Compiled
) -> None:
    reference = Reference(compiled.graph)
    images = noise(compiled, 12)

    def press() -> None:
        for pause in (0.05, 0.3, 0.6, 0.9):
            time.sleep(pause)
            board.reset()

    thread = threading.Thread(target=press)
    thread.start()
    results = [list(result.outputs) for result in device.infer_many(images)]
    thread.join()
    assert results == [reference.run(image).ravel().tolist() for image in images]
    assert device.link.resets > 0


def test_a_host_that_stops_reading(device: Device, board: VirtualBoard, compiled: Compiled) -> None:
    device.close()
    transport = open_transport(str(board.tty))
    for _ in range(400):
        transport.write(encode_frame(m.GetStats.TYPE, 1, b"") + b"info\n")
    transport.close()
    (image,) = noise(compiled, 1)
    with Device.connect(open_transport(str(board.tty))) as again:
        assert list(again.infer(image).outputs) == Reference(compiled.graph).run(image).ravel().tolist()


def test_the_reset_button_of_a_board_that_nobody_reads(device: Device, board: VirtualBoard, compiled: Compiled) -> None:
    """The guest, and QEMU with it, waits in a write to a full tty: off and on again."""
    device.close()
    with serial.Serial(str(board.tty), 115200) as port:
        port.write(b"info\n" * 1000)
        time.sleep(1.0)
        board.reset()
    with Device.connect(open_transport(str(board.tty))) as again:
        assert again.stats().inferences == 0


def test_starting_twice_restarts_the_board_under_the_same_name(board: VirtualBoard, flashed: Flashed) -> None:
    first, port = int(board._pid_file.read_text()), board.tty
    board.start(flashed.image.elf)
    assert board.tty == port and board.running
    assert int(board._pid_file.read_text()) != first
    command = Path(f"/proc/{first}/cmdline")
    assert not command.exists() or command.read_bytes() == b"", "the first one runs still"


@pytest.mark.slow
def test_a_board_that_hangs_is_given_up_after_its_silence(
    device: Device, board: VirtualBoard, compiled: Compiled
) -> None:
    def stopped_after_one() -> Iterator[npt.NDArray[np.int8]]:
        first, *others = noise(compiled, 4)
        yield first
        os.kill(pid, signal.SIGSTOP)
        yield from others

    pid = int(board._pid_file.read_text())
    began = time.monotonic()
    try:
        with pytest.raises(LinkError, match="does not answer any more"):
            list(device.infer_many(stopped_after_one()))
        assert time.monotonic() - began < 25
    finally:
        os.kill(pid, signal.SIGCONT)
        board.stop()


def test_a_killed_qemu_is_noticed_and_replaced(board: VirtualBoard, flashed: Flashed) -> None:
    pid = int(board._pid_file.read_text())
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while board.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not board.running
    assert not driver_for(VIRTUAL).attached()
    with pytest.raises(BoardError, match="the virtual board is off"):
        driver_for(VIRTUAL).locate()
    with pytest.raises(LinkError, match="no such port"):
        open_transport(str(board.tty))
    board.start(flashed.image.elf)
    assert board.running


def test_a_qemu_whose_id_was_never_noted_is_ended(board: VirtualBoard, flashed: Flashed) -> None:
    """Whoever started it was killed in that moment."""
    lost = psutil.Process(int(board._pid_file.read_text()))
    board._pid_file.unlink()
    assert not board.running
    board.start(flashed.image.elf)
    assert board.running
    assert not lost.is_running() or lost.status() == psutil.STATUS_ZOMBIE


def test_a_stale_process_id_is_not_anybody_elses(flashed: Flashed) -> None:
    board = VirtualBoard("stale")
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        for text in (str(sleeper.pid), "999999999", "nonsense", ""):
            board._pid_file.write_text(text)
            assert not board.running
            board.stop()
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_two_boards_at_once(board: VirtualBoard, flashed: Flashed, compiled: Compiled) -> None:
    other = VirtualBoard("other")
    other.start(flashed.image.elf)
    try:
        (image,) = noise(compiled, 1)
        ticks = set()
        for one in (board, other):
            with Device.connect(open_transport(str(one.tty))) as device:
                ticks.add(device.infer(image).ticks)
        assert len(ticks) == 1 and board.running and other.running
    finally:
        other.stop()
    assert not other.running and board.running


def test_a_firmware_that_is_none(tmp_path: Path) -> None:
    broken = tmp_path / "firmware.elf"
    other = VirtualBoard("broken")
    with pytest.raises(BoardError, match="cannot be read"):
        other.start(broken)
    for content in (b"", b"text", b"\x7fELF and nothing else", Path("/bin/true").read_bytes()):
        broken.write_bytes(content)
        with pytest.raises(BoardError, match="not an ARM program"):
            other.start(broken)
    assert not other.running and not other.tty.is_symlink()


def test_a_fault_is_said_and_the_board_starts_again(flashed: Flashed, tmp_path: Path) -> None:
    """An undefined instruction in loop(): where it was, again and again, in any serial monitor."""
    symbols = subprocess.run(["arm-none-eabi-nm", flashed.image.elf], capture_output=True, text=True, check=True).stdout
    address = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" T _Z4loopv"))
    program = bytearray(flashed.image.elf.read_bytes())
    headers, size, count = (int.from_bytes(program[at : at + n], "little") for at, n in ((28, 4), (42, 2), (44, 2)))
    for header in range(headers, headers + size * count, size):
        offset, start, _, length = (int.from_bytes(program[header + 4 * i :][:4], "little") for i in (1, 2, 3, 4))
        if start <= address < start + length:
            program[offset + address - start : offset + address - start + 2] = b"\x00\xde"
    broken = tmp_path / "firmware.elf"
    broken.write_bytes(program)
    board = VirtualBoard("faulty")
    board.start(broken)
    try:
        with serial.Serial(str(board.tty), 115200, timeout=10) as port:
            said = port.read(300).decode()
    finally:
        board.stop()
    assert said.count(f"fault: pc 0x{address:08x}, restarting\r\n") >= 2


def test_a_qemu_that_does_not_start(board: VirtualBoard, flashed: Flashed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vww_deploy.boards.virtual.MACHINE", "no-such-machine")
    other = VirtualBoard("unstartable")
    with pytest.raises(BoardError, match=r"QEMU did not start: .*unsupported machine type"):
        other.start(flashed.image.elf)
    assert not other.running and not other.tty.is_symlink()


def test_an_unplugged_board(board: VirtualBoard, compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vww_deploy.link.transport.REOPEN_TIMEOUT_S", 0.5)
    images = noise(compiled, 50)
    threading.Timer(0.5, board.stop).start()
    with Device.connect(open_transport(str(board.tty))) as device, pytest.raises(LinkError) as caught:
        list(device.infer_many(images))
    assert "the board is gone" in caught.value.message and "plug the board in again" in caught.value.hint


def test_a_board_that_comes_back_in_time(board: VirtualBoard, flashed: Flashed, compiled: Compiled) -> None:
    images = noise(compiled, 6)
    expected = [Reference(compiled.graph).run(image).ravel().tolist() for image in images]

    with Device.connect(open_transport(str(board.tty))) as device:
        results = device.infer_many(images)
        seen = [next(results)]
        board.stop()
        back = threading.Timer(0.5, board.start, [flashed.image.elf])
        back.start()
        seen += results
        assert [list(result.outputs) for result in seen] == expected
        assert device.link.reconnects >= 1
    back.join()


def test_another_model_than_asked(device: Device) -> None:
    another = read_model(models_dir() / "person_64_small.tflite")
    with pytest.raises(ProtocolMismatch, match="the board runs person_96_gray, not person_64_small") as caught:
        check_model(device, another)
    assert "--board virtual" in caught.value.hint


def test_a_model_that_does_not_fit_is_refused_before_anything_is_built(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = compiled.report()
    small = dataclasses.replace(VIRTUAL, ram_bytes=report.ram_bytes + report.stack_bytes - 7, flash_bytes=1000)
    monkeypatch.setattr(platformio, "upload", lambda *_, **__: pytest.fail("it built"))
    with pytest.raises(DoesNotFit) as caught:
        flash(compiled, small)
    assert "7 bytes of RAM too many" in caught.value.message
    assert f"{report.flash_bytes - 1000:,} bytes of flash too many" in caught.value.message


def test_ram_that_is_left_is_used(compiled: Compiled) -> None:
    report = compiled.report()
    height, width, channels = report.input_shape
    least = dataclasses.replace(VIRTUAL, ram_bytes=report.ram_bytes + report.stack_bytes)
    assert firmware_flags(compiled, least) == {"VWW_STAGE_INPUT": 0, "VWW_HELD_PICTURE_BYTES": 0}
    more = dataclasses.replace(least, ram_bytes=least.ram_bytes + height * width * channels)
    assert firmware_flags(compiled, more) == {"VWW_STAGE_INPUT": 1, "VWW_HELD_PICTURE_BYTES": 0}


def test_missing_tools(compiled: Compiled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flashed: Flashed) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="is not installed") as caught:
        flash(compiled, "virtual")
    assert "apt" in caught.value.hint
    with pytest.raises(ToolMissing, match="qemu-system-arm is not installed"):
        VirtualBoard("toolless").start(flashed.image.elf)


def test_a_model_library_that_does_not_compile(compiled: Compiled, tmp_path: Path) -> None:
    library = compiled.write(tmp_path / "vww_model")
    source = library / "src" / "vww_model.cpp"
    source.write_text(source.read_text() + "\nthis is no C++\n")
    with pytest.raises(BuildError, match=r"vww_model\.cpp.*error") as caught:
        platformio.build(VIRTUAL, library)
    assert "Traceback" not in str(caught.value)


def test_nothing_is_written_beside_the_sources(sources_before: set[Path], flashed: Flashed) -> None:
    assert {path for path in firmware_dir().rglob("*") if path.is_file()} - sources_before == set()
