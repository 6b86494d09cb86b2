"""What is made of PlatformIO's output when a build fails; PlatformIO is played."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from vww_deploy.boards import platformio
from vww_deploy.boards.catalogue import get_board
from vww_deploy.errors import BuildError, DoesNotFit, ToolMissing

NANO = get_board("nano33ble")

_BANNER = "****\nIf you like PlatformIO, please:\n- star it on GitHub\n****\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "vww_model"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "vww_model.cpp").write_text("// nothing\n")
    return folder


def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """``python`` runs ``script`` instead of PlatformIO."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))


def test_the_registry_out_of_reach(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, tmp_path, f"echo '{_BANNER}'; echo 'HTTPClientError: '; exit 1")
    with pytest.raises(BuildError, match="registry cannot be reached") as caught:
        platformio.build(NANO, library)
    assert "check the connection" in caught.value.hint


def test_a_compilers_complaint(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, tmp_path, f"echo '{_BANNER}'; echo 'main.cpp:7:1: error: no such thing'; exit 1")
    with pytest.raises(BuildError, match=r"main\.cpp:7:1: error: no such thing") as caught:
        platformio.build(NANO, library)
    assert "GitHub" not in caught.value.message
    assert str(platformio.work_folder(NANO)) in caught.value.hint


def test_a_linkers_complaint_of_too_little_memory(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(monkeypatch, tmp_path, 'echo "ld: region \\`RAM\' overflowed by 1234 bytes"; exit 1')
    with pytest.raises(DoesNotFit, match="1,234 bytes too big for the RAM of nano33ble"):
        platformio.build(NANO, library)


def test_a_build_that_leaves_no_firmware(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, tmp_path, "echo fine")
    with pytest.raises(BuildError, match=r"PlatformIO made no firmware\.elf for nano33ble"):
        platformio.build(NANO, library)


def test_a_build_that_hangs_is_ended(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformio, "BUILD_TIMEOUT_S", 0.2)
    # With a child of its own, as PlatformIO has compilers: it holds the output open until it is ended, too.
    played(monkeypatch, tmp_path, "echo downloading; sleep 60; true")
    started = time.monotonic()
    with pytest.raises(BuildError, match="downloading"):
        platformio.build(NANO, library)
    assert time.monotonic() - started < 30


def test_sizes_and_progress(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elf = platformio.work_folder(NANO) / ".pio/build/nano33ble/firmware.elf"
    elf.parent.mkdir(parents=True)
    elf.touch()
    used = (
        "RAM:   [=  ]  11% (used 14408 bytes from 131072 bytes)\nFlash: [   ]   0% (used 2928 bytes from 1048576 bytes)"
    )
    played(monkeypatch, tmp_path, f"echo '{used}'")
    lines: list[str] = []
    image = platformio.build(NANO, library, progress=lines.append)
    assert (image.elf, image.ram_bytes, image.flash_bytes) == (elf, 14408, 2928)
    assert lines == used.splitlines()


def test_the_project_follows_the_model_and_touches_only_what_changed(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(monkeypatch, tmp_path, "exit 1")
    copy = platformio.work_folder(NANO) / "model" / "vww_model" / "src"

    def build() -> None:
        with pytest.raises(BuildError):
            platformio.build(NANO, library)

    (library / "src" / "old.cpp").write_text("// old\n")
    build()
    before = (copy / "vww_model.cpp").stat().st_mtime_ns
    (library / "src" / "old.cpp").unlink()
    (library / "src" / "new.cpp").write_text("// new\n")
    build()
    assert sorted(path.name for path in copy.iterdir()) == ["new.cpp", "vww_model.cpp"]
    assert (copy / "vww_model.cpp").stat().st_mtime_ns == before


def test_a_missing_compiler_is_said_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"arm-none-eabi-g\+\+ is not installed") as caught:
        platformio.check_tools(get_board("virtual"))
    assert "gcc-arm-none-eabi" in caught.value.hint
    platformio.check_tools(NANO)
