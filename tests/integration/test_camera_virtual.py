"""The camera path on the virtual board: pictures from the host, live shots, and everything a camera can do wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from vww_deploy.boards.camera_feed import CameraFeed, Pictures
from vww_deploy.boards.catalogue import get_board
from vww_deploy.boards.drivers import driver_for
from vww_deploy.boards.flash import flash
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.errors import BoardError, LinkError
from vww_deploy.graph.model import Model, shipped_models
from vww_deploy.link import messages as m
from vww_deploy.link.camera import CameraShot, DeviceCamera
from vww_deploy.link.device import Device
from vww_deploy.link.inference import Inference
from vww_deploy.link.messages import CameraStatus, FrameKind
from vww_deploy.link.transport import open_transport
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.camera_format import (
    CameraFormat,
    PixelFormat,
    decode_picture,
    encode_picture,
    picture_to_pixels,
)
from vww_deploy.session.camera import CameraLive
from vww_deploy.session.connect import open_device
from vww_deploy.session.events import Connection, Event, ShownPicture
from vww_deploy.session.session import prepare
from vww_deploy.session.source import Control

# The shipped model, or the team's.
MODELS = [*shipped_models(), *Path(__file__).resolve().parents[3].glob("shared/models/person_detect.tflite")]

pytestmark = [
    pytest.mark.virtual,
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs QEMU"),
    pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs the ARM compiler"),
    pytest.mark.skipif(not MODELS, reason="no model is shipped yet"),
]

# Small enough to come quickly over the emulated UART, with a row that is no multiple of anything.
SMALL = CameraFormat(71, 53)
BOTH = FrameKind.MODEL | FrameKind.RAW
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(MODELS[0])


@pytest.fixture(scope="module")
def board(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBoard]:
    """A virtual board of this module's own, with the shipped model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VWW_DEPLOY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("VWW_DEPLOY_STATE", str(tmp_path_factory.mktemp("state")))
        flash(model.path, "virtual")
        board = VirtualBoard("virtual")
        yield board
        board.stop()


@pytest.fixture
def device(board: VirtualBoard, model: Model) -> Iterator[Device]:
    with Device.connect(open_transport(str(board.tty))) as device:
        prepare(device, model)
        yield device


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(7)
    paths = [folder / f"{i}.png" for i in range(3)]
    for path in paths:  # coarse noise: something for the area average to do
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        coarse.resize((240, 180), Image.Resampling.BICUBIC).save(path)
    return paths


@pytest.fixture
def feed(board: VirtualBoard, pictures: list[Path]) -> Iterator[CameraFeed]:
    with CameraFeed(board.camera_socket, Pictures(pictures), fps=50.0) as feed:
        yield feed


def table_of(model: Model) -> npt.NDArray[np.int8]:
    return preprocess.quantisation_table(model.card.input, model.graph.input_activation.quantization)


def reference(model: Model, data: bytes, camera_format: CameraFormat) -> npt.NDArray[np.int8]:
    values = table_of(model)[picture_to_pixels(data, camera_format, model.card.input)]
    return model.reference.run(values).reshape(-1)


def written(device: Device, picture: int, offset: int, data: bytes) -> int:
    """Writes a piece of a picture by hand; how much of it the board says it has."""
    channel, jobs = device._channel, device._jobs
    jobs._waiting.add(picture)
    jobs._acks.pop(picture, None)
    channel.send(m.Write(picture, offset, data))
    deadline = time.monotonic() + PATIENCE_S
    while picture not in jobs._acks and time.monotonic() < deadline:
        channel.listen(0.2)
    return jobs._acks[picture].received


def next_shot(camera: DeviceCamera) -> CameraShot:
    shot = camera.next_shot(PATIENCE_S)
    assert shot is not None, camera.status
    return shot


@pytest.mark.parametrize("pixels", list(PixelFormat))
def test_pictures_from_the_host_are_preprocessed_on_the_board(
    device: Device, model: Model, pictures: list[Path], pixels: PixelFormat
) -> None:
    camera_format = CameraFormat(SMALL.width, SMALL.height, pixels)
    sent = [encode_picture(Image.open(path), camera_format) for path in pictures]
    for data, inference in zip(sent, device.infer_raw(sent, camera_format), strict=True):
        assert np.array_equal(inference.outputs, reference(model, data, camera_format))
    # pictures that the host preprocessed still work, before and after
    values = table_of(model)[picture_to_pixels(sent[0], camera_format, model.card.input)]
    assert np.array_equal(device.infer(values).outputs, reference(model, sent[0], camera_format))


def test_the_pictures_table_and_crop_are_the_hosts(device: Device, model: Model, pictures: list[Path]) -> None:
    spec = model.card.input
    table = np.random.default_rng(1).permutation(256).astype(np.uint8).view(np.int8)
    data = encode_picture(Image.open(pictures[0]), SMALL)
    cropping = replace(spec, resize="crop")
    device.prepare(table, crop=True)
    expected = model.reference.run(table[picture_to_pixels(data, SMALL, cropping)]).reshape(-1)
    assert np.array_equal(next(iter(device.infer_raw([data], SMALL))).outputs, expected)
    device.reset()  # sent again after a restart
    assert np.array_equal(next(iter(device.infer_raw([data], SMALL))).outputs, expected)


def test_a_format_that_the_board_cannot_take_is_told(device: Device) -> None:
    with pytest.raises(LinkError, match="cannot take"):
        list(device.infer_raw([b""], CameraFormat(0, 0)))


def test_live_shots_are_the_cameras_pictures_to_the_byte(
    device: Device, model: Model, feed: CameraFeed, pictures: list[Path]
) -> None:
    shown = [encode_picture(Image.open(path), SMALL) for path in pictures]
    camera = DeviceCamera.open(device, SMALL)
    assert camera.name == "virtual OV7675"
    assert camera.start(keep=BOTH) == BOTH
    whole = 0
    last = 0
    while whole < 3:
        shot = next_shot(camera)
        assert shot.inference.number > last
        last = shot.inference.number
        stages = dict(shot.inference.stages)
        assert shot.inference.ticks > 0
        assert set(stages) == {"capture", "preprocess", "inference", "transfer"}
        assert all(stages[stage] > 0 for stage in ("capture", "preprocess", "inference"))
        if shot.raw_picture is None or shot.model_input is None:
            continue
        whole += 1
        assert shot.raw_picture in shown
        assert np.array_equal(
            shot.model_input, table_of(model)[picture_to_pixels(shot.raw_picture, SMALL, model.card.input)]
        )
        assert np.array_equal(shot.inference.outputs, reference(model, shot.raw_picture, SMALL))
    camera.stop()


def test_a_slow_host_slows_the_pictures_and_not_the_inference(device: Device, feed: CameraFeed) -> None:
    camera = DeviceCamera.open(device, SMALL)
    camera.start(keep=BOTH)
    first = next_shot(camera)
    # A host that reads nothing for a while: the board goes on, keeps one picture, and counts what it could not keep.
    begun = device.stats().inferences
    deadline = time.monotonic() + PATIENCE_S
    while device.stats().inferences < begun + 4 and time.monotonic() < deadline:
        time.sleep(0.2)
    shot = next_shot(camera)
    while shot.drops < 2:
        shot = next_shot(camera)
    assert shot.inference.number > first.inference.number
    assert device.stats().inferences >= begun + 4
    camera.stop()


def test_the_host_sets_the_rate(device: Device, feed: CameraFeed) -> None:
    camera = DeviceCamera.open(device, SMALL)
    camera.start(keep=FrameKind(0), interval_s=3600.0)
    shot = next_shot(camera)
    assert (shot.raw_picture, shot.model_input) == (None, None)
    assert camera.next_shot(1.0) is None  # the next is due in an hour
    camera.stop()


def test_pictures_are_refused_while_live_and_taken_after(device: Device, model: Model, feed: CameraFeed) -> None:
    camera = DeviceCamera.open(device, SMALL)
    camera.start()
    next_shot(camera)
    values = np.zeros(device.info.input_shape, np.int8)
    with pytest.raises(LinkError, match="live"):
        device.infer(values)
    camera.stop()
    assert np.array_equal(device.infer(values).outputs, model.reference.run(values).reshape(-1))


def test_the_next_host_finds_the_board_at_rest(board: VirtualBoard, model: Model, feed: CameraFeed) -> None:
    """A program that was killed leaves the live mode on; whoever connects next ends it."""
    values = np.zeros(model.graph.input_activation.shape, np.int8)
    with Device.connect(open_transport(str(board.tty))) as gone:
        camera = DeviceCamera.open(gone, SMALL)
        camera.start()
        next_shot(camera)
    with Device.connect(open_transport(str(board.tty))) as device:
        assert np.array_equal(device.infer(values).outputs, model.reference.run(values).reshape(-1))


def test_the_camera_takes_over_from_an_upload_and_gives_way_to_the_console(
    device: Device, model: Model, feed: CameraFeed, pictures: list[Path]
) -> None:
    """A picture half uploaded when the camera goes live is uploaded anew; `infer` at the console ends the live mode."""
    data = encode_picture(Image.open(pictures[0]), SMALL)
    device.request(m.BeginFrame(7, SMALL.width, SMALL.height, int(SMALL.pixels)), m.FrameBegun)
    assert written(device, 7, 0, data[:1000]) == 1000
    camera = DeviceCamera.open(device, SMALL)
    assert written(device, 7, 0, b"") == 1000  # looking for the camera disturbs nothing
    camera.start()
    next_shot(camera)
    camera.stop()
    assert written(device, 7, 1000, data[1000:1100]) == 0
    assert np.array_equal(next(iter(device.infer_raw([data], SMALL))).outputs, reference(model, data, SMALL))

    camera.start()
    next_shot(camera)
    lines: list[str] = []
    with device.hearing(lines.append):
        device.type_line("infer")
        deadline = time.monotonic() + PATIENCE_S
        while not lines and time.monotonic() < deadline:
            device.poll(0.2)
    assert lines
    assert device.request(m.Poll(0, 0), m.Shot).run == 0


def test_pieces_of_a_picture_that_is_used_up_disturb_nothing(device: Device, pictures: list[Path]) -> None:
    """On a slow line pieces are sent twice; the second ones may come after the inference."""
    data = encode_picture(Image.open(pictures[0]), SMALL)
    done = next(iter(device.infer_raw([data], SMALL))).number
    device.request(m.BeginFrame(9, SMALL.width, SMALL.height, int(SMALL.pixels)), m.FrameBegun)
    assert written(device, 9, 0, data[:1000]) == 1000
    assert written(device, done, 0, data[:500]) == 500
    assert written(device, done, 3000, data[3000:3500]) == 3500
    device.request(m.BeginFrame(done, SMALL.width, SMALL.height, int(SMALL.pixels)), m.FrameBegun)
    assert written(device, 9, 1000, data[1000:2000]) == 2000
    # far behind the end of any picture, of a picture that nobody knows: an answer, and nothing else
    assert written(device, 1234, 1_000_000, b"x") == 0
    assert written(device, 9, 2000, data[2000:2100]) == 2100


def test_a_picture_that_nobody_takes_does_not_hang_the_board(device: Device, feed: CameraFeed) -> None:
    """The live mode ends while a picture is on its way: the rest fills the UART's ring, and the link goes on."""
    big = CameraFormat(176, 144)
    camera = DeviceCamera.open(device, big)
    camera.start(keep=FrameKind(0))
    deadline = time.monotonic() + PATIENCE_S
    while feed.served == 0 and time.monotonic() < deadline:
        time.sleep(0.005)
    camera.stop()
    time.sleep(0.5)
    assert device.stats().uptime_ms > 0
    # and the next look at the camera gets through what is left of it
    again = DeviceCamera.open(device, SMALL)
    again.start(keep=BOTH)
    assert next_shot(again).raw_picture is not None
    again.stop()


def test_a_restart_in_the_live_mode_is_recovered_from(
    device: Device, board: VirtualBoard, model: Model, feed: CameraFeed
) -> None:
    camera = DeviceCamera.open(device, SMALL)
    camera.start(keep=BOTH)
    next_shot(camera)
    board.reset()
    shot = next_shot(camera)
    assert shot.raw_picture is not None
    assert np.array_equal(shot.inference.outputs, reference(model, shot.raw_picture, SMALL))
    camera.stop()


def test_no_camera_is_a_message(device: Device) -> None:
    with pytest.raises(BoardError, match="no camera answers") as caught:
        DeviceCamera.open(device, SMALL)
    assert "plug" in caught.value.hint
    assert device.stats().uptime_ms > 0


def test_a_camera_that_is_taken_away_and_comes_back(device: Device, board: VirtualBoard, pictures: list[Path]) -> None:
    with CameraFeed(board.camera_socket, Pictures(pictures), fps=50.0):
        camera = DeviceCamera.open(device, SMALL)
        camera.start(keep=FrameKind.MODEL)
        last = next_shot(camera).inference.number
    deadline = time.monotonic() + PATIENCE_S
    while camera.status not in (CameraStatus.NO_FRAME, CameraStatus.TORN) and time.monotonic() < deadline:
        camera.next_shot(0.5)
    assert camera.status in (CameraStatus.NO_FRAME, CameraStatus.TORN)
    with CameraFeed(board.camera_socket, Pictures(pictures), fps=50.0):
        shot = next_shot(camera)
        assert shot.inference.number > last
        assert shot.failures > 0
        camera.stop()


def test_the_live_source_tells_pictures_and_results(board: VirtualBoard, model: Model, pictures: list[Path]) -> None:
    control = Control()
    source = CameraLive(
        lambda port: open_device(model, board="virtual"),
        model,
        driver_for(get_board("virtual")).camera_feed([str(pictures[0])], fps=50.0),
        SMALL,
    )
    seen: list[Event] = []
    for event in source.events(control):
        seen.append(event)
        if sum(isinstance(e, Inference) for e in seen) == 2:
            control.stop()
    shown = [event for event in seen if isinstance(event, ShownPicture)]
    results = [event for event in seen if isinstance(event, Inference)]
    assert [one.number for one in shown] == [result.number for result in results] == [0, 1]
    raw = encode_picture(Image.open(pictures[0]), SMALL)
    for one, result in zip(shown, results, strict=True):
        assert one.raw is not None
        assert np.array_equal(one.raw[..., 0], decode_picture(raw, SMALL))
        assert np.array_equal(one.pixels, picture_to_pixels(raw, SMALL, model.card.input))
        assert result.outputs == tuple(reference(model, raw, SMALL).tolist())
        assert [name for name, _ in result.stages] == ["capture", "preprocess", "inference", "transfer"]
    assert any(isinstance(event, Connection) and event.state == "connected" for event in seen)


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    main = "from vww_deploy.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", main, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


def test_run_with_a_raw_camera(board: VirtualBoard, pictures: list[Path]) -> None:
    done = cli("run", *pictures, "--model", MODELS[0], "--board", "virtual", "--raw-camera", "71x53:rgb565be", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert run["raw_camera"] == "71x53:rgb565be"
    assert len(run["results"]) == 3
    assert all(result["equal"] for result in run["results"])
    wrong = cli("run", *pictures, "--model", MODELS[0], "--board", "virtual", "--raw-camera", "qcif:yuv")
    assert wrong.returncode != 0
    assert "no pixel format is called 'yuv'" in wrong.stderr


def test_stills_and_their_diagnosis(board: VirtualBoard, pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "stills"
    done = cli(
        "camera",
        *pictures,
        "--model",
        MODELS[0],
        "--board",
        "virtual",
        "--camera-format",
        "71x53",
        "-n",
        2,
        "--out",
        out,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    saved = json.loads(done.stdout)["files"]
    assert [Path(path).name for path in saved] == ["picture_0000.png", "picture_0001.png"]
    shown = [decode_picture(encode_picture(Image.open(path), SMALL), SMALL).tobytes() for path in pictures]
    assert all(np.asarray(Image.open(path)).tobytes() in shown for path in saved)
    for fault, texts in (
        ("", []),
        ("swapped-lines", ["D0 and D1 are swapped"]),
        ("absent", ["no camera answers"]),
    ):
        checked = cli(
            "camera",
            *pictures,
            "--model",
            MODELS[0],
            "--board",
            "virtual",
            "--camera-format",
            "71x53",
            "--check",
            "--fault",
            fault,
            "--json",
        )
        findings = json.loads(checked.stdout)["findings"]
        bad = [finding for finding in findings if not finding["ok"]]
        assert checked.returncode == (1 if texts else 0), checked.stderr
        assert len(bad) == len(texts)
        for finding, text in zip(bad, texts, strict=True):
            assert text in finding["text"]
            assert finding["hint"]
