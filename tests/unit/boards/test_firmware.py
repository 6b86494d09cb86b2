"""A virtual board's firmware is built once on a machine, whoever wants it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vww_deploy.boards import firmware, platformio
from vww_deploy.boards.catalogue import get_board
from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.graph.model import Model

VIRTUAL = get_board("virtual")


@pytest.fixture
def compiled() -> Compiled:
    return compile_model(Model.load("person_64_small").path)


def test_an_image_is_built_once_and_again_by_another_compiler(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path))
    compiler = tmp_path / "a compiler"
    compiler.write_text("of today")
    monkeypatch.setattr("vww_deploy.boards.firmware.shutil.which", lambda tool: str(compiler))
    built: list[Path] = []

    def build(board: Any, library: Path, **flags: Any) -> SimpleNamespace:
        elf = tmp_path / f"firmware-{len(built)}.elf"
        elf.write_text(f"image {len(built)}")
        built.append(elf)
        return SimpleNamespace(elf=elf)

    monkeypatch.setattr(platformio, "build", build)
    name = firmware.firmware_of(compiled, VIRTUAL)

    def image() -> str:
        return firmware.virtual_image(name, VIRTUAL, lambda: compiled).read_text()

    assert [image(), image()] == ["image 0", "image 0"]
    compiler.write_text("of tomorrow")
    assert image() == "image 1"


def test_a_firmware_is_named_by_its_model_and_its_board(compiled: Compiled) -> None:
    other = compile_model(Model.load("person_96_gray").path)
    names = {firmware.firmware_of(compiled, VIRTUAL), firmware.firmware_of(other, VIRTUAL)}
    names.add(firmware.firmware_of(compiled, get_board("nano33ble")))
    assert len(names) == 3
    assert firmware.firmware_of(compiled, VIRTUAL) in names
