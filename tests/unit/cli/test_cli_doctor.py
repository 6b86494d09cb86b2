"""``vww-deploy doctor`` on machines that lack things."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vww_deploy import resources
from vww_deploy.boards import doctor

Cli = Callable[..., Any]


def stand_in(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of stand-ins: everything is there until a test takes it away."""
    folder = tmp_path / "bin"
    folder.mkdir()
    stand_in(
        folder,
        "arm-none-eabi-g++",
        'case "$1" in -print-file-name=*) echo "/lib/${1#*=}" ;; *) echo "arm-none-eabi-g++ 12.2" ;; esac',
    )
    stand_in(folder, "qemu-system-arm", 'case "$1" in -machine) echo netduinoplus2 ;; *) echo "QEMU 7.2" ;; esac')
    stand_in(folder, "g++", "echo g++ 12.2")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def required(cli: Cli) -> tuple[int, dict[str, dict[str, Any]]]:
    ran = cli("doctor", "--json")
    return ran.code, {check["name"]: check for check in json.loads(ran.out)["checks"] if check["required"]}


def test_everything_is_there(cli: Cli, tools: Path) -> None:
    code, checks = required(cli)
    assert code == 0
    assert all(check["ok"] for check in checks.values())
    assert "12.2" in checks["ARM cross compiler"]["found"]
    shown = cli("doctor")
    assert shown.code == 0
    assert "Everything needed is here." in shown.out


@pytest.mark.parametrize(
    ("tool", "name", "package"),
    [
        ("arm-none-eabi-g++", "ARM cross compiler", "gcc-arm-none-eabi"),
        ("qemu-system-arm", "emulator", "qemu-system-arm"),
    ],
)
def test_a_missing_tool_comes_with_its_command(cli: Cli, tools: Path, tool: str, name: str, package: str) -> None:
    (tools / tool).unlink()
    code, checks = required(cli)
    assert code == 1
    assert [check["name"] for check in checks.values() if not check["ok"]] == [name]
    assert f"apt-get install -y {package}" in checks[name]["cure"]
    shown = cli("doctor")
    assert shown.code == 1
    assert package in shown.out


def test_a_compiler_without_its_library_is_found_out(cli: Cli, tools: Path) -> None:
    stand_in(
        tools, "arm-none-eabi-g++", 'case "$1" in -print-file-name=*) echo "${1#*=}" ;; *) echo "g++ 12.2" ;; esac'
    )
    code, checks = required(cli)
    assert code == 1
    assert "without libstdc++.a" in checks["ARM cross compiler"]["found"]


def test_an_emulator_without_the_board_is_found_out(cli: Cli, tools: Path) -> None:
    stand_in(tools, "qemu-system-arm", "echo QEMU 1.0")
    code, checks = required(cli)
    assert code == 1
    assert "netduinoplus2" in checks["emulator"]["found"]


def test_a_tool_that_hangs_does_not_hang_the_doctor(cli: Cli, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = shutil.which("sleep", path="/bin:/usr/bin")
    stand_in(tools, "g++", f"exec {sleep} 60")
    monkeypatch.setattr(doctor, "_TOOL_TIMEOUT_S", 0.3)
    checks = {check.name: check for check in doctor.examine()}
    assert not checks["host compiler"].ok


def test_a_full_disk_is_said(cli: Cli, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_FREE_BYTES", 1 << 60)
    code, checks = required(cli)
    assert code == 1
    assert "MB free" in checks["work folder"]["found"]
    assert "VWW_DEPLOY_CACHE" in checks["work folder"]["cure"]


def test_every_extra_that_a_user_may_want_is_looked_at(cli: Cli, tools: Path) -> None:
    project = tomllib.loads((resources.data_root() / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"]) - {"dev", "fuzz", "test"}  # who changes vww-deploy wants these
    names = {check.name for check in doctor.examine()}
    assert {f"extra [{extra}]" for extra in extras} == {name for name in names if name.startswith("extra")}


def test_no_line_in_a_pipe_ends_in_spaces(cli: Cli, tools: Path) -> None:
    shown = cli("doctor").out
    assert "\n\n" in shown
    assert not [line for line in shown.splitlines() if line != line.rstrip()]
