"""The library for the Arduino IDE: whole, the same every time, and its examples compile and run."""

from __future__ import annotations

import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vww_deploy.boards.camera_feed import CameraFeed, Pictures
from vww_deploy.boards.catalogue import UNLISTED
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.cli import build
from vww_deploy.compiler import compile_model
from vww_deploy.compiler.arduino import library_name, write_arduino_library
from vww_deploy.errors import DataError
from vww_deploy.graph.model import Model, shipped_models
from vww_deploy.link.device import Device
from vww_deploy.link.transport import open_transport
from vww_deploy.pictures.camera_format import encode_picture, parse_format, picture_to_pixels
from vww_deploy.pictures.preprocess import quantisation_table
from vww_deploy.resources import firmware_dir

MODELS = [*shipped_models(), *Path(__file__).resolve().parents[3].glob("shared/models/person_detect.tflite")]
pytestmark = [pytest.mark.skipif(not MODELS, reason="no model is shipped yet")]

needs_arm = pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs the ARM compiler")
needs_qemu = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs QEMU")


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(MODELS[0])


@pytest.fixture(scope="module")
def library(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library unpacked, as the IDE does it."""
    folder = tmp_path_factory.mktemp("libraries")
    path = write_arduino_library(model, compile_model(model.graph), folder / "library.zip")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder / library_name(model)


def test_the_same_model_gives_the_same_bytes(model: Model, tmp_path: Path) -> None:
    compiled = compile_model(model.graph)
    first = write_arduino_library(model, compiled, tmp_path / "a.zip").read_bytes()
    assert write_arduino_library(model, compiled, tmp_path / "b.zip").read_bytes() == first


def test_the_library_is_what_the_ide_expects(library: Path) -> None:
    properties = dict(line.split("=", 1) for line in (library / "library.properties").read_text().splitlines())
    for field in ("name", "version", "author", "maintainer", "sentence", "paragraph", "category"):
        assert properties[field], field
    assert "url" in properties, "without it Arduino IDE 1.8 refuses the library"
    assert properties["name"] == library.name
    assert properties["architectures"] == "*"
    assert sorted(path.name for path in (library / "examples").iterdir()) == ["CameraToLed", "SerialPictures"]
    for example in (library / "examples").iterdir():
        assert (example / f"{example.name}.ino").is_file()
    for name in properties["includes"].split(","):
        assert (library / "src" / name).is_file()


def test_the_cards_wishes_travel_along(library: Path, model: Model) -> None:
    text = (library / "src" / "vww_model_card.h").read_text()
    values = text.partition("vww_model_pixels[256] = {")[2].partition("}")[0]
    table = quantisation_table(model.card.input, model.graph.input_activation.quantization)
    assert [int(value) for value in values.split(",")] == table.tolist()
    assert f"#define VWW_MODEL_CROP {int(model.card.input.resize == 'crop')}" in text


def test_a_models_name_is_no_code_and_no_property(model: Model, tmp_path: Path) -> None:
    path = tmp_path / 'a"b\nurl=elsewhere\nint code;.tflite'
    shutil.copy(model.path, path)
    odd = Model.load(path)
    with zipfile.ZipFile(write_arduino_library(odd, compile_model(path), tmp_path / "library.zip")) as library:
        texts = [
            library.read(name).decode() for name in library.namelist() if "elsewhere" in library.read(name).decode()
        ]
        assert len({name.split("/")[0] for name in library.namelist()}) == 1
    assert texts
    for text in texts:
        assert "\nurl=elsewhere" not in text and "\nint code;" not in text and '"a"b' not in text


def test_a_folder_that_cannot_be_written_is_told(model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_arduino_library(model, compile_model(model.graph), tmp_path / "file" / "library.zip")


CORE = firmware_dir() / "boards" / "virtual" / "core"
MACHINE = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]
# The oldest standard that Arduino cores ask for, and their flags; GCC takes if constexpr in C++14, too.
FLAGS = [
    *(*MACHINE, "-std=gnu++14", "-Wno-c++17-extensions", "-Os", "-Wall", "-Wextra", "-Werror"),
    *("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-ffunction-sections", "-fdata-sections"),
    *("-DARDUINO=10819", "-DARDUINO_ARCH_VWW_VIRTUAL", "-DARDUINO_VWW_VIRTUAL", "-DF_CPU=1000000000L", "-DVWW_LEDS"),
]


def objects(sources: Iterable[Path], library: Path, folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    made: list[Any] = []
    for source in sources:
        target = folder / f"{len(made)}.o"
        includes = [f"-I{CORE}", f"-I{library / 'src'}"]
        subprocess.run(["arm-none-eabi-g++", *FLAGS, *includes, "-c", str(source), "-o", str(target)], check=True)
        made.append(str(target))
    return made


@pytest.fixture(scope="module")
def common(library: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The core and the library, compiled."""
    sources = [*CORE.glob("*.cpp"), *(library / "src").rglob("*.cpp")]
    return objects(sources, library, tmp_path_factory.mktemp("common"))


def built(library: Path, common: list[str], example: str, folder: Path) -> Path:
    """The example as an Arduino build makes it for the virtual board: every source of library, core and sketch."""
    sketch = folder / f"{example}.ino.cpp"
    ino = library / "examples" / example / f"{example}.ino"
    sketch.write_text(f'#include <Arduino.h>\n#line 1 "{ino}"\n' + ino.read_text())
    own = objects([sketch, *(library / "examples" / example).glob("*.cpp")], library, folder / "objects")
    elf = folder / f"{example}.elf"
    link = ["-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs", "-Wl,--gc-sections"]
    link += ["-Wl,--no-warn-rwx-segments", f"-Wl,-T{CORE / 'virtual.ld'}", *common, *own, "-lc", "-lm", "-lgcc"]
    subprocess.run(["arm-none-eabi-g++", *MACHINE, *link, "-o", str(elf)], check=True)
    return elf


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VirtualBoard:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "cache"))
    return VirtualBoard("arduino")


@pytest.mark.virtual
@needs_arm
@needs_qemu
def test_serial_pictures_talks_to_this_program(
    library: Path, common: list[str], model: Model, board: VirtualBoard, tmp_path: Path
) -> None:
    board.start(built(library, common, "SerialPictures", tmp_path))
    try:
        with Device.connect(open_transport(str(board.tty))) as device:
            values = np.random.default_rng(2).integers(-128, 128, device.info.input_shape, dtype=np.int8)
            assert np.array_equal(device.infer(values).outputs, model.reference.run(values).reshape(-1))
    finally:
        board.stop()


@pytest.mark.virtual
@needs_arm
@needs_qemu
def test_run_talks_to_a_board_outside_the_catalogue(
    library: Path, common: list[str], model: Model, board: VirtualBoard, tmp_path: Path
) -> None:
    """Named by its port alone; what it calls itself is no board that there is an environment for."""
    image = built(library, common, "SerialPictures", tmp_path)
    image.write_bytes(image.read_bytes().replace(b"virtual\0", UNLISTED.name.encode() + b"\0"))
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (96, 96, 3), dtype=np.uint8)).save(picture)
    board.start(image)
    try:
        arguments = ["run", picture, "--port", board.tty, "--model", model.path, "--store", tmp_path / "runs.sqlite"]
        ran = CliRunner().invoke(build(), [*map(str, arguments), "--json"])
    finally:
        board.stop()
    assert ran.exit_code == 0, ran.output
    assert f'"board": "{UNLISTED.name}"' in ran.stdout


def test_the_library_calls_itself_so_on_boards_that_it_does_not_know(library: Path) -> None:
    last = (library / "src" / "vww_arduino.h").read_text().split("#else")[-1]
    assert f'#define VWW_BOARD_NAME "{UNLISTED.name}"' in last


@pytest.mark.virtual
@needs_arm
@needs_qemu
def test_camera_to_led_says_what_the_camera_sees(
    library: Path, common: list[str], model: Model, board: VirtualBoard, tmp_path: Path
) -> None:
    picture = tmp_path / "picture.png"
    coarse = Image.fromarray(np.random.default_rng(5).integers(0, 256, (9, 12, 3), dtype=np.uint8))
    coarse.resize((240, 180), Image.Resampling.BICUBIC).save(picture)
    taken_as = parse_format("qcif")
    table = quantisation_table(model.card.input, model.graph.input_activation.quantization)
    seen = picture_to_pixels(encode_picture(Image.open(picture), taken_as), taken_as, model.card.input)
    outputs = model.reference.run(table[seen]).reshape(-1)
    probability = model.outputs.p_person(outputs)

    board.start(built(library, common, "CameraToLed", tmp_path))
    try:
        transport = open_transport(str(board.tty))
        said = b""
        with CameraFeed(board.camera_socket, Pictures([picture])):
            deadline = time.monotonic() + 200  # a picture takes a second, on a host with everything else to do many
            while b" us\r\n" not in said and time.monotonic() < deadline:
                said += transport.read(0.5)
        transport.close()
    finally:
        board.stop()
    lines = [line for line in said.decode().splitlines() if line.endswith(" us")]
    assert lines, said
    for line in lines:
        assert f" {int(100 * probability + 0.5)} %" in line
        assert line.startswith("person" if probability >= model.card.threshold else "no person")
