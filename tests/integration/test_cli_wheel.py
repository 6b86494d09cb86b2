"""The package as ``pip install`` leaves it: everything it needs travels inside, and nothing is written there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.graph.model import shipped_models

_ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (_ROOT / "pyproject.toml").is_file(), reason="needs the checkout"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked into a folder of its own; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, _ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-compile", "--target", folder / "site", wheel], check=True)
    return folder / "site"


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
        "VWW_DEPLOY_CACHE": str(folder / "cache"),
        "VWW_DEPLOY_STATE": str(folder / "state"),
    }
    from_wheel = f"import vww_deploy; assert vww_deploy.__file__.startswith({str(site)!r})"
    code = f"{from_wheel}; from vww_deploy.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=240,
        check=False,
    )


def test_the_wheel_carries_what_a_build_needs(installed: Path) -> None:
    data = installed / "vww_deploy" / "_data"
    for name in ("platformio.ini", "firmware/src/main.cpp", "firmware/boards/virtual/platform.json"):
        assert (data / name).is_file(), name
    shipped = {path.name for path in (_ROOT / "models").iterdir()}
    assert {path.name for path in (data / "models").iterdir()} == shipped
    assert (installed / "vww_deploy" / "py.typed").is_file()


@pytest.mark.virtual
@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs QEMU")
@pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs the ARM compiler")
@pytest.mark.skipif(not shipped_models(), reason="no model is shipped yet")
def test_the_demo_runs_from_the_wheel_and_writes_nothing_into_it(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(installed)
    try:
        ran = run(installed, tmp_path, "demo")
        assert ran.returncode == 0, ran.stderr
        assert "compiled person_96_rgb" in ran.stdout
        assert "10 of 10 equal to the host reference" in ran.stdout
        where = run(installed, tmp_path, "doctor", "--json")
        assert where.returncode == 0, where.stdout
    finally:
        monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "cache"))
        VirtualBoard("virtual").stop()
    assert listing(installed) == before
