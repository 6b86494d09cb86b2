"""A build that is killed leaves nothing for good; a folder in which nothing can be built is refused; full disks."""

from __future__ import annotations

import errno
import multiprocessing
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.unit.boards.test_platformio import NANO, library, played  # noqa: F401
from vww_deploy.boards import leftovers, platformio
from vww_deploy.compiler import HostEngine, compile_model
from vww_deploy.errors import BuildError
from vww_deploy.graph.model import shipped_models
from vww_deploy.scratch import scratch_folder

Cli = Callable[..., Any]


def killed_build(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> psutil.Process:
    """PlatformIO, played, whose ``flash`` was killed; it goes on."""
    pid = tmp_path / "pid"
    played(monkeypatch, tmp_path, f"echo $$ > {pid}.part; mv {pid}.part {pid}; sleep 60 & wait")

    def flash() -> None:
        with scratch_folder() as folder:
            (folder / "source.cpp").touch()
            platformio.build(NANO, sources)

    child = multiprocessing.get_context("fork").Process(target=flash)
    child.start()
    project = platformio.work_folder(NANO)
    while not (pid.exists() and (project / "running.json").exists()):
        assert child.is_alive()
        time.sleep(0.02)
    left = psutil.Process(int(pid.read_text()))
    while not [one for one in left.children() if one.name() == "sleep"]:
        time.sleep(0.02)
    child.kill()
    child.join()
    assert left.is_running() and list((project.parents[1] / "scratch").iterdir())
    return left


def gone(process: psutil.Process) -> bool:
    return bool(psutil.wait_procs([process], timeout=10)[0])


def test_the_next_build_ends_what_a_killed_one_left(
    library: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = killed_build(library, tmp_path, monkeypatch)
    children = left.children()
    played(monkeypatch, tmp_path, "echo fine")
    with scratch_folder() as mine, pytest.raises(BuildError, match=r"made no firmware\.elf"):
        platformio.build(NANO, library)
    assert gone(left) and all(gone(child) for child in children)
    assert not list(mine.parent.iterdir())
    assert not (platformio.work_folder(NANO) / "running.json").exists()


def test_doctor_ends_what_a_killed_build_left(
    library: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = killed_build(library, tmp_path, monkeypatch)
    assert leftovers.sweep() == 2  # the folder and the process
    assert gone(left)
    assert leftovers.sweep() == 0


def test_another_process_of_that_number_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text(f'{{"pid": {psutil.Process().ppid()}, "started": 5}}')
    assert not leftovers.end_left(tmp_path)
    for nonsense in ("", "[]", '{"pid": "x"}', '{"pid": 99999999, "started": 1}'):
        (tmp_path / "running.json").write_text(nonsense)
        assert not leftovers.end_left(tmp_path)


@pytest.mark.parametrize("name", ["co$t", "100%", 'a "b"', "a`b", "a\nb", "a\\b"])
def test_a_folder_in_which_nothing_can_be_built_is_refused_before(
    name: str,
    library: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played(monkeypatch, tmp_path, "touch started")
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / name))
    with pytest.raises(BuildError, match="nothing can be built in a folder with") as caught:
        platformio.build(NANO, library)
    assert "VWW_DEPLOY_CACHE" in caught.value.hint
    assert not (tmp_path / name / "build").exists()


def test_a_full_disk_is_named_with_its_cure(
    library: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(BuildError, match=r"the disk of .*scratch is full") as caught, scratch_folder():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "free some space" in caught.value.hint
    played(monkeypatch, tmp_path, "echo 'fatal error: error writing to x.s: No space left on device'; exit 1")
    with pytest.raises(BuildError, match=r"the disk of .*nano33ble is full"):
        platformio.build(NANO, library)


def test_a_killed_compiler_leaves_nothing_but_what_the_next_one_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine for this machine; the profiler's folders are the same."""
    compiled = compile_model(shipped_models()[0])
    temporary, compiler = tmp_path / "temporary", tmp_path / "compiler"
    temporary.mkdir()
    compiler.write_text('#!/bin/sh\ntouch "$TMPDIR/begun"\nexec sleep 60\n')
    compiler.chmod(0o755)
    for name, value in (("TMPDIR", temporary), ("CXX", compiler), ("VWW_DEPLOY_CACHE", tmp_path / "cache")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(tempfile, "tempdir", None)
    child = multiprocessing.get_context("fork").Process(target=HostEngine, args=(compiled,))
    child.start()
    while not list(tmp_path.glob("cache/scratch/*/begun")):
        assert child.is_alive()
        time.sleep(0.02)
    for one in psutil.Process(child.pid).children():
        one.kill()
    child.kill()
    child.join()
    with scratch_folder() as mine:
        assert list(mine.parent.iterdir()) == [mine]
    assert not list(temporary.iterdir())


def test_what_a_killed_build_left_is_known_after_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["sleep", "60"]) as left:
        with leftovers.noted(tmp_path, left.pid):
            note = (tmp_path / "running.json").read_text()
        (tmp_path / "running.json").write_text(note)
        created, booted = psutil.Process.create_time, psutil.boot_time
        # Linux counts from the computer's start, whose time of day is worked out anew.
        monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) - 86_400)
        monkeypatch.setattr(psutil, "boot_time", lambda: booted() - 86_400)
        assert leftovers.end_left(tmp_path)
        left.wait(10)
