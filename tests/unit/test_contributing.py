"""The worked examples of CONTRIBUTING.md: each is applied to a copy of the repository, and its commands are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

_TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_EXAMPLES = dict(re.findall(r"^## (Add [^\n]+)\n(.*?)(?=^## )", _TEXT, flags=re.DOTALL | re.MULTILINE))
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("contributing") / "repository"
    ignored = shutil.ignore_patterns("__pycache__", ".*", "work", "build", "dist", "corpus", "images")
    copy.mkdir()
    for name in ("host", "firmware", "tests", "docs", "models"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("pyproject.toml", "platformio.ini", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def test_there_is_an_example_for_each_thing_that_people_add() -> None:
    assert [title.split()[-1] for title in _EXAMPLES] == ["operator", "board", "camera", "message", "command"]


@pytest.mark.parametrize("title", _EXAMPLES)
def test_an_example_works_as_it_is_written(title: str, repository: Path) -> None:
    commands = []
    for language, name, body in _BLOCK.findall(_EXAMPLES[title]):
        if language == "sh":
            commands += body.splitlines()
        elif (repository / name).exists():
            change(repository / name, body)
        else:
            (repository / name).write_text(body, encoding="utf-8")
    assert commands
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(repository / "host"), "PATH": tools}
    for command in commands:
        ran = subprocess.run(
            ["sh", "-c", command], cwd=repository, env=environment, capture_output=True, text=True, timeout=200
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"


def test_every_path_that_is_named_exists() -> None:
    added = {name for _, name, _ in _BLOCK.findall(_TEXT)}
    prose = _BLOCK.sub("", _TEXT)
    named = set(re.findall(r"`((?:tests|docs|host|firmware|benchmarks)/[\w./]+)`|\]\(([\w./]+)\)", prose))
    for path in (first or second for first, second in named):
        assert path in added or (ROOT / path).exists(), path
    rooms = re.findall(r"^\| (`.*?) \|", prose.split("## The rooms")[1].split("## ")[0], flags=re.MULTILINE)
    for room in re.findall(r"`([\w./]+)`", " ".join(rooms)):
        assert (ROOT / "host/vww_deploy" / room).exists(), room


def change(file: Path, shown: str) -> None:
    """Apply a block of CONTRIBUTING.md: lines with ``+`` are new, with ``-`` go, the others are where it is."""
    lines = shown.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{file} has these lines {text.count(before)} times:\n{before}"
    file.write_text(text.replace(before, after), encoding="utf-8")
