"""Pictures, folders and lists as other programs and people make them."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vww_deploy.errors import DataError
from vww_deploy.files import meant, shown
from vww_deploy.pictures.gather import gather, read_labels
from vww_deploy.pictures.preprocess import HEIC, open_picture, read_picture_file, to_rgb
from vww_deploy.runs.store import RunHeader, Store
from vww_deploy.session.events import Peer
from vww_deploy.training.datasets import read_dataset


def picture(path: Path, shade: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (shade, shade, shade)).save(path)
    return path


@pytest.mark.parametrize("ending", ["webp", "gif", "tif", "tiff", "bmp"])
def test_common_formats_are_found_and_read(tmp_path: Path, ending: str) -> None:
    path = picture(tmp_path / f"a.{ending}")
    assert [found.path for found in gather([str(tmp_path)])] == [str(path)]
    assert open_picture(read_picture_file(path)).size == (8, 6)


def test_floating_point_pictures_are_shares_of_white_or_go_to_255() -> None:
    share, whole = np.array([[0.0, 0.5, 1.0]], np.float32), np.array([[0.0, 127.5, 300.0]], np.float32)
    for values in (share, whole):
        assert np.asarray(to_rgb(Image.fromarray(values))).tolist() == [[0, 128, 255]]


def test_a_file_name_that_is_no_utf8_is_used_stored_and_found_again(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    try:
        picture(tmp_path / "x.png").rename(path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (found,) = gather([str(tmp_path)])
    assert found.path == path
    assert shown(path).endswith("caf\\xe9.png")
    assert meant(shown(path)) == path
    with Store(tmp_path / "runs.sqlite") as store:
        writer = store.begin(RunHeader(Peer("virtual", "tty", "", "m", "ab" * 32)), [found])
        _, left = store.resume(writer.run)
    assert left[0].path == path


def test_a_name_of_two_lines_is_used_stored_and_found_again(tmp_path: Path) -> None:
    path = picture(tmp_path / "person" / "one\ntwo.png")
    (found,) = gather([str(tmp_path)])
    assert (found.path, found.truth) == (str(path), 1)
    with Store(tmp_path / "runs.sqlite") as store:
        writer = store.begin(RunHeader(Peer("virtual", "tty", "", "m", "ab" * 32)), [found])
        _, left = store.resume(writer.run)
    assert left[0].path == str(path)
    table = tmp_path / "labels.csv"
    table.write_text('file,label\n"person/one\ntwo.png",1\n')
    assert read_labels(table) == {path.resolve(): 1}


@pytest.mark.skipif(not HEIC, reason="needs the extra heic")
def test_pictures_of_iphones_are_read_with_the_extra(tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    heif = importlib.import_module("pillow_heif")
    heif.from_pillow(Image.new("RGB", (64, 48), (250, 10, 10))).save(path, quality=90)
    assert [found.path for found in gather([str(tmp_path)])] == [str(path)]
    image = open_picture(read_picture_file(path))
    assert image.size == (64, 48)
    red, green, blue = np.asarray(to_rgb(image)).reshape(-1, 3).mean(axis=0)
    assert red > 220 and max(green, blue) < 40


@pytest.mark.parametrize("other", ["non_person", "no-person", "not_person", "background", "No Person"])
def test_folders_are_understood_whatever_they_are_called(tmp_path: Path, other: str) -> None:
    for number in range(3):
        picture(tmp_path / "Person" / f"{number}.png")
        picture(tmp_path / other / f"{number}.png", 200)
    assert sorted(one.label for one in read_dataset(tmp_path, needs_val=False).pictures) == [0, 0, 0, 1, 1, 1]
    assert sorted(str(one.truth) for one in gather([str(tmp_path)])) == ["0", "0", "0", "1", "1", "1"]


def test_what_is_left_out_is_counted_with_the_reason(tmp_path: Path) -> None:
    for folder in ("person", "no_person", "cats"):
        picture(tmp_path / folder / "a.png")
    (tmp_path / "person" / "b.avif").touch()
    left_out = " ".join(read_dataset(tmp_path, needs_val=False).left_out)
    assert "1 pictures in the folder cats, whose name says neither person nor no_person" in left_out
    assert "1 pictures of the kind .avif" in left_out


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbffile;label\r\nperson\\a.png;1\r\nnone\\b.png;0\r\n",
        b"file,label\nperson/a.png,1.0\nnone/b.png,0.0\n",
        b"file\tlabel\nperson/a.png\tperson\nnone/b.png\tbackground\n",
        "file;label\r\nperson\\a.png;1\r\nnone\\b.png;0\r\n".encode("utf-16"),
    ],
)
def test_lists_of_windows_and_of_spreadsheets_are_read(tmp_path: Path, content: bytes) -> None:
    one, none = picture(tmp_path / "person" / "a.png"), picture(tmp_path / "none" / "b.png")
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    assert read_labels(table) == {one.resolve(): 1, none.resolve(): 0}
    dataset = read_dataset(table, needs_val=False)
    assert [(found.path, found.label) for found in dataset.pictures] == [(one, 1), (none, 0)]


def coco(tmp_path: Path, *names: str) -> Path:
    """Two pictures; the second one shows the last category."""
    for number in (1, 2):
        picture(tmp_path / f"{number}.png")
    sizes = {"width": 8, "height": 6}
    path = tmp_path / "instances.json"
    path.write_text(
        json.dumps(
            {
                "images": [{"id": n, "file_name": f"{n}.png", **sizes} for n in (1, 2)],
                "categories": [{"id": n, "name": name} for n, name in enumerate(names, 1)],
                "annotations": [{"id": 1, "image_id": 2, "category_id": len(names), "bbox": [0, 0, 6, 6]}],
            }
        )
    )
    return path


def test_the_person_of_coco_is_found_whatever_its_case_or_refused_with_the_names_there_are(tmp_path: Path) -> None:
    dataset = read_dataset(coco(tmp_path, "dog", "Person"), tmp_path, needs_val=False)
    assert [(one.path.name, one.label) for one in dataset.pictures] == [("1.png", 0), ("2.png", 1)]
    with pytest.raises(DataError, match="no categories called person") as caught:
        read_dataset(coco(tmp_path, "dog", "cat"), tmp_path)
    assert "dog, cat" in caught.value.hint
