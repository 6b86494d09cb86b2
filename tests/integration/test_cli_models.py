"""Other people's models.

Each that fits is flashed to the virtual board and compared layer by layer; pictures give the reference's results.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vww_deploy.boards.flash import flash
from vww_deploy.boards.virtual import VirtualBoard
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
