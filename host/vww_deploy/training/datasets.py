"""Sets of labelled pictures, whatever form they come in: one interface, a reader for each form.

* folders ``person/`` and ``no_person/``, also below ``train/``, ``val/`` and ``test/``;
* a labels CSV: ``file`` and ``label``, and optionally ``split``, ``source`` and ``person_area_fraction``;
* COCO instance annotations with a folder of pictures, labelled by the Visual Wake Words rule;
* the Wake Vision CSV with a folder of pictures.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError
from vww_deploy.pictures import preprocess, tables
from vww_deploy.pictures.card import InputSpec
from vww_deploy.pictures.class_labels import meaning
from vww_deploy.pictures.outputs import OutputSpec

SPLITS: Final = ("train", "val", "test")
VWW_AREA: Final = 0.005
"""Visual Wake Words (Chowdhery et al., 2019): a person counts whose box covers more than this part of the picture."""


@dataclass(frozen=True)
class LabelledPicture:
    """A labelled picture: ``label`` is 1 for a person; ``person_area`` the largest person's part of it, if known."""

    path: Path
    label: int
    split: str
    source: str = ""
    person_area: float | None = None
    teacher_score: float | None = None
    """P(person) by a teacher, where the label was made by a machine: then this is learned, not the label."""


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures, and the folder or file that they were read from."""

    origin: Path
    pictures: tuple[LabelledPicture, ...]
    dropped: int = 0
    """Pictures that the labelling rule leaves out."""
    missing: int = 0
    """Pictures that COCO JSON or a Wake Vision CSV names and that are not in their folder."""
    left_out: tuple[str, ...] = ()
    """What else was left out: how many, and why."""
    held_out: int = 0
    """Pictures of ``train`` that were made ``val``, because none was named so."""

    def split(self, name: str) -> Dataset:
        """The pictures of one split.

        Raises:
            DataError: there are none.
        """
        chosen = tuple(picture for picture in self.pictures if picture.split == name)
        if not chosen:
            have = [split for split in SPLITS if split in self.counts()]
            raise DataError(
                f"{self.origin} has no pictures in the split {name}, only in {' and '.join(have) or 'none'}",
                hint=f"To evaluate on those, say --split {have[-1] if have else 'all'}. To make a split {name}, put "
                f"pictures of both classes into a folder {name}/, or write {name} into a labels CSV's column split.",
            )
        return Dataset(self.origin, chosen)

    def counts(self) -> dict[str, dict[str, int]]:
        """Pictures by split and label: ``{"train": {"no_person": 3, "person": 5}, ...}``."""
        table: dict[str, dict[str, int]] = {}
        for picture in self.pictures:
            row = table.setdefault(picture.split, {"no_person": 0, "person": 0})
            row["person" if picture.label else "no_person"] += 1
        return table


@dataclass(frozen=True)
class PictureArrays:
    """Decoded pictures: uint8 ``[N, side, side, 3]`` and labels int64 ``[N]`` (1 is person)."""

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    one_label_source: npt.NDArray[np.bool_]
    """Whether the picture's source knows one label only, ``[N]``: there the source gives the label away."""
    teacher_score: npt.NDArray[np.float32]
    """P(person) by a teacher where the label was made by a machine, else NaN, ``[N]``."""
    share: npt.NDArray[np.float32]
    """The part of an epoch's views that show the picture, ``[N]``: below 1 for a data set that counts less."""
    unreadable: tuple[str, ...] = field(default=())
    """What was wrong with the pictures that were left out."""


def read_dataset(
    origin: Path, pictures: Path | None = None, *, needs_val: bool = True, outputs: OutputSpec | None = None
) -> Dataset:
    """Read a set of pictures in whichever form it is: a folder, a labels CSV, COCO JSON or a Wake Vision CSV.

    A set with a split ``train`` and none called ``val`` gives some of ``train`` as ``val`` if ``needs_val``; see
    :func:`hold_out`.

    Args:
        origin: a folder (with ``labels.csv``, or with ``person/`` and ``no_person/``), a ``.csv`` or a ``.json``.
        pictures: the folder of pictures that COCO JSON or a Wake Vision CSV speaks of.
        outputs: of the model that is judged by them: folders may be called after its classes, too.

    Raises:
        DataError: it cannot be read or does not hold both classes.
    """
    dataset = _read(origin, pictures, outputs)
    return hold_out(dataset) if needs_val else dataset


def hold_out(dataset: Dataset) -> Dataset:
    """The set with a split ``val``: 8 % of ``train``, dealt by a hash of the file's name, if there was none.

    COCO and Wake Vision come as one file for each split, so the file to train on names ``train`` alone.
    """
    if any(picture.split == "val" for picture in dataset.pictures):
        return dataset
    pictures = tuple(
        replace(one, split="val") if one.split == "train" and split_of(one.path.name) == "val" else one
        for one in dataset.pictures
    )
    return replace(dataset, pictures=pictures, held_out=sum(one.split == "val" for one in pictures))


def _read(origin: Path, pictures: Path | None, outputs: OutputSpec | None) -> Dataset:
    if not origin.exists():
        raise DataError(f"there is no {origin}", hint="Give a folder, a labels CSV, COCO JSON or a Wake Vision CSV.")
    if origin.is_dir():
        table = origin / "labels.csv"
        return read_labels_csv(table) if table.is_file() else read_folders(origin, outputs)
    if origin.suffix.lower() == ".json":
        return read_coco(origin, _needed(pictures, origin))
    if "filename" in tables.columns(origin):
        return read_wake_vision(origin, _needed(pictures, origin))
    return read_labels_csv(origin)


def read_folders(root: Path, outputs: OutputSpec | None = None) -> Dataset:
    """Pictures below folders called ``person`` and ``no_person``, or after a model's classes.

    One below ``train``, ``val`` or ``test`` is of that split; the others are dealt 84:8:8 by a hash of their path.

    Raises:
        DataError: a class has no pictures.
    """
    found = []
    unknown: Counter[str] = Counter()
    outputs = outputs or OutputSpec()
    no, one = (name.replace(" ", "_") for name in outputs.known_as)
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root).parts[:-1]
        labels = [label for part in inner if (label := outputs.meaning(part)) is not None]
        suffix = path.suffix.lower()
        if suffix in preprocess.OTHER_PICTURES:
            unknown[f"of the kind {suffix} ({preprocess.READ})"] += 1
        elif suffix in preprocess.PICTURE_SUFFIXES and labels:
            named = [_NAMED[part.lower()] for part in inner if part.lower() in _NAMED]
            found.append(
                LabelledPicture(path, labels[-1], named[-1] if named else split_of(str(path.relative_to(root))))
            )
        elif suffix in preprocess.PICTURE_SUFFIXES:
            where = f"the folder {'/'.join(inner)}" if inner else "no folder"
            unknown[f"in {where}, whose name says neither {one} nor {no}" if inner else f"in {where}"] += 1
    left_out = tuple(f"{count} pictures {why}" for why, count in sorted(unknown.items()))
    hint = f"Put pictures into the folders {one}/ and {no}/."
    if left_out:
        hint += f" Left out: {'; '.join(left_out[:3])}."
    return replace(_whole(root, found, hint=hint), left_out=left_out)


def read_labels_csv(path: Path) -> Dataset:
    """A labels CSV; files are relative to it.

    Raises:
        DataError: it cannot be read, lacks a column, or has a label other than 0 and 1 (with the line).
    """
    found = []
    for line, row in tables.rows(path, ("file", "label")):
        split = row.get("split") or split_of(row["file"])
        if split not in SPLITS:
            raise DataError(f"{path}, line {line}: split {split!r}", hint=f"Splits are {', '.join(SPLITS)}.")
        area = row.get("person_area_fraction")
        try:
            fraction = float(area) if area else None
        except ValueError as error:
            raise DataError(f"{path}, line {line}: person_area_fraction {area!r} is no number") from error
        label = tables.label_of(path, line, row["label"])
        score = _score(path, line, row.get("teacher_score"))
        file = tables.file_of(path, line, path.parent, row["file"])
        found.append(LabelledPicture(file, label, split, row.get("source") or "", fraction, score))
    return _whole(path, found)


def read_wake_vision(path: Path, pictures: Path) -> Dataset:
    """A Wake Vision CSV (``filename``, ``person``, ...) and the folder that holds its pictures.

    The split is the one that the file's name says (``wake_vision_train_large.csv``). A picture that the set's makers
    exclude (``person`` -1) is dropped; a drawn or sculpted person is no person there, and stays.

    Raises:
        DataError: it cannot be read, has a label other than 0, 1 and -1, or most of its pictures do not exist.
    """
    split = _named_split(path)
    found, dropped = [], 0
    for line, row in tables.rows(path, ("filename", "person")):
        person = row["person"].removesuffix(".0")
        if person == "-1":
            dropped += 1
            continue
        label = tables.label_of(path, line, person)
        found.append(
            LabelledPicture(pictures / row["filename"], label, split or split_of(row["filename"]), "wake_vision")
        )
    return _present(path, pictures, found, dropped)


def read_coco(path: Path, pictures: Path) -> Dataset:
    """COCO instance annotations and the folder that holds their pictures, labelled as Visual Wake Words does.

    A picture whose largest person box covers more than 0.5 % of it is 1; one without any person box is 0; one with
    smaller persons only is dropped. The split is the one that the file's name says (``instances_train2017.json``).

    Raises:
        DataError: the JSON is no COCO annotation, or most of its pictures do not exist.
    """
    split = _named_split(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        images = {int(one["id"]): one for one in values["images"]}
        names = {int(one["id"]): str(one["name"]) for one in values.get("categories", [])}
        person = _person_category(path, names)
        largest: dict[int, float] = {}
        for box in values["annotations"]:
            if int(box["category_id"]) != person:
                continue
            image = images.get(int(box["image_id"]))
            if image is None:
                raise DataError(
                    f"{path}: annotation {box.get('id')} speaks of picture {box['image_id']}, which is not listed",
                    hint="Take the pictures and the annotations from the same release.",
                )
            width, height = float(box["bbox"][2]), float(box["bbox"][3])
            part = width * height / (float(image["width"]) * float(image["height"]))
            if not (width >= 0 and height >= 0 and 0 <= part < math.inf):  # nor one that is no number
                raise DataError(
                    f"{path}: annotation {box.get('id')} has a box of {width:g} x {height:g} pixels in a picture of "
                    f"{image['width']} x {image['height']}",
                    hint="Take the annotations as they were published.",
                )
            largest[int(box["image_id"])] = max(part, largest.get(int(box["image_id"]), 0.0))
        found, dropped = [], 0
        for identity, image in images.items():
            area = largest.get(identity)  # 0 for a person whose box is flat: too small to count, but no empty picture
            if area is not None and area <= VWW_AREA:
                dropped += 1
                continue
            file = str(image["file_name"])
            found.append(
                LabelledPicture(pictures / file, int(area is not None), split or split_of(file), "coco", area or 0.0)
            )
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        ArithmeticError,  # an id of Infinity, a picture 0 pixels wide
        RecursionError,
    ) as error:
        raise DataError(
            f"{path} is no COCO instance annotation: {type(error).__name__} {error}",
            hint="It needs images (id, file_name, width, height) and annotations (image_id, category_id, bbox).",
        ) from error
    return _present(path, pictures, found, dropped)


def _person_category(path: Path, names: dict[int, str]) -> int:
    """The id of the one category that is a person, whatever its case; 1, as in COCO, where none has a name."""
    if not names:
        return 1
    found = [identity for identity, name in names.items() if meaning(name) == 1]
    if len(found) != 1:
        listed = ", ".join(list(names.values())[:12]) + (", ..." if len(names) > 12 else "")
        raise DataError(
            f"{path} has {len(found) or 'no'} categories called person", hint=f"Its categories are: {listed}."
        )
    return found[0]


def split_of(name: str) -> str:
    """The split that a picture falls into by a hash of its name: 84 % train, 8 % val, 8 % test."""
    at = int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:4], "big") / 2**32
    return "train" if at < 0.84 else "val" if at < 0.92 else "test"


def load_arrays(
    dataset: Dataset, side: int = 128, *, share: float = 1.0, progress: Callable[[str], None] = lambda text: None
) -> PictureArrays:
    """Decode all pictures, squashed to ``side`` x ``side`` by area average; unreadable ones are left out and reported.

    ``progress`` is called with words, often, for how far it is.

    Raises:
        DataError: no picture is readable, or those that are have one label only.
    """
    spec = InputSpec(side, side, 3)
    pixels = np.empty((len(dataset.pictures), side, side, 3), np.uint8)
    kept: list[LabelledPicture] = []
    wrong: list[str] = []
    for number, picture in enumerate(dataset.pictures):
        if number % 100 == 0:
            progress(f"reading pictures: {number} of {len(dataset.pictures)}")
        try:
            image = preprocess.open_picture(preprocess.read_picture_file(picture.path), str(picture.path))
            pixels[len(kept)] = preprocess.to_pixels(image, spec)
        except DataError as error:
            wrong.append(error.message)
        else:
            kept.append(picture)
    if not kept:
        raise DataError(f"none of the {len(dataset.pictures)} pictures of {dataset.origin} is readable", hint=wrong[0])
    check_classes(dataset.origin, kept)
    by_source: dict[str, set[int]] = {}
    for picture in kept:
        by_source.setdefault(picture.source, set()).add(picture.label)
    one = np.array([len(by_source[picture.source]) == 1 for picture in kept])
    labels = np.array([picture.label for picture in kept], np.int64)
    scores = [np.nan if picture.teacher_score is None else picture.teacher_score for picture in kept]
    shares = np.full(len(kept), share, np.float32)
    return PictureArrays(pixels[: len(kept)], labels, one, np.array(scores, np.float32), shares, tuple(wrong))


def joined(parts: Sequence[PictureArrays]) -> PictureArrays:
    """Several sets of decoded pictures of the same side as one."""
    if len(parts) == 1:
        return parts[0]
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("pictures", "labels", "one_label_source", "teacher_score", "share")
    }
    return PictureArrays(**arrays, unreadable=tuple(text for part in parts for text in part.unreadable))


def check_classes(origin: Path, pictures: Iterable[LabelledPicture]) -> None:
    """Raise DataError unless there are pictures of both classes."""
    known = {(picture.split, picture.label) for picture in pictures}
    splits, labels = {split for split, _ in known}, {label for _, label in known}
    where = f"the split {splits.pop()} of {origin}" if len(splits) == 1 else str(origin)
    for label, name in ((1, "person"), (0, "no person")):
        if label not in labels:
            raise DataError(f"{where} has no picture with the label {label} ({name})", hint="Both classes are needed.")


def _whole(
    origin: Path, found: Sequence[LabelledPicture], *, dropped: int = 0, missing: int = 0, hint: str = ""
) -> Dataset:
    if not found:
        raise DataError(f"{origin} holds no labelled pictures", hint=hint or "Look at the file's first lines.")
    check_classes(origin, found)
    return Dataset(origin, tuple(found), dropped, missing)


_NAMED: Final = {
    "train": "train",
    "maxitrain": "train",
    "val": "val",
    "minival": "val",
    "validation": "val",
    "test": "test",
}
"""Words in the names of published files; ``maxitrain`` and ``minival`` are those of Visual Wake Words."""


def _named_split(path: Path) -> str | None:
    """The split that a file's name says in a word of its own; None if it says none, or several."""
    splits = {_NAMED[word] for word in re.findall("[a-z]+", path.stem.lower()) if word in _NAMED}
    return splits.pop() if len(splits) == 1 else None


def _present(origin: Path, folder: Path, found: Sequence[LabelledPicture], dropped: int) -> Dataset:
    """Those whose files exist; a set with most files missing was paired with the wrong folder."""
    present = [picture for picture in found if picture.path.is_file()]
    if found and len(present) < len(found) / 2:
        missing = next(picture.path for picture in found if not picture.path.is_file())
        raise DataError(
            f"{len(found) - len(present)} of the {len(found)} pictures of {origin} are not in {folder}, the first: "
            f"{missing.name}",
            hint="Give the folder that belongs to this file.",
        )
    return _whole(origin, present, dropped=dropped, missing=len(found) - len(present))


def _needed(pictures: Path | None, origin: Path) -> Path:
    if pictures is None or not pictures.is_dir():
        raise DataError(f"{origin} names pictures but not where they are", hint="Give their folder with --pictures.")
    return pictures


def _score(path: Path, line: int, text: str | None) -> float | None:
    if not text:
        return None
    try:
        score = float(text)
    except ValueError as error:
        raise DataError(f"{path}, line {line}: teacher_score {text!r} is no number") from error
    if not 0.0 <= score <= 1.0:
        raise DataError(f"{path}, line {line}: teacher_score {text}", hint="It is P(person), from 0 to 1.")
    return score
