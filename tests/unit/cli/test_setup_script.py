"""scripts/setup on machines that lack things; the system's programs are stand-ins that note how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]
_SETUP = _ROOT / "scripts" / "setup"

pytestmark = pytest.mark.skipif(not _SETUP.is_file(), reason="needs the checkout")

_STAND_INS = {
    "arm-none-eabi-g++": 'case "$1" in -print-file-name=*) echo "/usr/lib/${1#*=}" ;; esac',
    "qemu-system-arm": "",
    "g++": "",
    "python3.11": (
        # -m venv makes an environment whose python notes what pip was asked for
        'if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin"; '
        'printf \'#!/bin/sh\\necho "pip $*" >>"%s"\\n\' "$LOG" >"$3/bin/python"; chmod +x "$3/bin/python"; fi'
    ),
    "apt-get": (
        'echo "apt-get $*" >>"$LOG"; [ -z "$BROKEN" ] || exit 100; '
        'case "$*" in *qemu-system-arm*) cp "$BIN/true" "$BIN/qemu-system-arm" ;; esac'
    ),
    "sudo": 'echo "sudo" >>"$LOG"; exec "$@"',
}
_REAL = ("bash", "sh", "env", "mkdir", "chmod", "cp", "true", "printf")


def machine(folder: Path, *, lacks: tuple[str, ...] = (), user: int = 0, broken: bool = False) -> dict[str, str]:
    """A PATH with stand-ins for everything but what is lacking."""
    programs = folder / "bin"
    programs.mkdir()
    for name, script in {**_STAND_INS, "id": f"echo {user}"}.items():
        if name not in lacks:
            (programs / name).write_text(f"#!/bin/bash\n{script}\n")
            (programs / name).chmod(0o755)
    for name in _REAL:
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    return {"PATH": str(programs), "LOG": str(folder / "log"), "BIN": str(programs), "BROKEN": "1" * broken}


def setup(folder: Path, environment: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    ran = subprocess.run(
        ["bash", str(_SETUP), str(folder / "venv"), "demo"],
        env={**environment, "LANG": os.environ.get("LANG", "C")},
        capture_output=True,
        text=True,
        check=False,
    )
    log = folder / "log"
    return ran, log.read_text().splitlines() if log.exists() else []


def test_where_nothing_is_missing_only_pip_runs(tmp_path: Path) -> None:
    ran, log = setup(tmp_path, machine(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert len(log) == 1
    assert "--editable .[demo]" in log[0]


def test_what_is_missing_is_said_and_installed(tmp_path: Path) -> None:
    ran, log = setup(tmp_path, machine(tmp_path, lacks=("qemu-system-arm",)))
    assert ran.returncode == 0, ran.stderr
    assert "installing with apt-get: qemu-system-arm" in ran.stderr
    assert log[0] == "apt-get install -y --no-install-recommends qemu-system-arm"
    assert "sudo" not in log


def test_others_than_root_use_sudo(tmp_path: Path) -> None:
    ran, log = setup(tmp_path, machine(tmp_path, lacks=("qemu-system-arm",), user=1000))
    assert ran.returncode == 0, ran.stderr
    assert log[:2] == ["sudo", "apt-get install -y --no-install-recommends qemu-system-arm"]


def test_without_sudo_the_command_for_root_is_said(tmp_path: Path) -> None:
    ran, log = setup(tmp_path, machine(tmp_path, lacks=("arm-none-eabi-g++", "sudo"), user=1000))
    assert ran.returncode == 1
    assert "apt-get install -y gcc-arm-none-eabi" in ran.stderr
    assert log == []


def test_without_apt_the_packages_are_named(tmp_path: Path) -> None:
    ran, log = setup(tmp_path, machine(tmp_path, lacks=("qemu-system-arm", "apt-get")))
    assert ran.returncode == 1
    assert "missing: qemu-system-arm" in ran.stderr
    assert log == []


def test_old_package_lists_are_brought_up_to_date_and_a_failure_is_said(tmp_path: Path) -> None:
    ran, log = setup(tmp_path, machine(tmp_path, lacks=("qemu-system-arm",), broken=True))
    assert ran.returncode == 1
    assert [line.split()[1] for line in log] == ["install", "update", "install"]
    assert "apt-get could not install: qemu-system-arm" in ran.stderr
