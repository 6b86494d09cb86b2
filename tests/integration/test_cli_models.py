"""Other people's models.

Each that fits is flashed to the virtual board and compared layer by layer; pictures give the reference's results.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.support.random_models import model_of_many_operators
from vww_deploy.boards.flash import flash
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.cli import build
from vww_deploy.compiler import compile_model
from vww_deploy.graph.model import Model
from vww_deploy.pictures.gather import gather
from vww_deploy.runs.store import Store
from vww_deploy.runs.stream import run_header, stream_run
from vww_deploy.session.connect import open_device, open_session
from vww_deploy.session.verify import noise_inputs, verify

pytestmark = [
    pytest.mark.virtual,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs QEMU"),
    pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs the ARM compiler"),
]


@pytest.fixture(scope="module", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VWW_DEPLOY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
        VirtualBoard("virtual").stop()


@pytest.mark.parametrize(
    "name",
    [
        "person_detect",
        "teacher_mcunet_vww_80",
        "vww_96_int8",
        "wv_k_8_c_5",
        "wv_mcunet_10fps",
        "wv_micronets_vww2_50_50",
    ],
)
def test_every_layer_on_the_board_equals_the_reference(shared: Path, name: str) -> None:
    model = Model.load(shared / "models" / f"{name}.tflite")
    compiled = compile_model(model.graph)
    flash(compiled, "virtual")
    with open_device(model, board="virtual") as device:
        for check in verify(device, compiled, noise_inputs(device.info.input_shape, 2)):
            assert not check.differing


def test_many_operators_on_the_board_and_what_three_classes_mean_to_every_command(tmp_path: Path) -> None:
    """One firmware with what no MobileNet has; its three classes are not persons."""
    path = tmp_path / "cups.tflite"
    path.write_bytes(model_of_many_operators())
    (tmp_path / "labels.txt").write_text("saucer\ncup\nspoon\n")
    model = Model.load(path, person_label="cup")
    compiled = compile_model(model.graph)
    assert len({layer.kind for layer in compiled.layers}) > 20
    flash(compiled, "virtual")
    with open_device(model, board="virtual") as device:
        for check in verify(device, compiled, noise_inputs(device.info.input_shape, 2)):
            assert not check.differing
        port = device.port

    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (4, 24, 24, 3), np.uint8)
    for i, pixels in enumerate(pictures):
        (tmp_path / "person").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "person" / f"{i}.png")
        (tmp_path / f"{i}.bin").write_bytes(pixels.tobytes())
    expected = [model.reference.run((pixels ^ 0x80).view(np.int8)).reshape(-1) for pixels in pictures]
    likeliest = [int(values.argmax()) for values in expected]
    (tmp_path / "y_labels.csv").write_text("".join(f"{i}.bin,3,{k}\n" for i, k in enumerate(likeliest)))

    def cli(*arguments: str) -> str:
        done = CliRunner().invoke(build(), [*arguments])
        assert done.exit_code == 0, done.output
        return done.output

    store = ("--store", str(tmp_path / "runs.sqlite"))
    named = ("--model", str(path), "--person-label", "cup")
    said = cli("run", str(tmp_path / "person"), "--board", "virtual", *named, *store)
    assert "P(cup)" in said and "4 of 4 equal to the host reference" in said
    assert "P(person)" not in said and all(name in said for name in ("saucer", "cup", "spoon"))
    cli("runs", "export", "-o", str(tmp_path / "run.csv"), *store)
    with (tmp_path / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, values in zip(rows, expected, strict=True):
        assert row["top"] == "; ".join(f"{label} {chance:.4f}" for label, chance in model.outputs.top(values))
    cli("runs", "report", "-o", str(tmp_path / "run.html"), *store)
    page = (tmp_path / "run.html").read_text()
    assert "P(cup), and the threshold" in page and "P(person)" not in page
    measured = cli("mlperf", str(tmp_path), "--port", port, "--mode", "accuracy")
    assert "Top 1% = 100.0 of 4 samples" in measured and "AUC = - (not of two classes)" in measured


def test_labelled_pictures_give_the_references_results(shared: Path, tmp_path: Path) -> None:
    model = Model.load(shared / "models" / "vww_96_int8.tflite")
    flash(compile_model(model.graph), "virtual")
    test_split = shared / "data" / "images" / "test"
    chosen = [str(path) for label in "01" for path in sorted((test_split / label).glob("*.jpg"))[::80]]
    pictures = gather(chosen, shared / "data" / "labels.csv")
    assert {picture.truth for picture in pictures} == {0, 1}
    with Store(tmp_path / "runs.sqlite") as store, open_session(model, board="virtual") as session:
        writer = store.begin(run_header(session), pictures)
        for _ in stream_run(session, writer, dict(enumerate(pictures))):
            pass
        summary = store.run(writer.run)
    assert summary.equal == summary.compared == len(pictures)
