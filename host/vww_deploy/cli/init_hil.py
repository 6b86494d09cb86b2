"""``vww-deploy init-hil``: a folder of hardware-in-the-loop tests to begin with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from vww_deploy.cli import common
from vww_deploy.errors import DataError
from vww_deploy.files import write_whole

TEST_FILE = '''"""Tests of a person detector on a board: pytest --vww-board virtual, or the name of yours."""

from pathlib import Path

import pytest
from PIL import Image
from vww_deploy.hil import assert_accuracy, assert_bit_exact, assert_latency, assert_ram

PICTURES = Path(__file__).parent / "pictures"  # person/*.jpg and no_person/*.jpg
AT_LEAST = 0.8  # the part of them that the model must tell right; give it some hundred, for few say little


@pytest.fixture(scope="module")
def samples(vww_model):
    paths = sorted(path for path in PICTURES.glob("*person/*") if path.is_file())
    if not paths:
        pytest.skip(f"put pictures into {PICTURES}/person and {PICTURES}/no_person")
    return [(path.name, vww_model.to_input(Image.open(path)), path.parent.name == "person") for path in paths]


def test_results_are_the_references(vww_device, vww_board, samples):
    assert_bit_exact(vww_device, vww_board, {name: picture for name, picture, _ in samples})


def test_pictures_are_told_right(vww_device, vww_board, samples):
    assert_accuracy(vww_device, vww_board, samples, at_least=AT_LEAST)


def test_latency(vww_device, samples):
    for _, picture, _ in samples[:5]:
        vww_device.infer(picture)
    assert_latency(vww_device, max_us=500_000)


def test_ram(vww_board):
    assert_ram(vww_board, max_bytes=vww_board.board.ram_bytes)
'''

CI_FILE = """# The tests on the virtual board: no hardware needed.
name: board tests
on: [push, pull_request]
jobs:
  virtual-board:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.11"}
      - run: >-
          sudo apt-get update && sudo apt-get install --yes
          gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib qemu-system-arm
      - run: pip install vww-deploy pytest
      - run: pytest tests_hil --vww-board virtual --vww-report report.html --junitxml results.xml
      - uses: actions/upload-artifact@v4
        if: always()
        with: {name: report, path: report.html}
"""

FILES = {"tests_hil/test_board.py": TEST_FILE, ".github/workflows/board-tests.yml": CI_FILE}


def command(
    folder: Annotated[Path, typer.Argument(help="A project's folder.", file_okay=False)] = Path(),
) -> None:
    """Write tests of a board, and a CI job that runs them on the virtual one, into a project.

    Files that exist already are left alone.

    Example: vww-deploy init-hil . && pytest tests_hil --vww-board virtual
    """
    for name, text in FILES.items():
        path = folder / name
        if path.exists():
            common.notice(f"{path} exists already and is left alone")
            continue
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())
        common.out.print(f"wrote {path}", markup=False)
    tests = folder / "tests_hil"
    for kind in ("person", "no_person"):
        pictures = tests / "pictures" / kind
        with _writing(pictures):
            pictures.mkdir(parents=True, exist_ok=True)
    common.out.print(f"Put pictures into {tests / 'pictures'}, then: pytest {tests} --vww-board virtual", markup=False)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error
