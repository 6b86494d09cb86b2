"""The page over the virtual board with the shipped model: what it shows is what the reference computes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from tests.web.test_page import decoded, drop, find, moment, number, text, wait_for
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.graph.model import Model, shipped_models
from vww_deploy.pictures.preprocess import open_picture, to_pixels
from vww_deploy.pictures.samples import write_samples

pytestmark = [
    pytest.mark.web,
    pytest.mark.virtual,
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs QEMU"),
    pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs the ARM compiler"),
    pytest.mark.skipif(not shipped_models(), reason="no model is shipped yet"),
]
OPTIONS = "--board virtual --web-port {port} --out {folder}"
MAIN = [sys.executable, "-c", "from vww_deploy.cli import main; main()"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of this module's own, and its own virtual board with the shipped model."""
    folder = tmp_path_factory.mktemp("page_board")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VWW_DEPLOY_CACHE", str(folder / "cache"))
        patch.setenv("VWW_DEPLOY_STATE", str(folder / "state"))
        write_samples(folder / "samples")
        flash()
        yield folder
        VirtualBoard("virtual").stop()


def flash() -> None:
    done = subprocess.run(
        [*MAIN, "flash", "--board", "virtual"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def chances(place: Path) -> dict[str, tuple[Any, float]]:
    """Of each sample by its name: the picture that the model should see, and what the reference makes of it."""
    model = Model.load()
    known = {}
    for path in (place / "samples").rglob("*.*"):
        image = open_picture(path.read_bytes())
        outputs = model.reference.run(model.to_input(image)).reshape(-1)
        known[path.name] = (
            to_pixels(image, model.card.input)[:, :, 0],
            model.outputs.p_person(outputs),
        )
    return known


def test_known_pictures_have_their_predictions_through_loss_and_recovery(
    place: Path, chances: dict[str, tuple[Any, float]], start_page: Any, browser: webdriver.Chrome
) -> None:
    model = Model.load()
    server = start_page(
        command=[*MAIN, *f"monitor {place}/samples --fps 5 --web --no-browser".split(), *OPTIONS.split()],
    )
    browser.get(server.url)
    wait_for(lambda: number(browser) >= 0, 60)
    browser.execute_script("window.stayed = true")

    def check(wanted: int) -> None:
        seen = set()

        def enough() -> bool:
            now = moment(browser)
            if now["source"] in chances and now["source"] not in seen:
                pixels, p_person = chances[now["source"]]
                assert (decoded(now["src"]) == pixels).all(), now["source"]
                assert now["chance"] == f"{p_person:.1%}", now["source"]
                assert now["prediction"] == model.outputs.pair[int(p_person >= model.card.threshold)]
                seen.add(now["source"])
            return len(seen) >= wanted

        wait_for(enough, 120)

    check(len(chances))
    assert "instructions" in text(browser, ".vww-verdict")
    assert text(browser, "#layers").count("%") > 20  # all layers of a MobileNet

    VirtualBoard("virtual").stop()
    wait_for(lambda: find(browser, ".vww-pill").get_attribute("data-state") == "lost", 60)
    assert "The board is away" in text(browser, ".vww-veil")
    wait_for(lambda: "flash --board virtual" in text(browser, ".vww-veil"), 60)  # not that it be plugged in
    flash()
    wait_for(lambda: find(browser, ".vww-pill").get_attribute("data-state") == "connected", 60)
    held = number(browser)
    wait_for(lambda: number(browser) > held + 2, 60)
    check(3)
    assert browser.execute_script("return window.stayed") is True

    astronaut = place / "samples" / "person" / "astronaut.png"
    browser.execute_script("arguments[0].click()", find(browser, '[aria-label="pause (space)"]'))
    drop(browser, "dropped.png", astronaut.read_bytes())
    wait_for(lambda: moment(browser)["source"] == "dropped.png", 60)
    assert moment(browser)["chance"] == f"{chances['astronaut.png'][1]:.1%}"
