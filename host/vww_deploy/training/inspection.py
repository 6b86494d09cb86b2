"""What is wrong with a set of pictures before one trains on it, and what it looks like; building a set from another."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from vww_deploy.errors import DataError
from vww_deploy.files import shown, write_whole
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.card import InputSpec
from vww_deploy.training.datasets import SPLITS, Dataset, LabelledPicture

Tick = Callable[[], None]


@dataclass(frozen=True)
class Findings:
    """What is wrong with a set of pictures, and how many there are by split and class."""

    pictures: int
    counts: dict[str, dict[str, int]]
    unreadable: list[str]
    duplicates: list[tuple[str, str]]
    """Pairs of pictures that look the same and lie in different splits."""
    conflicts: list[tuple[str, str]]
    """Pairs of pictures that look the same and have different labels."""
    one_label_sources: list[str]
    """Sources whose pictures all have one label: a network can learn the source instead of the person."""
    missing: int
    """Pictures that are named and not there."""

    @property
    def clean(self) -> bool:
        """Nothing missing or unreadable, no duplicates across splits, no conflicts, both classes in every split."""
        return not (self.one_label_splits or self.missing or self.unreadable or self.duplicates or self.conflicts)

    @property
    def one_label_splits(self) -> list[str]:
        """Splits that lack a class."""
        return [name for name, row in self.counts.items() if not all(row.values())]


def check(dataset: Dataset, tick: Tick = lambda: None) -> Findings:
    """Look at every picture of a set; ``tick`` is called after each."""
    unreadable: list[str] = []
    readable: list[LabelledPicture] = []
    hashes: list[int] = []
    exact: list[bytes] = []
    thumbnails: list[npt.NDArray[np.float32]] = []
    labels: dict[str, set[int]] = {}
    for picture in dataset.pictures:
        labels.setdefault(picture.source, set()).add(picture.label)
        try:
            pixels = _pixels(picture, 32)
        except DataError as error:
            unreadable.append(error.message)
        else:
            readable.append(picture)
            hashes.append(fingerprint(pixels))
            exact.append(hashlib.sha256(pixels.tobytes()).digest())
            thumbnails.append(_thumbnail(pixels))
        tick()
    pairs = [(readable[i], readable[j]) for i, j in _alike(hashes, exact, thumbnails)]
    duplicates = [(str(one.path), str(two.path)) for one, two in pairs if one.split != two.split]
    conflicts = [(str(one.path), str(two.path)) for one, two in pairs if one.label != two.label]
    alone = sorted(name for name, known in labels.items() if len(known) == 1 and len(labels) > 1)
    return Findings(len(dataset.pictures), dataset.counts(), unreadable, duplicates, conflicts, alone, dataset.missing)


def fingerprint(pixels: npt.NDArray[np.uint8]) -> int:
    """64 bits, of which copies of a picture share nearly all, whatever their size or JPEG quality.

    They are the signs of its luma's 8x8 lowest frequencies but the mean; a frequency near zero may change its sign in a
    copy, so compare by the count of bits that differ.
    """
    gray = preprocess.luma(pixels).astype(np.float64)
    side = len(gray)
    wave = np.cos(np.pi / side * np.outer(np.arange(9), np.arange(side) + 0.5))
    low = (wave @ gray @ wave.T).ravel()[1:65]
    return int.from_bytes(np.packbits(low > 0).tobytes())


# Copies of one picture differ by fewer bits and correlate by more than this; two different pictures seldom do either.
_SAME_BITS = 10
_SAME_CORRELATION = 0.95


def _alike(hashes: list[int], exact: list[bytes], thumbnails: list[npt.NDArray[np.float32]]) -> list[tuple[int, int]]:
    """Pairs of indices of pictures that look the same; uniform ones, which correlate with nothing, by exact pixels."""
    bits = np.array(hashes, np.uint64)
    return [
        (i, int(j))
        for i in range(len(bits))
        for j in i + 1 + np.flatnonzero(np.bitwise_count(bits[i + 1 :] ^ bits[i]) <= _SAME_BITS)
        if exact[i] == exact[j] or float(thumbnails[i] @ thumbnails[j]) > _SAME_CORRELATION
    ]


def _thumbnail(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The picture at half the size as a vector of mean 0 and length 1: a product of two is their correlation.

    A uniform one is (nearly) 0: what rounding leaves of it is not stretched.
    """
    half: npt.NDArray[np.float32] = pixels.astype(np.float32)
    half = half.reshape(len(pixels) // 2, 2, len(pixels[0]) // 2, 2, 3).mean(axis=(1, 3)).ravel()
    half -= half.mean()
    half /= max(float(np.linalg.norm(half)), 1.0)
    return half


def write_contact_sheet(dataset: Dataset, path: Path, *, columns: int = 12, rows: int = 4, seed: int = 1) -> None:
    """A PNG with random pictures, persons above: over each class its name and count, under each picture its file name.

    Raises:
        DataError: it cannot be written, or no picture is readable.
    """
    cell, bar, line, title = 96, 6, 12, 22
    rng = np.random.default_rng(seed)
    blocks = []
    for label, name, colour in ((1, "person", "#2a9d4a"), (0, "no person", "#777777")):
        of_class = [picture for picture in dataset.pictures if picture.label == label]
        chosen = _readable([of_class[i] for i in rng.permutation(len(of_class))], columns * rows, cell)
        blocks.append((f"{name}: {len(chosen):,} of {len(of_class):,} pictures", colour, chosen))
    if not any(chosen for _, _, chosen in blocks):
        raise DataError(f"no picture of {dataset.origin} is readable")
    across = max(3, *(min(columns, len(chosen)) for _, _, chosen in blocks))  # 3: the titles have room
    heights = [title + -(-len(chosen) // columns) * (cell + bar + line) for _, _, chosen in blocks]
    sheet = Image.new("RGB", (across * cell, sum(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    for above, (heading, colour, chosen) in zip((0, heights[0]), blocks, strict=True):
        draw.text((4, above + 5), heading, fill="black", font_size=14)
        for place, (name, image) in enumerate(chosen):
            x, y = place % columns * cell, above + title + place // columns * (cell + bar + line)
            draw.rectangle((x, y, x + cell - 1, y + bar - 1), fill=colour)
            sheet.paste(image, (x, y + bar))
            draw.text((x + 1, y + bar + cell), _cut(draw, name, cell - 4), fill="#333333")
    _write(path, lambda file: sheet.save(file, "PNG"))


def _readable(pictures: Sequence[LabelledPicture], most: int, side: int) -> list[tuple[str, Image.Image]]:
    """The first pictures that can be read, ``side`` pixels square, and their file names."""
    found: list[tuple[str, Image.Image]] = []
    for picture in pictures:
        if len(found) == most:
            break
        with contextlib.suppress(DataError):
            found.append((shown(picture.path.name), Image.fromarray(_pixels(picture, side))))
    return found


def _cut(draw: ImageDraw.ImageDraw, name: str, width: int) -> str:
    """A file's name in the font's own characters and at most ``width`` pixels: its end, which distinguishes it."""
    text = name.encode("latin-1", "replace").decode("latin-1")
    for start in range(len(text)):
        short = text if start == 0 else f"..{text[start:]}"
        if draw.textlength(short) <= width:
            return short
    return ""


def write_manifest(dataset: Dataset, path: Path, tick: Tick = lambda: None) -> list[str]:
    """A JSON file with every picture's path, label, split and SHA-256, so that a set can be known again.

    Returns:
        What was wrong with files that cannot be read; they are in the manifest with a SHA-256 of null.

    Raises:
        DataError: no picture can be read, or the manifest not be written.
    """
    folder = dataset.origin if dataset.origin.is_dir() else dataset.origin.parent
    entries, digests, wrong = [], [], []
    for picture in dataset.pictures:
        digest = None
        try:
            digest = hashlib.sha256(preprocess.read_picture_file(picture.path)).hexdigest()
            digests.append(digest)
        except DataError as error:
            wrong.append(error.message)
        name = picture.path.relative_to(folder) if picture.path.is_relative_to(folder) else picture.path
        entries.append({"file": str(name), "label": picture.label, "split": picture.split, "sha256": digest})
        tick()
    if not digests:
        raise _none_readable(dataset, wrong)
    whole = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
    text = json.dumps({"sha256": whole, "counts": dataset.counts(), "pictures": entries}, indent=1)
    _write(path, lambda file: file.write(text.encode() + b"\n"))
    return wrong


def build(dataset: Dataset, folder: Path, *, side: int = 128, tick: Tick = lambda: None) -> Dataset:
    """Write a set anew: every readable picture squashed to ``side`` x ``side`` as PNG, with a labels CSV.

    Returns:
        The new set.

    Raises:
        DataError: ``folder`` is there already and not empty, or cannot be written; or no picture is readable.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder} is there already and not empty", hint="Name a new folder.")
    rows, pictures, wrong = [], [], []
    try:
        for index, picture in enumerate(dataset.pictures):
            try:
                image = Image.fromarray(_pixels(picture, side))
            except DataError as error:
                wrong.append(error.message)
                continue
            finally:
                tick()
            name = f"images/{picture.split}/{picture.label}/{index:07d}.png"
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, _png(image))
            area = "" if picture.person_area is None else f"{picture.person_area:.6f}"
            rows.append([name, picture.label, picture.split, picture.source, area])
            pictures.append(LabelledPicture(path, picture.label, picture.split, picture.source, picture.person_area))
        if not pictures:
            raise _none_readable(dataset, wrong)
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(["file", "label", "split", "source", "person_area_fraction"])
        table.writerows(rows)
        write_whole(folder / "labels.csv", text.getvalue().encode())
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written: {error.strerror or error}", hint="Free some disk space."
        ) from error
    return Dataset(folder, tuple(pictures), len(wrong))


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def _none_readable(dataset: Dataset, wrong: list[str]) -> DataError:
    return DataError(f"none of the {len(dataset.pictures)} pictures of {dataset.origin} is readable", hint=wrong[0])


def in_order(counts: dict[str, dict[str, int]]) -> list[tuple[str, int, int]]:
    """Split, pictures without and with a person, in the order train, val, test."""
    return [(name, counts[name]["no_person"], counts[name]["person"]) for name in SPLITS if name in counts]


def _pixels(picture: LabelledPicture, side: int) -> npt.NDArray[np.uint8]:
    image = preprocess.open_picture(preprocess.read_picture_file(picture.path), str(picture.path))
    return preprocess.to_pixels(image, InputSpec(side, side, 3))


def _write(path: Path, write: Callable[[io.BytesIO], object]) -> None:
    """Write a whole file or none."""
    content = io.BytesIO()
    write(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getvalue())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
