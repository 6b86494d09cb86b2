"""Where the names of a model's outputs come from, and that none is invented."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.support.tflite_writer import ModelWriter
from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.model import Model


def answers(channels: int, side: int = 1) -> bytes:
    """A model whose outputs are its picture, through a sigmoid: ``side`` x ``side`` cells of so many channels."""
    writer = ModelWriter()
    given = writer.tensor([1, side, side, channels], scale=0.1)
    result = writer.tensor([1, side, side, channels], scale=1 / 256, zero_point=-128)
    writer.op("LOGISTIC", [given], [result])
    return writer.write([given], [result])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mine.tflite"
    path.write_bytes(answers(3))
    return path


@pytest.mark.parametrize(("channels", "named"), [(1, 2), (2, 2), (3, 3)])
def test_without_names_the_classes_are_numbered_and_nobody_knows_the_person(
    path: Path, channels: int, named: int
) -> None:
    path.write_bytes(answers(channels))
    outputs = Model.load(path).outputs
    assert outputs.labels == tuple(f"class {i}" for i in range(named))
    assert outputs.person is None and outputs.origin == ""
    assert "nobody knows which of the outputs is a person" in outputs.doubt


def test_labels_beside_the_model_those_packed_into_it_the_card_and_the_users_rule_in_this_order(path: Path) -> None:
    (path.parent / "labels.txt").write_text("0 cat\n1 dog\n2 person\n")
    outputs = Model.load(path).outputs
    assert (outputs.labels, outputs.person, outputs.origin) == (("cat", "dog", "person"), 2, "labels.txt")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("classes.txt", "Person\ncow\nhen\n")
    path.write_bytes(path.read_bytes() + packed.getvalue())
    outputs = Model.load(path).outputs
    assert (outputs.labels, outputs.person, outputs.origin) == (("Person", "cow", "hen"), 0, "the model file")
    assert outputs.p_person(np.array([127, 0, 0], np.int8)) == 255 / 256
    card = {"name": "m", "input": {"height": 1, "width": 1, "channels": 3}, "labels": ["a", "b", "c"], "threshold": 0.5}
    path.with_suffix(".json").write_text(json.dumps(card))
    assert Model.load(path).outputs.doubt
    path.with_suffix(".json").write_text(json.dumps({**card, "person_label": "b"}))
    outputs = Model.load(path).outputs
    assert (outputs.labels, outputs.person, outputs.origin) == (("a", "b", "c"), 1, "the model card")
    (path.parent / "mine.txt").write_text("x\ny\nperson\n")
    outputs = Model.load(path, labels=path.parent / "mine.txt", person_label="X").outputs
    assert (outputs.labels, outputs.person) == (("x", "y", "person"), 0)


def test_labels_of_another_model_are_an_error_where_the_user_gave_them_and_a_notice_where_not(path: Path) -> None:
    other = path.parent / "labels.txt"
    other.write_text("person\nbackground\n")
    loaded = Model.load(path)
    assert loaded.outputs.labels == ("class 0", "class 1", "class 2")
    assert any("names 2 classes, but mine.tflite has 3 classes" in notice for notice in loaded.graph.notices)
    with pytest.raises(DataError, match="names 2 classes, but mine"):
        Model.load(path, labels=other)
    path.with_suffix(".json").write_text(
        '{"name": "m", "input": {"height": 1, "width": 1, "channels": 3}, "labels": ["a", "b"], "threshold": 0.5}'
    )
    with pytest.raises(ModelError, match="names 2 labels"):
        Model.load(path)


def test_the_person_is_the_class_that_the_user_names_or_none(path: Path) -> None:
    assert Model.load(path, person_label="Class 1").outputs.person == 1
    with pytest.raises(DataError, match=r"no class of mine\.tflite is called 'cat'"):
        Model.load(path, person_label="cat")
    path.write_bytes(answers(1))
    outputs = Model.load(path, person_label="face").outputs
    assert (outputs.labels, outputs.person) == (("no face", "face"), 1)


def test_a_map_is_a_map_of_cells_whose_first_class_is_the_background(path: Path) -> None:
    path.write_bytes(answers(2, side=3))
    (path.parent / "labels.txt").write_text("person\n")
    outputs = Model.load(path).outputs
    assert (outputs.labels, outputs.person, outputs.rows, outputs.columns) == (("background", "person"), 1, 3, 3)
