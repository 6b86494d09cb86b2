"""The command line with the virtual board: demo, flash, run, verify, and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.json_shapes import assert_command_documented
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.graph.model import shipped_models
from vww_deploy.pictures.samples import write_samples
from vww_deploy.runs.store import Store

pytestmark = [
    pytest.mark.virtual,
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs QEMU"),
    pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs the ARM compiler"),
    pytest.mark.skipif(not shipped_models(), reason="no model is shipped yet"),
]


@dataclass(frozen=True)
class Workplace:
    """Folders of this module's own, and the command line in them."""

    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: object) -> list[str]:
        main = "from vww_deploy.cli import main; main()"
        return [sys.executable, "-c", main, *map(str, arguments)]

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, env=self.environment, timeout=240, check=False
        )
        if "--json" in arguments:
            assert_command_documented(arguments, ran.stdout)
        return ran

    def store(self) -> Store:
        return Store(self.folder / "state" / "runs.sqlite", create=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("cli")
    own = {"VWW_DEPLOY_CACHE": str(folder / "cache"), "VWW_DEPLOY_STATE": str(folder / "state"), "COLUMNS": "100"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        yield Workplace(folder, {**os.environ})
        VirtualBoard("virtual").stop()


@pytest.fixture(scope="module")
def samples(place: Workplace) -> list[Path]:
    return write_samples(place.folder / "samples")


@pytest.fixture(scope="module")
def demo(place: Workplace) -> subprocess.CompletedProcess[str]:
    """The demo leaves the virtual board on, with the model."""
    return place.run("demo", "person_96_gray")


@pytest.fixture
def board(demo: subprocess.CompletedProcess[str]) -> VirtualBoard:
    assert demo.returncode == 0, demo.stderr
    board = VirtualBoard("virtual")
    if not board.running:
        board.start(board.firmware)
    return board


def test_demo_shows_predictions_equal_to_the_reference(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.returncode == 0, demo.stderr
    assert "10 of 10 equal to the host reference" in demo.stdout
    assert "astronaut.png" in demo.stdout
    assert "What to try next" in demo.stdout


def test_boards_shows_the_virtual_board(place: Workplace, board: VirtualBoard) -> None:
    attached = json.loads(place.run("boards", "--json").stdout)["attached"]
    assert [(entry["board"], entry["port"]) for entry in attached] == [("virtual", str(board.tty))]


def test_verify_finds_every_layer_equal(place: Workplace, board: VirtualBoard) -> None:
    ran = place.run("verify", "--json")
    assert ran.returncode == 0, ran.stderr
    values = json.loads(ran.stdout)
    assert values["clean"] is True
    assert [(check["layers"] > 10, check["differing"]) for check in values["inputs"]] == [(True, [])] * 3


def test_verify_names_the_first_layer_that_differs(
    place: Workplace, board: VirtualBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vww_deploy.compiler import compile_model
    from vww_deploy.compiler.digest import layer_digest
    from vww_deploy.graph.model import Model
    from vww_deploy.session import verify as module
    from vww_deploy.session.connect import open_device

    model = Model.load()
    compiled = compile_model(model.graph)
    third = compiled.layers[3]
    calls = iter(range(10_000))
    monkeypatch.setattr(module, "layer_digest", lambda output: layer_digest(output) ^ (next(calls) >= 3))
    with open_device(model, board="virtual") as device:
        (check,) = module.verify(device, compiled, module.noise_inputs(device.info.input_shape, 1))
    assert check.differing[0] == third
    assert len(check.differing) == check.layers - 3


def test_run_logs_every_picture_and_skips_the_bad_ones(
    place: Workplace, board: VirtualBoard, samples: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(samples[0], folder / "good.png")
    (folder / "zero.png").touch()
    (folder / "cut.jpg").write_bytes(samples[-1].read_bytes()[:2000])
    (folder / "text.bmp").write_text("hello")
    Image.new("1", (12_000, 6_000)).save(folder / "huge.png")
    Image.new("RGBA", (7, 300), (10, 200, 30, 128)).save(folder / "odd.png")
    ran = place.run("run", folder, "--json")
    assert ran.returncode == 3, ran.stderr
    values = json.loads(ran.stdout)
    assert [Path(result["path"]).name for result in values["results"]] == ["good.png", "odd.png"]
    assert all(result["equal"] and result["latency_us"] is None for result in values["results"])
    assert values["estimate"]["board"] == "nano33ble" and values["estimate"]["latency_us"] > 10_000
    assert {Path(skipped["path"]).name for skipped in values["skipped_pictures"]} == {
        "zero.png",
        "cut.jpg",
        "text.bmp",
        "huge.png",
    }
    assert ran.stderr.count("skipped:") == 4
    assert values["clock"] == "instructions"
    for name in ("firmware_sha256", "model_sha256"):
        assert len(values[name]) == 64


def test_ctrl_c_leaves_a_whole_run_and_resume_finishes_it(
    place: Workplace, board: VirtualBoard, samples: list[Path], tmp_path: Path
) -> None:
    for number in range(30):
        shutil.copy(samples[number % 8], tmp_path / f"{number:03}.png")
    process = subprocess.Popen(
        place.command("run", tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=place.environment
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("003"):
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in errors
    with place.store() as store:
        stopped = store.last()
        assert stopped is not None
        assert stopped.state == "interrupted"
        assert 4 <= stopped.results < 30
    ran = place.run("run", "--resume")
    assert ran.returncode == 0, ran.stderr
    with place.store() as store:
        finished = store.last()
        assert finished is not None
        assert (finished.id, finished.state, finished.results, finished.equal) == (stopped.id, "complete", 30, 30)


def test_a_bad_line_says_what_it_cost(place: Workplace, board: VirtualBoard, samples: list[Path]) -> None:
    ran = place.run("run", *samples[:4], "--fault-rate", "0.0002", "--json")
    assert ran.returncode == 0, ran.stderr
    values = json.loads(ran.stdout)
    assert [result["equal"] for result in values["results"]] == [True] * 4
    said = re.search(r"a fault in 5,000 bytes: (\d+) requests repeated.*goodput ([\d.]+) kB/s", ran.stderr, re.DOTALL)
    assert said is not None and float(said[2]) > 0, ran.stderr
    # Those of the greeting are no picture's.
    assert int(said[1]) >= sum(result["retries"] for result in values["results"]) > 0


def test_another_model_than_the_boards_is_refused(
    place: Workplace, board: VirtualBoard, samples: list[Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(shipped_models()[0].read_bytes() + b"\0" * 16)  # another file, so another hash
    ran = place.run("run", samples[0], "--model", other)
    assert ran.returncode == 1
    assert "the board runs person_96_gray, not other" in ran.stderr
    assert "vww-deploy flash" in ran.stderr


def test_a_killed_emulator_is_said_and_loses_nothing(
    place: Workplace, board: VirtualBoard, samples: list[Path], tmp_path: Path
) -> None:
    for number in range(40):
        shutil.copy(samples[number % 8], tmp_path / f"{number:03}.png")
    process = subprocess.Popen(
        place.command("run", tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=place.environment
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("002"):
        pass
    board.stop()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.startswith("error:") or "\nerror:" in errors
    assert "Traceback" not in errors
    with place.store() as store:
        failed = store.last()
        assert failed is not None
        assert failed.state == "failed"
        assert failed.results >= 3
        assert failed.equal == failed.compared == failed.results
    board.start(board.firmware)
    assert place.run("run", "--resume").returncode == 0


def test_a_board_that_is_off_is_said(place: Workplace, board: VirtualBoard, samples: list[Path]) -> None:
    board.stop()
    ran = place.run("run", samples[0])
    assert ran.returncode == 1
    assert "vww-deploy flash --board virtual" in ran.stderr


def test_what_cannot_fit_is_refused_before_building(place: Workplace, demo: Any) -> None:
    started = time.monotonic()
    ran = place.run("flash", "--board", "uno_r4_minima")
    assert ran.returncode == 1
    assert "does not fit uno_r4_minima" in ran.stderr
    assert "bytes" in ran.stderr
    assert not (place.folder / "cache" / "build" / "uno_r4_minima").exists()
    assert time.monotonic() - started < 60


def test_a_missing_compiler_is_said(place: Workplace, tmp_path: Path) -> None:
    without = {**place.environment, "PATH": str(tmp_path)}
    ran = subprocess.run(
        place.command("flash", "--board", "virtual"), capture_output=True, text=True, env=without, check=False
    )
    assert ran.returncode == 1
    assert "not installed" in ran.stderr
    assert "apt" in ran.stderr


def test_a_missing_emulator_is_said(place: Workplace, demo: Any, tmp_path: Path) -> None:
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):  # all that there is but QEMU
        for tool in folder.iterdir() if folder.is_dir() else ():
            if not tool.name.startswith("qemu") and not (tmp_path / tool.name).exists():
                (tmp_path / tool.name).symlink_to(tool)
    without = {**place.environment, "PATH": str(tmp_path)}
    ran = subprocess.run(
        place.command("flash", "--board", "virtual"), capture_output=True, text=True, env=without, check=False
    )
    assert ran.returncode == 1
    assert "qemu-system-arm" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_bench_counts_the_same_instructions_every_time(place: Workplace, board: VirtualBoard) -> None:
    ran = place.run("bench", "--board", "virtual", "-n", 2, "--json")
    assert ran.returncode == 0, ran.stderr
    bench = json.loads(ran.stdout)["bench"]
    assert bench["runs"] == 2 and bench["clock"] == "instructions"
    layers = [layer["ticks"]["median"] for layer in bench["layers"]]
    assert len(layers) == 30  # 27 convolutions, the mean, the classifier, the softmax
    total = bench["total"]
    # Interrupts of the link come in between: within a tenth of a percent of the quickest.
    assert total["minimum"] <= total["median"] <= total["p95"] <= 1.001 * total["minimum"]
    assert 0.99 * total["median"] <= sum(layers) <= 1.01 * total["median"]
    table = place.run("bench", "--board", "virtual", "-n", 1)
    assert "person_96_gray: " in table.stdout and "per MAC" in table.stdout


def test_flash_gets_the_board_while_another_process_watches_it_and_gives_it_back(
    place: Workplace, board: VirtualBoard, samples: list[Path], tmp_path: Path
) -> None:
    seen = tmp_path / "seen"

    def events_of(kind: str, state: str | None = None) -> list[dict[str, Any]]:
        events = [json.loads(line) for line in seen.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [event for event in events if event["event"] == kind and event.get("state") == state]

    watching = place.command("monitor", *samples[:2], "--board", "virtual", "--json")
    with seen.open("w") as file, subprocess.Popen(watching, stdout=file, env=place.environment) as monitor:
        try:
            while not events_of("result"):
                time.sleep(0.1)
            flashed = place.run("flash", "--board", "virtual")
            assert flashed.returncode == 0, flashed.stderr
            assert "virtual runs person_96_gray" in flashed.stdout
            lost, *_ = events_of("connection", "lost")
            assert lost["reason"].startswith("vww-deploy flash (process ")
            while events_of("result")[-1]["at"] < lost["at"]:
                time.sleep(0.1)
        finally:
            monitor.send_signal(signal.SIGINT)


def test_a_board_of_the_users_own_is_built_as_its_two_entries_say(place: Workplace) -> None:
    """The virtual board's own environment under another name, which the firmware then calls itself by."""
    entries = place.folder / "config" / "boards"
    entries.mkdir(parents=True)
    own = Workplace(place.folder, {**place.environment, "VWW_DEPLOY_CONFIG": str(entries.parent)})
    (entries / "my_board.toml").write_text(
        'title = "Mine"\nmcu = "STM32F405RG"\ntarget = "cortex_m4"\nneeds_registry = false\nclock_hz = 1\n'
        "ram_bytes = 100_000\nflash_bytes = 1_000_000\nusb = []\nbootloader_usb = []\nbootloader = 'platformio'\n"
        "address = 0x0800_0000\nimages = ['bin']\nfigures = 'vendor'\nbaudrate = 115200\ncameras = []\n"
    )
    (entries / "my_board.ini").write_text(
        "[env:my_board]\nplatform = symlink://firmware/boards/virtual\nboard = virtual\n"
        'build_flags = -DVWW_BOARD_NAME=\\"my_board\\" -DVWW_CAMERA_VIRTUAL\n'
    )
    image = place.folder / "mine.bin"
    ran = own.run("flash", "person_64_small", "--board", "my_board", "--build-only", "-o", image)
    assert ran.returncode == 0, ran.stderr
    assert b"my_board\0" in image.read_bytes()
    packed = place.folder / "mine.zip"
    assert own.run("flash", "person_64_small", "-b", "my_board", "--build-only", "-o", packed).returncode == 0
    with zipfile.ZipFile(packed) as archive:
        assert "the board's own tool" in archive.read("README.txt").decode()
