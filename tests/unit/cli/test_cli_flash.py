"""``flash``: what is said before anything is compiled, and firmware as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vww_deploy import compiler
from vww_deploy.boards import bootloader, platformio
from vww_deploy.boards.platformio import FirmwareImage
from vww_deploy.cli import common
from vww_deploy.compiler.report import TIGHT
from vww_deploy.graph.model import Model

Cli = Callable[..., Any]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build that makes an ELF and a .bin file."""
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "firmware.elf").write_bytes(b"elf")
    (folder / "firmware.bin").write_bytes(b"binary")
    monkeypatch.setattr(platformio, "build", lambda *_, **__: FirmwareImage(folder / "firmware.elf", 2, 1))
    return folder


def test_the_firmware_is_written_in_the_form_of_the_files_ending(cli: Cli, built: Path, tmp_path: Path) -> None:
    ran = cli("flash", "person_64_small", "-b", "nano33ble", "--build-only", "-o", tmp_path / "mine.bin")
    assert ran.code == 0, ran.err
    assert (tmp_path / "mine.bin").read_bytes() == b"binary"
    ran = cli("flash", "person_64_small", "-b", "nano33ble", "--build-only", "-o", tmp_path / "mine.uf2")
    assert ran.code == 1
    assert "makes no .uf2 file" in ran.err and "it makes: .elf, .bin" in ran.err
    assert not (tmp_path / "mine.uf2").exists()


@pytest.mark.parametrize("arguments", [("--build-only",), ("-o", "x.bin")])
def test_build_only_and_output_belong_together(cli: Cli, arguments: tuple[str, ...]) -> None:
    ran = cli("flash", "-b", "nano33ble", *arguments)
    assert ran.code == 1 and "go together" in ran.err


def test_a_board_that_is_not_there_is_said_before_anything_is_compiled(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "compile_model", lambda *_, **__: pytest.fail("it compiled"))
    monkeypatch.setattr(bootloader.ThisMachine, "ports", lambda self: [])
    ran = cli("flash", "-b", "nano33ble")
    assert ran.code == 1 and "attached" in ran.err


def test_a_fit_that_leaves_little_ram_is_tight() -> None:
    report = compiler.compile_model(Model.load("person_64_small").graph).report()
    needs = report.ram_bytes + report.stack_bytes
    enough = round(needs / (1 - TIGHT)) + 1
    for ram_bytes, ok, tight in ((needs - 1, False, False), (needs, True, True), (enough, True, False)):
        fit = report.fit(ram_bytes=ram_bytes, flash_bytes=report.flash_bytes)
        assert (fit.ok, fit.tight) == (ok, tight)


def test_nothing_is_cut_or_wrapped_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    path = "/a folder/" + 30 * "long/" + "name.png"
    common.out.print(path)
    assert capsys.readouterr().out == path + "\n"
