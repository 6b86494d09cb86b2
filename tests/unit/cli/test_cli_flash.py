"""``flash``: what is said before anything is compiled, and firmware as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vww_deploy import compiler
from vww_deploy.boards import bootloader
from vww_deploy.cli import common
from vww_deploy.compiler.report import TIGHT
from vww_deploy.graph.model import Model

Cli = Callable[..., Any]


def test_a_form_that_the_board_has_not_is_refused_before_anything_is_compiled(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "compile_model", lambda *_, **__: pytest.fail("it compiled"))
    ran = cli("flash", "person_64_small", "-b", "nano33ble", "--build-only", "-o", tmp_path / "mine.uf2")
    assert ran.code == 1
    assert "there is no .uf2 firmware for nano33ble" in ran.err
    assert "take mine.bin; there are: .elf, .bin, .hex, .zip" in ran.err
    assert not (tmp_path / "mine.uf2").exists()
    ran = cli("flash", "person_64_small", "-b", "nano33ble", "--build-only", "-o", tmp_path / "out" / "mine.bin")
    assert ran.code == 1 and f"there is no folder {tmp_path / 'out'}" in ran.err


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
