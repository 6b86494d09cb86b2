"""The pytest plugin as a user's project has it: what `vww-deploy init-hil` writes, run on the virtual board."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from vww_deploy.cli.init_hil import command

pytestmark = [pytest.mark.virtual, pytest.mark.timeout(900)]

TESTS = """
import numpy as np
import pytest
from vww_deploy.hil import assert_accuracy, assert_bit_exact, assert_latency, assert_ram


def zeros(device):
    return np.zeros(device.info.input_shape, np.int8)


def test_passes(vww_device, vww_board):
    assert_bit_exact(vww_device, vww_board, {"zeros": zeros(vww_device)})
    assert_latency(vww_device, max_us=10_000_000)


def test_names_the_picture_that_differs(vww_device, vww_board, monkeypatch):
    picture = zeros(vww_device)
    other = vww_board.model.reference.run(picture) + 1
    monkeypatch.setattr(vww_board.model.reference, "run", lambda picture: other)
    vww_device.type_line("stats")
    vww_device.poll(0.3)
    assert_bit_exact(vww_device, vww_board, {"an empty picture": picture})


def test_says_by_how_much_it_is_too_slow(vww_device):
    vww_device.infer(zeros(vww_device))
    assert_latency(vww_device, max_us=1)


def test_says_by_how_much_it_is_too_large(vww_board):
    assert_ram(vww_board, max_bytes=1000)


@pytest.mark.vww_ram(10_000_000)
def test_needs_more_ram(vww_device):
    raise AssertionError("runs on a board that has too little RAM")


def test_stops_the_board(vww_board):
    vww_board.driver.power_off()


def test_meets_a_dead_board(vww_device):
    raise AssertionError("cannot be reached")


def test_meets_it_again(vww_device):
    raise AssertionError("cannot be reached")


def test_needs_no_board():
    pass
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--vww-board", "virtual", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=800)


def test_what_failing_tests_show(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    run = run_pytest(tmp_path, "--vww-report", "report.html", "--junitxml", "results.xml", "-v")
    said = run.stdout
    lines = [line.split() for line in said.splitlines() if line.startswith("test_it.py::")]
    outcomes = {words[0].removeprefix("test_it.py::"): words[1] for words in lines if len(words) > 1}
    assert outcomes["test_passes"] == "PASSED"
    assert outcomes["test_names_the_picture_that_differs"] == "FAILED"
    assert "1 of 1 pictures differ from the reference" in said
    assert "an empty picture: [" in said
    assert "Board's console" in said and "inferences" in said
    assert "over the budget of 1;" in said
    assert "over the budget of 1,000" in said
    assert "raise HilError" not in said  # a failure shows the user's tests, not this package
    assert outcomes["test_needs_more_ram"] == "SKIPPED"
    assert outcomes["test_meets_a_dead_board"] == outcomes["test_meets_it_again"] == "ERROR"
    assert outcomes["test_needs_no_board"] == "PASSED"

    page = (tmp_path / "report.html").read_text()
    assert "prefers-color-scheme: dark" in page and 'name="viewport"' in page
    assert 'src="data:image/png;base64,' in page
    assert "an empty picture" in page

    cases = {case.get("name"): case for case in ET.parse(tmp_path / "results.xml").getroot().iter("testcase")}
    properties = {p.get("name"): p.get("value") for p in cases["test_passes"].iter("property")}
    assert properties["vww_board"] == "virtual"
    assert properties["vww_firmware"]
    assert int(properties["vww_instructions"] or 0) > 1_000_000
    assert "vww_latency_us" not in properties  # the virtual board measures no time
    # Once a board is known to be dead, nobody asks it any more.
    why = {name: error.get("message", "") for name, case in cases.items() for error in case.iter("error")}
    assert "earlier" not in why["test_meets_a_dead_board"]
    assert "stopped answering earlier" in why["test_meets_it_again"]


def test_what_init_hil_writes_tests_the_model_and_fails_on_another(tmp_path: Path) -> None:
    command(tmp_path)
    tests = tmp_path / "tests_hil" / "test_board.py"
    text = tests.read_text()
    job = (tmp_path / ".github/workflows/board-tests.yml").read_text()
    assert "results.xml\n" in job and "pip install vww-deploy" not in job
    other = re.sub(r'MODEL_SHA256 = "[0-9a-f]{64}"', f'MODEL_SHA256 = "{64 * "0"}"', text)
    (tests.parent / "test_other.py").write_text(other)
    run = run_pytest(tmp_path, "tests_hil", "-n", "2", "-k", "not test_other or model_of_these_budgets")
    assert "5 passed" in run.stdout and "1 failed" in run.stdout, run.stdout + run.stderr
    assert "the board runs person_96_gray, and these budgets are of another model, person_96_gray" in run.stdout

    tests.write_text(text + "# mine\n")
    command(tmp_path)
    assert tests.read_text().endswith("# mine\n")


FLEET_TESTS = """
import numpy as np
import pytest
from vww_deploy.errors import DataError
from vww_deploy.hil import assert_accuracy, assert_bit_exact, assert_latency, assert_ram


@pytest.fixture
def pictures(vww_device):
    draw = np.random.default_rng(1)
    return {f"noise {n}": draw.integers(-128, 128, vww_device.info.input_shape, np.int8) for n in range(12)}


def test_passes(vww_device, vww_board, vww_model, pictures):
    assert_bit_exact(vww_device, vww_board, pictures)
    assert [one.number for one in vww_device.inferences] == list(range(12))
    assert len(vww_device.boards) == 2
    assert_latency(vww_device, max_instructions=1_000_000_000)
    assert_ram(vww_board, max_bytes=1_000_000)
    assert vww_device.infer(pictures["noise 0"]).outputs == vww_device.inferences[0].outputs
    assert vww_device.info.model_sha256 == vww_model.sha256
    with pytest.raises(DataError, match="takes int8"):
        vww_device.infer(np.zeros((2, 2, 1), np.int8))
    assert list(vww_device.infer_many([])) == []


def test_names_the_picture_that_differs(vww_device, vww_board, pictures, monkeypatch):
    run = vww_board.model.reference.run
    wrong = pictures["noise 7"]
    monkeypatch.setattr(vww_board.model.reference, "run", lambda given: run(given) + (given is wrong))
    assert_bit_exact(vww_device, vww_board, pictures)


def test_what_takes_a_board_of_its_own(vww_device, pictures):
    vww_device.layer_digests(pictures["noise 0"])


@pytest.mark.vww_camera
def test_a_camera(vww_device):
    raise AssertionError("it ran")


@pytest.mark.vww_ram(10_000_000)
def test_needs_more_ram(vww_device):
    raise AssertionError("it ran")
"""


def test_the_pictures_of_tests_on_the_boards_of_a_fleet(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FLEET_TESTS)
    arguments = ("--vww-cluster", "local:2", "--vww-model", "person_64_small", "--junitxml", "results.xml", "-v", "-rs")
    run = run_pytest(tmp_path, *arguments)
    said = run.stdout
    assert "1 passed" in said and "2 failed" in said and "2 skipped" in said, said + run.stderr
    assert "test_it.py::test_passes PASSED" in said
    assert "1 of 12 pictures differ from the reference\n" in said and "  noise 7: [" in said  # each layer is right
    assert "they have no layer_digests: run this test without --vww-cluster" in said
    assert "their cameras are not used" in said and "not 10,000,000" in said
    assert "Traceback" not in said + run.stderr
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "results.xml").getroot().iter("testcase")}
    properties = {p.get("name"): p.get("value") for p in cases["test_passes"].iter("property")}
    assert properties["vww_board"] == "virtual"
    assert len((properties["vww_boards"] or "").split()) == 2
    assert int(properties["vww_instructions"] or 0) > 1_000_000
