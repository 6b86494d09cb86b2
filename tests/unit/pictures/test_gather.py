"""Which pictures a run streams, and their labels."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vww_deploy.errors import DataError
from vww_deploy.pictures.class_labels import meaning
from vww_deploy.pictures.gather import Picture, gather, labelled_as, read_labels
from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.pictures.preprocess import READ


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("person/b.jpg", "person/a.PNG", "no_person/c.bmp", "deep/er/d.jpeg", "notes.txt", "person/e.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(tree: Path, *sources: str) -> list[str]:
    return [str(Path(p.path).relative_to(tree)) for p in gather([str(tree / s) for s in sources])]


def test_folders_are_searched_to_any_depth_in_order(tree: Path) -> None:
    assert names(tree, ".") == ["deep/er/d.jpeg", "no_person/c.bmp", "person/a.PNG", "person/b.jpg"]


def test_files_globs_and_folders_mix_and_each_picture_comes_once(tree: Path) -> None:
    assert names(tree, "person/b.jpg", "person/*.jpg", "**/*.bmp", "person") == [
        "person/b.jpg",
        "no_person/c.bmp",
        "person/a.PNG",
    ]


def test_a_named_file_is_taken_whatever_its_ending(tree: Path) -> None:
    assert names(tree, "notes.txt") == ["notes.txt"]


def test_person_folders_are_labels(tree: Path) -> None:
    truths = {Path(p.path).name: p.truth for p in gather([str(tree)])}
    assert truths == {"a.PNG": 1, "b.jpg": 1, "c.bmp": 0, "d.jpeg": None}


def test_a_labels_file_is_relative_to_itself_and_wins(tree: Path) -> None:
    labels = tree / "labels.csv"
    labels.write_text("file,label,more\nperson/a.PNG,0,x\ndeep/er/d.jpeg,1,y\n")
    truths = {Path(p.path).name: p.truth for p in gather([str(tree)], labels)}
    assert truths == {"a.PNG": 0, "b.jpg": 1, "c.bmp": 0, "d.jpeg": 1}


def test_labels_that_name_none_of_the_pictures_are_an_error(tree: Path) -> None:
    labels = tree / "deep" / "labels.csv"  # whose files are looked for in its own folder
    labels.write_text("file,label\nperson/a.PNG,1\n")
    with pytest.raises(DataError, match=r"names none of the 4 pictures; it names .*deep/person/a.PNG"):
        gather([str(tree)], labels)


def test_what_has_no_counterpart_and_kinds_that_are_not_read_are_counted(tree: Path) -> None:
    labels = tree / "labels.csv"
    noticed: list[str] = []
    labels.write_text("file,label\nperson/a.PNG,1\ngone.png,0\n")
    for name in ("a.jxl", "b.JXL", "deep/c.avif"):
        (tree / name).touch()
    gather([str(tree)], labels, noticed.append)
    assert noticed == [
        f"pictures of other kinds are left out: 1 .avif, 2 .jxl; {READ}",
        f"3 of 4 pictures are not in {labels}",
        f"1 of 2 files in {labels} are not among the pictures",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no column file and no column label"),
        ("file,kind\na,1\n", "no column label"),
        ("file,label\na,1\nb,2\n", "line 3"),
        ("file,label\na,\n", "line 2"),
        ("file,label\na\n", "line 2"),
        ("file,label\n,1\n", "line 2"),
        ("file,label\nb,1\na\0b,1\n", "line 3"),
        ("file,label\nb,1\ncircle,1\n", "line 3"),
    ],
)
def test_wrong_labels_are_named_with_their_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(DataError, match=expected):
        read_labels(path)


def test_unreadable_labels_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="no file"):
        read_labels(tmp_path / "pipe.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00file,label")
    with pytest.raises(DataError, match="no CSV"):
        read_labels(binary)


@pytest.mark.parametrize(("source", "expected"), [("none.png", "there is no"), ("*.gif", "nothing matches")])
def test_what_is_not_there_is_named(tree: Path, source: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        gather([str(tree / source)])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no pictures that can be read$"):
        gather([str(tmp_path)])
    (tmp_path / "a.CR2").touch()
    with pytest.raises(DataError, match=r"no pictures that can be read, only others: 1 \.cr2$") as caught:
        gather([str(tmp_path)])
    assert caught.value.hint == f"{READ}."


def test_folders_called_after_a_models_classes_label_their_pictures() -> None:
    paths = ["cup/a.png", "plate/b.png", "spoon/c.png", "person/d.png"]
    given = [Picture(path, meaning(Path(path).parent.name)) for path in paths]
    cups = OutputSpec(("plate", "cup"), 1)
    assert [one.truth for one in labelled_as(given, cups)] == [1, 0, None, 1]
    assert [one.truth for one in labelled_as([Picture("plate/b.png", 1)], cups)] == [1]  # a labels file said so
    assert [one.truth for one in labelled_as(given, OutputSpec(("plate", "cup"), None))] == [None, None, None, 1]
