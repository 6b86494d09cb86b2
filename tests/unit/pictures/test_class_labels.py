"""The names of classes: what they say about persons, and the files that hold them."""

from __future__ import annotations

import io
import zipfile

import pytest

from vww_deploy.pictures.class_labels import find_person, fitted, index_of, meaning, packed_labels, parse_labels


@pytest.mark.parametrize("name", ["person", "Person", "people", "human", "1 person"])
def test_words_for_a_person(name: str) -> None:
    assert meaning(name) == 1


@pytest.mark.parametrize(
    "name", ["no_person", "no-person", "No Person", "non_person", "not_person", "notperson", "nobody", "background"]
)
def test_words_for_none(name: str) -> None:
    assert meaning(name) == 0


@pytest.mark.parametrize("name", ["cat", "personal", "face", "north", ""])
def test_other_words_say_nothing(name: str) -> None:
    assert meaning(name) is None


@pytest.mark.parametrize(
    ("name", "says"),
    [("cup", 1), ("Cup", 1), ("no_cup", 0), ("without a cup", 0), ("plate", 0), ("background", 0), ("spoon", None)],
)
def test_a_models_own_classes_name_folders(name: str, says: int | None) -> None:
    assert meaning(name, ("plate", "cup", "fork"), 1) == says
    assert meaning("person", ("plate", "cup", "fork"), 1) == 1


def test_the_person_among_labels() -> None:
    assert find_person(("person", "background")) == 0
    assert find_person(("no person", "somebody")) == 1
    assert find_person(("cat", "dog", "person")) == 2
    assert find_person(("background", "face")) is None
    assert find_person(("person", "people")) is None
    assert find_person(("class 0", "class 1")) is None
    assert index_of(("Face", "background"), "face") == 0
    assert index_of(("face", "background"), "cat") is None


def test_a_labels_file_is_a_name_a_line() -> None:
    assert parse_labels("\ufeffcat\r\nperson\r\n\r\n".encode()) == ("cat", "person")
    assert parse_labels(b"0 Person\n1 Background\n") == ("Person", "Background")
    assert parse_labels(b"2 cars\n5 cars\n") == ("2 cars", "5 cars")
    assert parse_labels("Fußgänger\n".encode("latin-1")) == ("Fußgänger",)
    assert parse_labels(b"\0\1\n") == ()


def test_labels_packed_into_a_model_are_found() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("labels.txt", "person\nbackground\n")
    assert packed_labels(b"TFL3 and what is in a model" + packed.getvalue()) == [("person", "background")]
    assert packed_labels(b"TFL3 without labels") == []
    assert packed_labels(b"TFL3" + packed.getvalue()[:-30]) == []


def test_labels_fit_an_output_or_are_another_models() -> None:
    assert fitted(("a", "b", "c"), 3, is_map=False) == ("a", "b", "c")
    assert fitted(("a", "b"), 3, is_map=False) is None
    assert fitted(("face",), 2, is_map=True) == ("background", "face")
    assert fitted(("person",), 1, is_map=False) == ("no person", "person")
    assert fitted(("b", "a"), 1, is_map=False) == ("b", "a")
