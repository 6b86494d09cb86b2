"""The names of a model's classes: what they say about persons, and the files that hold them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Final

from vww_deploy.errors import DataError
from vww_deploy.files import check_file

BESIDE: Final = "labels.txt"
"""The file beside a model that names its classes, one a line."""

_PERSON: Final = frozenset({"person", "persons", "people", "human", "humans", "pedestrian"})
_NEGATIONS: Final = ("no", "non", "not", "not a", "without", "without a")
_NOBODY: Final = frozenset({"nobody", "no one"})
_EMPTY: Final = frozenset({"background", "empty", "negative", "negatives", "none", "other", "others"})
_MOST_BYTES: Final = 1 << 16  # of a labels file


def meaning(name: str, labels: Sequence[str] = (), positive: int | None = None) -> int | None:
    """What a class's or a folder's name says: 1 for a person, 0 for none, None for anything else.

    Case, hyphens and underscores do not matter, nor does a number in front (``0 person``). Of what says nothing about
    persons, the label ``positive`` of a model's ``labels`` counts as 1, its other labels and ``no LABEL`` as 0.
    """
    words = _words(name)
    if words in _PERSON:
        return 1
    if _denies(words) or words in _EMPTY:
        return 0
    if positive is None:
        return None
    own = [_words(label) for label in labels]
    if words == own[positive]:
        return 1
    return 0 if words in own or _denies(words, {own[positive]}) else None


def find_person(labels: Sequence[str]) -> int | None:
    """The index of the label that is a person; None if none, or several, say so.

    Of two, the one beside ``no person`` or the like is a person, whatever it is called.
    """
    words = [_words(label) for label in labels]
    persons = [index for index, one in enumerate(words) if one in _PERSON]
    if len(persons) == 1:
        return persons[0]
    denied = [index for index, one in enumerate(words) if _denies(one)]
    return 1 - denied[0] if len(labels) == 2 and len(denied) == 1 and not persons else None


def index_of(labels: Sequence[str], name: str) -> int | None:
    """The index of the label that a user means, whatever its case; None if none is called so, or several are."""
    found = [i for i, label in enumerate(labels) if label == name]
    found = found or [i for i, label in enumerate(labels) if _words(label) == _words(name)]
    return found[0] if len(found) == 1 else None


def read_labels_txt(path: Path) -> tuple[str, ...]:
    """The names in a labels file, one a line.

    Raises:
        DataError: it cannot be read, is no text, or names nothing.
    """
    try:
        check_file(path)
        labels = parse_labels(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not labels:
        raise DataError(f"{path} names no classes", hint="It holds a name a line, in the order of the outputs.")
    return labels


def parse_labels(content: bytes) -> tuple[str, ...]:
    """The names in a labels file, one a line; numbers in front that only count the lines are left out."""
    if len(content) > _MOST_BYTES:
        return ()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if any(not line.isprintable() for line in lines):
        return ()
    numbered = [re.fullmatch(r"(\d+)[ :,;.]+(\S.*)", line) for line in lines]
    counts = [int(match[1]) for match in numbered if match]
    if len(counts) == len(lines) and counts in (list(range(len(lines))), list(range(1, len(lines) + 1))):
        return tuple(match[2] for match in numbered if match)
    return tuple(lines)


def packed_labels(model: bytes) -> list[tuple[str, ...]]:
    """The label files packed into a ``.tflite``: TFLite's metadata appends them to the model as a zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            files = [one for one in archive.infolist() if one.filename.lower().endswith(".txt")]
            contents = [archive.read(one) for one in files if one.file_size <= _MOST_BYTES]
    except Exception:  # no zip, or a damaged one, which makes zipfile raise anything
        return []
    return list(filter(None, map(parse_labels, contents)))


def fitted(labels: Sequence[str], channels: int, *, is_map: bool) -> tuple[str, ...] | None:
    """The labels of an output of so many channels; None if they are another model's.

    A map's files leave out the background, its first class; a sigmoid's may name the one class that it is about.
    """
    if len(labels) == max(2, channels):
        return tuple(labels)
    if channels == 1 and len(labels) == 1:
        return f"no {labels[0]}", labels[0]
    if is_map and len(labels) == channels - 1:
        return "background", *labels
    return None


def _words(name: str) -> str:
    text = re.sub(r"[\s_\-]+", " ", name).strip().casefold()
    return re.sub(r"^\d+[ :.]+", "", text)


def _denies(words: str, what: Set[str] = _PERSON) -> bool:
    if words in _NOBODY:
        return True
    return any(words.removeprefix(before).strip() in what for before in _NEGATIONS if words.startswith(before))
