"""The user's own folders: what is in their way is said, not traced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.random_models import RandomModel
from vww_deploy import resources
from vww_deploy.errors import VwwError

FOLDERS = [("VWW_DEPLOY_CACHE", resources.cache_dir), ("VWW_DEPLOY_STATE", resources.state_dir)]


@pytest.mark.parametrize(("variable", "folder"), FOLDERS)
def test_a_folder_is_made_where_the_variable_says(
    variable: str, folder: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "a" / "b"))
    assert folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("inside", ["", "within"])
@pytest.mark.parametrize(("variable", "folder"), FOLDERS)
def test_a_file_in_the_way_is_named_with_the_variable(
    variable: str, folder: Callable[[], Path], inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file" / inside))
    with pytest.raises(VwwError, match=r"file.*cannot be made") as caught:
        folder()
    assert variable in caught.value.hint


@pytest.mark.parametrize(("variable", "folder"), FOLDERS)
def test_a_folder_without_permission_is_named(
    variable: str, folder: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    monkeypatch.setenv(variable, str(locked))
    # Nothing is forbidden to root, whom os.access() would always answer with yes.
    monkeypatch.setattr(os, "access", lambda path, _: bool(Path(path).stat().st_mode & 0o200))
    with pytest.raises(VwwError, match="cannot be written"):
        folder()


def test_tests_of_a_board_are_written_where_they_are_then_run(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "project"
    ran = cli("init-hil", folder)
    assert ran.code == 0
    assert f"wrote {folder}/tests_hil/test_board.py\n" in ran.out  # paths are never cut
    assert f"Next: pytest {folder}/tests_hil --vww-board virtual\n" in ran.out


def test_the_tests_name_the_model_its_labels_and_the_class_that_counts(cli: Callable[..., Any], tmp_path: Path) -> None:
    model = RandomModel(np.random.default_rng(1), 8, 8, 3)
    model.layer(3, 3, 8)
    model.flatten_to(3)
    path, labels, folder = tmp_path / "cups.tflite", tmp_path / "my labels.txt", tmp_path / "project"
    path.write_bytes(model.finish())
    labels.write_text("saucer\ncup\nspoon\n")
    ran = cli("init-hil", folder, "--model", path, "--labels", labels, "--person-label", "cup")
    assert ran.code == 0
    options = f" --vww-model {path} --vww-labels '{labels}' --vww-person-label cup"
    assert f"Next: pytest {folder}/tests_hil{options} --vww-board virtual\n" in ran.out
    assert f"pytest tests_hil{options} --vww-board" in (folder / ".github/workflows/board-tests.yml").read_text()
    tests = (folder / "tests_hil/test_board.py").read_text()
    assert "Tests of cups on a board" in tests and "def test_pictures_are_told_right" in tests


def test_nobody_knows_the_accuracy_of_classes_without_names(cli: Callable[..., Any], tmp_path: Path) -> None:
    model = RandomModel(np.random.default_rng(1), 8, 8, 3)
    model.layer(3, 3, 8)
    model.flatten_to(3)
    (tmp_path / "cups.tflite").write_bytes(model.finish())
    ran = cli("init-hil", tmp_path, "--model", tmp_path / "cups.tflite")
    assert ran.code == 0 and "no test of the accuracy" in ran.err
    assert "def test_pictures_are_told_right" not in (tmp_path / "tests_hil/test_board.py").read_text()


def test_a_file_in_the_way_of_a_folder_of_tests_is_named(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "tests_hil").mkdir()
    (tmp_path / "tests_hil" / "pictures").touch()
    ran = cli("init-hil", tmp_path)
    assert ran.code == 1
    assert "tests_hil/pictures/person cannot be written: Not a directory" in " ".join(ran.err.split())
