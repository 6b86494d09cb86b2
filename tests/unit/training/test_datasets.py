"""Readers of labelled pictures: what each form means, and what is said of broken ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vww_deploy.errors import DataError
from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.training import datasets, inspection
from vww_deploy.training.datasets import read_coco, read_dataset, read_folders, read_labels_csv, read_wake_vision


def picture(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for index in range(6):
        picture(tmp_path / "set" / "train" / "person" / f"{index}.png", index)
        picture(tmp_path / "set" / "train" / "no_person" / f"{index}.jpg", 100 + index)
        picture(tmp_path / "set" / "val" / ("person" if index % 2 else "no_person") / f"{index}.png", 200 + index)
    return tmp_path / "set"


def coco(tmp_path: Path, boxes: dict[int, list[tuple[int, list[float]]]]) -> Path:
    """COCO annotations of pictures of 100 x 100 by id: (category, box); category 7 is the person here."""
    for identity in boxes:
        picture(tmp_path / "images" / f"{identity:06d}.jpg", identity, (100, 100))
    annotations = [
        {"id": 10 * image + i, "image_id": image, "category_id": category, "bbox": box}
        for image, found in boxes.items()
        for i, (category, box) in enumerate(found)
    ]
    images = [{"id": one, "file_name": f"{one:06d}.jpg", "width": 100, "height": 100} for one in boxes]
    categories = [{"id": 7, "name": "person"}, {"id": 1, "name": "dog"}]
    path = tmp_path / "instances_val2017.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def test_folders_give_labels_and_splits(folders: Path) -> None:
    read = read_dataset(folders)
    assert read.counts() == {"train": {"no_person": 6, "person": 6}, "val": {"no_person": 3, "person": 3}}
    assert {one.label for one in read.pictures if one.path.parent.name == "person"} == {1}


def test_folders_without_splits_are_dealt_the_same_way_every_time(tmp_path: Path) -> None:
    for index in range(120):
        picture(tmp_path / ("person" if index % 2 else "no_person") / f"{index}.png", index, (8, 8))
    first, second = read_folders(tmp_path), read_folders(tmp_path)
    assert first == second
    share = sum(one.split == "train" for one in first.pictures) / 120
    assert 0.7 < share < 0.95
    assert {one.split for one in first.pictures} == {"train", "val", "test"}


@pytest.mark.parametrize("other", ["train", "test"])
def test_without_val_some_of_train_is_held_out(tmp_path: Path, other: str) -> None:
    for index in range(60):
        for label, suffix in (("person", "jpg"), ("no_person", "png")):
            where = other if index < 10 else "train"
            picture(tmp_path / where / label / f"{index}.{suffix}", index, (8, 8))
    read = read_dataset(tmp_path)
    assert read == read_dataset(tmp_path)
    assert read.held_out == len(read.split("val").pictures)
    assert 2 <= read.held_out <= 20
    assert {one.path.parent.parent.name for one in read.split("val").pictures} == {"train"}
    assert len(read.pictures) == 120


def test_a_val_of_its_own_is_all_there_is(folders: Path) -> None:
    assert read_dataset(folders).held_out == 0


def test_too_few_pictures_to_hold_some_out(tmp_path: Path) -> None:
    for index in range(3):
        picture(tmp_path / "person" / f"{index}.png", index)
        picture(tmp_path / "no_person" / f"{index}.png", 100 + index)
    with pytest.raises(DataError, match="no pictures in the split val, only in train") as caught:
        read_dataset(tmp_path).split("val")
    assert "a folder val/" in caught.value.hint


def test_labels_csv(folders: Path) -> None:
    table = folders / "labels.csv"
    table.write_text(
        "file,label,split,source,person_area_fraction\n"
        "train/person/0.png,1,train,a,0.25\ntrain/no_person/0.jpg,0,train,b,\nval/person/1.png,1,val,a,0.01\n"
    )
    read = read_dataset(folders)
    assert [one.label for one in read.pictures] == [1, 0, 1]
    assert [one.person_area for one in read.pictures] == [0.25, None, 0.01]
    arrays = datasets.load_arrays(read, side=16)
    assert arrays.pictures.shape == (3, 16, 16, 3)
    assert arrays.one_label_source.tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\na.png,2\nb.png,0\n", ("line 2", "label '2'")),
        ("file,label\na.png,1\nb.png,\n", ("line 3", "label missing")),
        ("file,class\na.png,1\n", ("no column label",)),
        ("file,label,split\na.png,1,holdout\n", ("line 2", "split 'holdout'")),
        ("file,label,person_area_fraction\na.png,1,large\n", ("line 2", "'large'")),
        ("file,label\na.png,1\nb.png,1\n", ("no picture with the label 0",)),
        ("file,label\n", ("no labelled pictures",)),
    ],
)
def test_a_bad_labels_csv_is_named_with_its_line(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_labels_csv(path)
    for word in words:
        assert word in caught.value.message


def test_coco_follows_the_visual_wake_words_rule(tmp_path: Path) -> None:
    path = coco(
        tmp_path,
        {
            1: [(7, [0, 0, 10, 10])],  # 1 %: a person
            2: [(7, [0, 0, 5, 10])],  # 0.5 %, not over it: dropped
            3: [(1, [0, 0, 90, 90])],  # a large dog: no person
            4: [],
            5: [(7, [0, 0, 2, 2]), (7, [0, 0, 50, 50])],  # the largest counts
            6: [(7, [0, 0, 6, 8]), (7, [20, 20, 6, 8])],  # two small ones do not add up
            7: [(7, [0, 50, 20, 0])],  # a flat box, as some are: there is a person, too small to count
        },
    )
    read = read_coco(path, tmp_path / "images")
    assert {int(one.path.stem): one.label for one in read.pictures} == {1: 1, 3: 0, 4: 0, 5: 1}
    assert (read.dropped, read.missing) == (3, 0)
    assert {one.split for one in read.pictures} == {"val"}
    assert next(one.person_area for one in read.pictures if one.path.stem == "000005") == 0.25


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017", "train"),
        ("instances_val2017", "val"),
        ("instances_maxitrain", "train"),
        ("instances_minival", "val"),
        ("wake_vision_train_large", "train"),
        ("wake_vision_validation", "val"),
        ("Test", "test"),
        ("latest_annotations", None),
        ("evaluation", None),
        ("trainval2017", None),
        ("train_and_val", None),
    ],
)
def test_a_file_names_its_split_in_a_word_of_its_own(tmp_path: Path, name: str, split: str | None) -> None:
    rows = ["filename,person"]
    for index in range(40):
        picture(tmp_path / f"{index}.png", index, (8, 8))
        rows.append(f"{index}.png,{index % 2}")
    path = tmp_path / f"{name}.csv"
    path.write_text("\n".join(rows))
    splits = {one.split for one in read_wake_vision(path, tmp_path).pictures}
    assert splits == ({split} if split else {"train", "val", "test"})


def test_coco_to_train_on_and_coco_to_evaluate_on(tmp_path: Path) -> None:
    """As published: one file names train only, the other val only."""
    path = coco(tmp_path, {one: [(7, [0, 0, 50, 50])] if one % 2 else [] for one in range(80)})
    training = read_dataset(path.rename(tmp_path / "instances_train2017.json"), tmp_path / "images")
    assert training.held_out == len(training.split("val").pictures) > 0
    assert len(training.split("train").pictures) == 80 - training.held_out
    path = coco(tmp_path, {1: [(7, [0, 0, 50, 50])], 2: []})
    with pytest.raises(DataError, match="no pictures in the split test, only in val") as caught:
        read_dataset(path, tmp_path / "images").split("test")
    assert "--split val" in caught.value.hint


@pytest.mark.parametrize(
    ("box", "side"),
    [([-5, -5], 100), ([math.nan, 10], 100), ([math.inf, 0], 100), ([50, 50], math.nan), ([50, 50], -100)],
)
def test_coco_boxes_that_are_none(tmp_path: Path, box: list[float], side: float) -> None:
    path = coco(tmp_path, {1: [(7, [0, 0, 50, 50])], 2: [], 3: [(7, [0, 0, *box])]})
    values = json.loads(path.read_text())
    values["images"][2]["width"] = side
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match="annotation 30 has a box of"):
        read_coco(path, tmp_path / "images")


def test_pictures_that_are_not_there_are_no_matter_of_labels(tmp_path: Path) -> None:
    path = coco(tmp_path, {1: [(7, [0, 0, 50, 50])], 2: [], 3: [], 4: [(7, [0, 0, 5, 5])]})
    (tmp_path / "images" / "000003.jpg").unlink()
    read = read_dataset(path, tmp_path / "images")
    assert (read.dropped, read.missing) == (1, 1)
    findings = inspection.check(read)
    assert findings.missing == 1
    assert not findings.clean


def test_coco_that_does_not_match_its_pictures(tmp_path: Path) -> None:
    path = coco(tmp_path, {1: [(7, [0, 0, 50, 50])], 2: [], 3: []})
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(DataError, match=r"3 of the 3 pictures .* are not in"):
        read_coco(path, tmp_path / "elsewhere")
    values = json.loads(path.read_text())
    values["annotations"][0]["image_id"] = 99
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match="speaks of picture 99, which is not listed"):
        read_coco(path, tmp_path / "images")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"images": [{"id": 1}], "annotations": []}',
        "\x00\xff",
        '{"images": [{"id": Infinity}], "annotations": []}',
        "[" * 200_000,
    ],
    ids=range(7),
)
def test_what_is_no_coco(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match="no COCO instance annotation"):
        read_coco(path, tmp_path)


def test_coco_needs_its_pictures(tmp_path: Path) -> None:
    path = coco(tmp_path, {1: [(7, [0, 0, 50, 50])], 2: []})
    with pytest.raises(DataError) as caught:
        read_dataset(path)
    assert "--pictures" in caught.value.hint


def test_wake_vision(tmp_path: Path) -> None:
    rows = ["filename,person,depiction"]
    for index, person in enumerate(("0", "1", "0", "1.0", "-1", "-1.0", "0")):
        picture(tmp_path / "images" / f"{index}.jpg", index)
        rows.append(f"{index}.jpg,{person},{int(index == 6)}")  # a drawn person is none: hard, and kept
    path = tmp_path / "wake_vision_validation.csv"
    path.write_text("\n".join(rows))
    read = read_dataset(path, tmp_path / "images")
    assert read == read_wake_vision(path, tmp_path / "images")
    assert [one.label for one in read.pictures] == [0, 1, 0, 1, 0]
    assert {one.split for one in read.pictures} == {"val"}
    assert read.dropped == 2


def test_unreadable_pictures_are_left_out_and_reported(folders: Path) -> None:
    (folders / "train" / "person" / "broken.png").write_bytes(b"\x89PNG\r\n")
    (folders / "train" / "no_person" / "empty.png").touch()
    arrays = datasets.load_arrays(read_dataset(folders).split("train"), side=8)
    assert len(arrays.labels) == 12
    assert len(arrays.unreadable) == 2


def test_one_class_only_is_refused(folders: Path) -> None:
    for path in (folders / "train" / "no_person").iterdir():
        path.write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"the split train of .* has no picture with the label 0"):
        datasets.load_arrays(read_dataset(folders).split("train"))


def test_a_split_that_is_not_there(folders: Path) -> None:
    with pytest.raises(DataError, match="split test, only in train and val"):
        read_dataset(folders).split("test")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        read_dataset(tmp_path / "nowhere")


def test_check_finds_what_is_wrong(folders: Path) -> None:
    assert inspection.check(read_dataset(folders)).clean
    # The same picture in another size and quality, in another split and with another label.
    Image.open(folders / "train" / "person" / "0.png").resize((64, 48)).save(folders / "val" / "no_person" / "copy.jpg")
    (folders / "train" / "person" / "broken.jpg").write_bytes(b"?")
    findings = inspection.check(read_dataset(folders))
    assert len(findings.duplicates) == 1
    assert len(findings.conflicts) == 1
    assert len(findings.unreadable) == 1
    assert not findings.clean


def test_check_finds_copies_of_uniform_pictures(folders: Path) -> None:
    for place, gray in (("train/person", 0), ("val/no_person", 0), ("val/person", 77), ("train/no_person", 200)):
        Image.new("RGB", (40, 30), (gray,) * 3).save(folders / place / "lens-cap.png")
    findings = inspection.check(read_dataset(folders))
    (pair,) = findings.duplicates
    assert {Path(one).parent.name for one in pair} == {"person", "no_person"}
    assert len(findings.conflicts) == 1


def test_nothing_readable_is_built_or_listed(tmp_path: Path) -> None:
    for label in ("person", "no_person"):
        (tmp_path / "set" / label).mkdir(parents=True)
        (tmp_path / "set" / label / "a.png").touch()
    read = read_dataset(tmp_path / "set")
    with pytest.raises(DataError, match="none of the 2 pictures") as caught:
        inspection.build(read, tmp_path / "built")
    assert "a.png is empty" in caught.value.hint
    assert not (tmp_path / "built").exists()
    with pytest.raises(DataError, match="none of the 2 pictures"):
        inspection.write_manifest(read, tmp_path / "manifest.json")


def test_build_manifest_and_contact_sheet(folders: Path, tmp_path: Path) -> None:
    (folders / "train" / "person" / "broken.jpg").write_bytes(b"?")
    read = read_dataset(folders)
    built = inspection.build(read, tmp_path / "built", side=24)
    assert built.dropped == 1
    again = read_dataset(tmp_path / "built")
    assert again.counts() == {"train": {"no_person": 6, "person": 6}, "val": {"no_person": 3, "person": 3}}
    with pytest.raises(DataError, match="not empty"):
        inspection.build(read, tmp_path / "built")

    inspection.write_manifest(again, tmp_path / "one.json")
    inspection.write_manifest(again, tmp_path / "two.json")
    manifest = json.loads((tmp_path / "one.json").read_text())
    assert manifest == json.loads((tmp_path / "two.json").read_text())
    assert len({entry["sha256"] for entry in manifest["pictures"]}) == 18

    lost = again.pictures[3].path
    lost.unlink()
    (wrong,) = inspection.write_manifest(again, tmp_path / "one.json")
    assert str(lost) in wrong
    without = json.loads((tmp_path / "one.json").read_text())
    assert without["sha256"] != manifest["sha256"]
    assert [entry["file"] for entry in without["pictures"] if not entry["sha256"]] == [
        str(lost.relative_to(tmp_path / "built"))
    ]

    inspection.write_contact_sheet(again, tmp_path / "sheet.png", columns=4, rows=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        block = 22 + 2 * 114  # a title, and rows of bar, picture and file name
        assert sheet.size == (4 * 96, 2 * block)
        assert sheet.getpixel((10, 22 + 2)) == (42, 157, 74)  # a person's bar
        assert sheet.getpixel((10, block + 22 + 2)) == (119, 119, 119)
        for area in ((0, 0, 200, 22), (0, block, 200, block + 22), (0, 22 + 102, 96, 22 + 114)):
            assert len(sheet.crop(area).getcolors() or ()) > 1, "something is written there"
    inspection.write_contact_sheet(again, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (9 * 96, 2 * (22 + 114))  # no larger than its pictures


def test_the_teams_own_data(shared: Path) -> None:
    read = read_dataset(shared / "data")
    assert read.counts()["test"] == {"no_person": 769, "person": 807}
    assert sum(sum(row.values()) for row in read.counts().values()) == 16770 + 1589 + 1576


def test_folders_may_be_called_after_a_models_classes(tmp_path: Path) -> None:
    for index, name in enumerate(("cup", "no cup", "plate", "spoon")):
        picture(tmp_path / "test" / name / "1.png", index)
    read = read_dataset(tmp_path, outputs=OutputSpec(("plate", "cup"), 1))
    assert [(one.path.parent.name, one.label) for one in read.pictures] == [("cup", 1), ("no cup", 0), ("plate", 0)]
    assert read.left_out == ("1 pictures in the folder test/spoon, whose name says neither cup nor plate",)
    with pytest.raises(DataError) as caught:
        read_dataset(tmp_path)
    assert "person/ and no_person/" in str(caught.value.hint)
