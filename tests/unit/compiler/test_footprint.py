"""The estimates of flash and stack against what the Arm compiler makes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from vww_deploy.compiler.targets.cortex_m4 import TARGET
from vww_deploy.resources import firmware_dir

FLAGS = (*TARGET.flags, "-std=gnu++17", "-O2")


@pytest.mark.virtual
@pytest.mark.parametrize("source", sorted(TARGET.code_bytes))
def test_kernels(source: str, tmp_path: Path) -> None:
    """If this fails after a change of a kernel, put the measured figures into targets/cortex_m4.py."""
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    path = firmware_dir() / "lib" / "vww_nn" / f"{source}.cpp"
    command = [
        "arm-none-eabi-g++",
        *FLAGS,
        "-fno-exceptions",
        "-fno-rtti",
        "-fstack-usage",
        "-c",
        str(path),
        "-o",
        "x.o",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    size = subprocess.run(["arm-none-eabi-size", "x.o"], cwd=tmp_path, check=True, capture_output=True, text=True)
    code = int(size.stdout.splitlines()[1].split()[0])
    assert TARGET.code_bytes[source] == pytest.approx(code, rel=0.15, abs=64)
    frames = [int(line.split("\t")[1]) for line in (tmp_path / "x.su").read_text().splitlines()]
    assert max(frames) <= TARGET.stack_bytes[source] <= sum(frames) + 64


def test_every_kernel_is_known() -> None:
    files = {path.stem for path in (firmware_dir() / "lib" / "vww_nn").glob("*.cpp")}
    assert set(TARGET.code_bytes) == set(TARGET.stack_bytes) == files
