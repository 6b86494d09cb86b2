"""The firmware's parsers under libFuzzer with the address and undefined-behaviour sanitizers: short runs on the corpus.

A long one: docs/fuzzing.md.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fuzz import corpus

FOLDER = Path(__file__).parent
TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in FOLDER.glob("fuzz_*.cpp"))


def test_there_is_a_target_and_a_corpus_for_each_parser() -> None:
    assert TARGETS == ["camera", "console", "frame", "server"]
    for target in TARGETS:
        assert corpus.inputs(target)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("clang++") is None:
        pytest.skip("needs clang++ with libFuzzer")
    folder = tmp_path_factory.mktemp("fuzz")
    subprocess.run([FOLDER / "build", folder], check=True)
    return folder


@pytest.mark.parametrize("target", TARGETS)
def test_short_run(programs: Path, target: str, tmp_path: Path) -> None:
    corpus.unpack(target, tmp_path / "seeds")
    options = ["-runs=5000", "-seed=1", "-timeout=20", f"-artifact_prefix={tmp_path}/"]
    run = subprocess.run(
        [programs / target, *options, tmp_path, tmp_path / "seeds"],
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert run.returncode == 0, run.stderr[-4000:]
    assert "DONE" in run.stderr
