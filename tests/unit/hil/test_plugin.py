"""The pytest plugin without a board: which one it takes, what it skips, and what it says when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vww_deploy.boards import drivers
from vww_deploy.boards.catalogue import get_board
from vww_deploy.boards.drivers import Attached
from vww_deploy.graph.model import shipped_models
from vww_deploy.pytest_plugin import _board_of_session, _chosen_board

needs_a_model = pytest.mark.skipif(not shipped_models(), reason="no model is shipped yet")

BOARD_TEST = "def test_it(vww_device): raise AssertionError('it ran')\n"


def run_pytest(folder: Path, tests: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text("import pytest\n" + tests)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "-v", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def chosen(port: list[str], *, name: str | None = None, worker: int | None = None) -> tuple[str, str | None]:
    options = {"vww_board": name, "vww_port": port}
    config = SimpleNamespace(getoption=options.__getitem__)
    if worker is not None:
        config.workerinput = {"workerid": f"gw{worker}"}
    board, chosen_port = _chosen_board(cast(pytest.Config, config))
    return board.name, chosen_port


def test_which_board_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Attached(get_board("virtual"), "/tmp/tty", None), Attached(get_board("nano33ble"), "/dev/ttyACM0", None)]
    monkeypatch.setattr(drivers, "attached", lambda: found)
    assert chosen([]) == ("nano33ble", None)
    assert chosen([], worker=0) == ("nano33ble", None)
    assert chosen([], name="virtual", worker=3) == ("virtual", None)
    found.append(Attached(get_board("feather_f405"), "/dev/ttyACM1", None))
    assert chosen(["/dev/ttyACM1"]) == ("feather_f405", "/dev/ttyACM1")
    both = ["/dev/ttyACM0", "/dev/ttyACM1"]
    assert [chosen(both, worker=number) for number in (0, 1)] == [
        ("nano33ble", "/dev/ttyACM0"),
        ("feather_f405", "/dev/ttyACM1"),
    ]
    for given, worker in ((["/dev/ttyACM0"], 1), (both, 2)):
        with pytest.raises(pytest.skip.Exception, match=f"worker {worker} has no board"):
            chosen(given, worker=worker)
    with pytest.raises(pytest.skip.Exception, match="worker 1 has no board"):
        chosen([], name="nano33ble", worker=1)
    with pytest.raises(pytest.fail.Exception, match=r"no board of the catalogue .*\n.*--vww-board"):
        chosen(["/dev/ttyUSB7"])
    with pytest.raises(pytest.fail.Exception, match=r"virtual board .*\n.*--vww-port"):
        chosen(["/tmp/tty"])


def test_a_board_that_is_away_for_a_moment_is_not_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Attached(get_board("nano33ble"), "/dev/ttyACM0", None)]
    monkeypatch.setattr(drivers, "attached", lambda: found)
    options: dict[str, Any] = {"vww_board": None, "vww_port": [], "vww_cluster": None}
    config = cast(pytest.Config, SimpleNamespace(getoption=options.__getitem__, stash=pytest.Stash()))
    before = _board_of_session(config)
    found.clear()
    assert _board_of_session(config) == before == (get_board("nano33ble"), None)


def test_options_that_cannot_be_meant_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments, said in (
        (("--vww-board", "virtual", "--vww-port", "/dev/ttyACM0"), "--vww-port: the virtual board has a port"),
        (("--vww-cluster", "local", "--vww-port", "/dev/ttyACM0"), "--vww-port and --vww-cluster do not go together"),
        (("--vww-report", "file/report.html"), "--vww-report: file/report.html cannot be written"),
    ):
        run = run_pytest(tmp_path, BOARD_TEST, *arguments)
        assert run.returncode == pytest.ExitCode.USAGE_ERROR
        assert said in run.stderr and "Traceback" not in run.stderr


@needs_a_model
@pytest.mark.parametrize(
    ("arguments", "said", "what_to_do"),
    [
        (("--vww-board", "nosuch"), "there is no board 'nosuch'", "the boards are: "),
        (("--vww-model", "missing.tflite"), "there is no model missing.tflite", "person_96_gray"),
        (
            ("--vww-board", "nano33ble", "--vww-port", "/dev/ttyNOSUCH"),
            "/dev/ttyNOSUCH: there is no such port",
            "boards",
        ),
        (("--vww-cluster", "local:many"), "'many' is no number of virtual boards", "local:4"),
        (("--vww-cluster", "tcp://127.0.0.1:9"), "no fleet answers at tcp://127.0.0.1:9", "vww-deploy fleet scheduler"),
    ],
)
def test_what_goes_wrong_is_said_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...], said: str, what_to_do: str
) -> None:
    run = run_pytest(tmp_path, BOARD_TEST, *arguments)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert said in run.stdout and what_to_do in run.stdout
    assert "pytest_plugin.py" not in run.stdout and "def " not in run.stdout
    assert "During handling" not in run.stdout


def test_markers_skip_before_anything_is_flashed(tmp_path: Path) -> None:
    tests = """
@pytest.mark.vww_ram(10**9)
def test_of_the_board(vww_device): raise AssertionError("it ran")

@pytest.mark.vww_ram(10**9)
def test_of_the_model(vww_model): raise AssertionError("it ran")

@pytest.mark.vww_camera
def test_of_the_camera(vww_board): raise AssertionError("it ran")

@pytest.mark.vww_ram(1000)
def test_that_has_enough(): pass

@pytest.mark.vww_ram()
def test_that_is_marked_wrong(): raise AssertionError("it ran")
"""
    run = run_pytest(tmp_path, tests, "--vww-board", "feather_f405")
    assert "1 passed, 3 skipped" in run.stdout, run.stdout
    assert "feather_f405 has no camera" in run.stdout and "not 1,000,000,000" in run.stdout
    assert run.stdout.count("vww_ram takes a number of bytes") == 1 and "it ran" not in run.stdout


def test_a_board_that_does_not_come_up_shows_what_it_printed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("""
from types import SimpleNamespace

import pytest
from vww_deploy import pytest_plugin
from vww_deploy.errors import LinkError


@pytest.fixture(scope="session")
def _vww_flashed(pytestconfig):
    def restart():
        board.console.append("fault: pc 0x1234")
        raise LinkError("nothing answers", hint="press reset")

    kind = SimpleNamespace(name="virtual")
    board = SimpleNamespace(board=kind, console=[], emulator_log=["qemu: lockup"], restart=restart)
    pytestconfig.stash[pytest_plugin._FLASHED] = board
    return board
""")
    run = run_pytest(tmp_path, BOARD_TEST + "def test_without_board(): assert False\n")
    assert run.stdout.count("Board's console") == run.stdout.count("fault: pc 0x1234") == 1, run.stdout
    assert "Emulator's log" in run.stdout and "qemu: lockup" in run.stdout
    assert "nothing answers\npress reset" in run.stdout


def test_the_models_classes_are_named_by_options(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("0 saucer\n1 cup\n")
    tests = (
        "def test_it(vww_model): assert vww_model.outputs.pair == ('saucer', 'cup') and vww_model.outputs.person == 1"
    )
    named = ("--vww-model", "person_64_small", "--vww-labels", "names.txt", "--vww-person-label", "cup")
    done = run_pytest(tmp_path, tests, *named)
    assert done.returncode == 0, done.stdout
