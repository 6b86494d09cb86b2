"""Which pictures a run streams: files, folders and globs, and their labels."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from vww_deploy.errors import DataError
from vww_deploy.pictures import tables
from vww_deploy.pictures.class_labels import meaning
from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.pictures.preprocess import OTHER_PICTURES, PICTURE_SUFFIXES, READ, Pixels, to_rgb


@dataclass(frozen=True)
class Picture:
    """A picture of a run: where it is, and its label if that is known (1 person, 0 none)."""

    path: str
    truth: int | None = None


def gather(
    sources: Sequence[str], labels: Path | None = None, notice: Callable[[str], None] = lambda text: None
) -> list[Picture]:
    """The pictures that files, folders (searched to any depth) and globs name, in order, each once.

    A picture's label is what ``labels`` says, or what the name of the folder that it is in directly says
    (``person``, ``no_person``, ``background`` and the like).

    Args:
        sources: files, folders, globs.
        labels: a labels file; see :func:`read_labels`.
        notice: called with a line about pictures of kinds that are not read, and about pictures and labels that have no
            counterpart.

    Raises:
        DataError: a source that does not exist, holds no pictures or matches nothing, or a labels file that cannot be
            used or that names none of the pictures.
    """
    paths: dict[Path, None] = {}
    ignored: Counter[str] = Counter()
    for source in sources:
        paths.update(dict.fromkeys(_expand(source, ignored)))
    if ignored:
        notice(f"pictures of other kinds are left out: {_kinds(ignored)}; {READ}")
    table = read_labels(labels) if labels is not None else {}
    if labels is not None and paths:
        _check_labels(labels, table, paths, notice)
    return [Picture(str(path), table.get(path.resolve(), meaning(path.parent.name))) for path in paths]


def labelled_as(pictures: Sequence[Picture], outputs: OutputSpec) -> list[Picture]:
    """The pictures, those without a label by what the name of their folder says to a model of these outputs."""
    return [
        one if one.truth is not None else replace(one, truth=outputs.meaning(Path(one.path).parent.name))
        for one in pictures
    ]


def _check_labels(labels: Path, table: dict[Path, int], paths: Iterable[Path], notice: Callable[[str], None]) -> None:
    wanted = {path.resolve() for path in paths}
    if not wanted & table.keys():
        example = next(iter(table), None)
        raise DataError(
            f"{labels} names none of the {len(wanted)} pictures" + ("" if example is None else f"; it names {example}"),
            hint="Files are named relative to the CSV's own folder.",
        )
    if without := len(wanted - table.keys()):
        notice(f"{without} of {len(wanted)} pictures are not in {labels}")
    if beside := len(table.keys() - wanted):
        notice(f"{beside} of {len(table)} files in {labels} are not among the pictures")


def read_labels(path: Path) -> dict[Path, int]:
    """A labels CSV: a header line with the columns ``file`` and ``label``; files are relative to the CSV; labels are as
    :func:`vww_deploy.pictures.tables.label_of` has them.

    Returns:
        The label of each resolved path.

    Raises:
        DataError: the file cannot be read, lacks a column, or has another label, with the line.
    """
    found: dict[Path, int] = {}
    for line, row in tables.rows(path, ("file", "label")):
        label = tables.label_of(path, line, row["label"])
        found[tables.file_of(path, line, path.parent.resolve(), row["file"]).resolve()] = label
    return found


def _expand(source: str, ignored: Counter[str]) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        files = [p for p in path.rglob("*") if p.is_file()]
        found = sorted(p for p in files if p.suffix.lower() in PICTURE_SUFFIXES)
        others = Counter(s for p in files if (s := p.suffix.lower()) in OTHER_PICTURES)
        if not found:
            has = f", only others: {_kinds(others)}" if others else ""
            raise DataError(f"the folder {path} has no pictures that can be read{has}", hint=f"{READ}.")
        ignored.update(others)
        return found
    if path.exists():
        return [path]
    if glob.has_magic(source):
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
        found = [p for p in map(Path, sorted(matches)) if p.is_file()]
        if found:
            return found
        raise DataError(f"nothing matches {source}")
    raise DataError(f"there is no {path}", hint="Give picture files, folders or globs.")


def _kinds(counts: Counter[str]) -> str:
    """``2 .avif, 1 .heic``."""
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))


def thumbnail(image: Image.Image, side: int) -> Pixels:
    """The picture for people to look at, no side longer than ``side``; uint8 ``[h, w, 1 or 3]``.

    Raises:
        DataError: its colours cannot be shown.
    """
    image = to_rgb(image)
    longer = max(image.size)
    if longer > side:  # not Image.thumbnail, which needs a copy of the whole picture to work on
        image = image.resize(
            (max(1, round(image.width * side / longer)), max(1, round(image.height * side / longer))),
            Image.Resampling.BICUBIC,
            reducing_gap=2.0,
        )
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
