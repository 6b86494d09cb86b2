"""A board says its model's hash; this computer knows the models that it put on boards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vww_deploy.cli import common
from vww_deploy.graph import known
from vww_deploy.graph.model import Model
from vww_deploy.session import connect


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model of the user's own with its card, in a folder that goes away."""
    monkeypatch.setenv("VWW_DEPLOY_STATE", str(tmp_path / "state"))
    shipped = Model.load("person_64_small")
    path = tmp_path / "gone" / "mine.tflite"
    path.parent.mkdir()
    path.write_bytes(shipped.path.read_bytes() + bytes(16))  # another file, so another hash
    shutil.copy(shipped.path.with_suffix(".json"), path.with_suffix(".json"))
    return Model.load(path)


def test_a_flashed_model_is_known_with_its_card_when_its_file_is_gone(mine: Model) -> None:
    assert known.find(mine.sha256) is None
    assert known.name_of(mine.sha256) == f"an unknown model ({mine.sha256[:12]})"
    known.remember(mine)
    shutil.rmtree(mine.path.parent)
    found = known.find(mine.sha256)
    assert found is not None
    assert (found.name, found.sha256, found.card) == ("mine", mine.sha256, mine.card)
    assert known.name_of(mine.sha256) == "mine"


def test_what_the_user_said_of_its_labels_is_kept(mine: Model, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("bird\nplane\n")
    labelled = Model.load(mine.path, labels=tmp_path / "names.txt", person_label="bird")
    known.remember(labelled)
    found = known.find(mine.sha256)
    assert found is not None
    assert (found.outputs.labels, found.outputs.person) == (("bird", "plane"), 0)


def test_a_kept_file_that_was_changed_is_not_that_model(mine: Model) -> None:
    known.remember(mine)
    found = known.find(mine.sha256)
    assert found is not None
    found.path.write_bytes(b"something else")
    assert known.find(mine.sha256) is None


def test_shipped_models_are_known_by_their_names(mine: Model) -> None:
    assert known.name_of(Model.load("person_96_rgb").sha256) == "person_96_rgb"


def test_a_command_takes_what_the_board_runs_and_says_so(
    mine: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connect, "running_model", lambda board, port: mine.sha256)
    assert common.model_of_board(None, None, None).name == "person_96_gray"  # an unknown one: the board will be refused
    known.remember(mine)
    assert common.model_of_board(None, None, None).name == "mine"
    assert "the board runs mine; --model names another one" in capsys.readouterr().err
    assert common.model_of_board("person_96_rgb", None, None).name == "person_96_rgb"
