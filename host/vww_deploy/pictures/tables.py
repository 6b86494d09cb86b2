"""CSV lists of pictures, as every program writes them: with a byte order mark, semicolons, backslashes, ``1.0``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from vww_deploy.errors import DataError
from vww_deploy.files import check_file, resolve_inside
from vww_deploy.pictures.class_labels import meaning


def columns(path: Path) -> list[str]:
    """The names in a CSV's first line.

    Raises:
        DataError: it cannot be read.
    """
    return _open(path)[1]


def rows(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """A CSV's rows with the numbers of their lines; each has the columns that are needed, none of them empty.

    Raises:
        DataError: it cannot be read, lacks a column, or a row lacks a value.
    """
    lines, names, delimiter = _open(path)
    missing = [name for name in needed if name not in names]
    if missing:
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}",
            hint=f"It starts with the line: {','.join(needed)}",
        )
    found = []
    try:
        reader = csv.DictReader(lines, names, delimiter=delimiter, restval="")
        next(reader, None)
        for row in reader:
            empty = [name for name in needed if not row[name]]
            if empty:
                raise DataError(f"{path}, line {reader.line_num}: {' and '.join(empty)} missing")
            found.append((reader.line_num, {name: row[name] for name in names}))
    except csv.Error as error:
        raise DataError(f"{path} is no CSV text: {error}") from error
    return found


def label_of(path: Path, line: int, text: str) -> int:
    """What a row says: 1 or 0, also as ``1.0``, or in words such as ``person`` and ``background``.

    Raises:
        DataError: anything else, with the line.
    """
    plain = text.strip().removesuffix(".0")
    label = int(plain) if plain in ("0", "1") else meaning(plain)
    if label is None:
        raise DataError(f"{path}, line {line}: label {text!r}", hint="Labels are 1 (person) and 0 (no person).")
    return label


def file_of(path: Path, line: int, folder: Path, name: str) -> Path:
    """Where a row's file is: relative to ``folder``; with the backslashes of Windows, too.

    Raises:
        DataError: that leads nowhere, with the line.
    """
    try:
        found = folder / name
        if "\\" in name and not found.exists():
            found = folder / name.replace("\\", "/")
        resolve_inside(folder, name)
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path}, line {line}: file {name!r} is no path: {error}", hint="Files are named relative to the CSV."
        ) from error
    return found


def _open(path: Path) -> tuple[list[str], list[str], str]:
    """A CSV's lines, the names in the first one, and what stands between them."""
    try:
        check_file(path)
        content = path.read_bytes()
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        lines = content.decode("utf-16" if wide else "utf-8-sig").splitlines(keepends=True)
        first = lines[0] if lines else ""
        delimiter = max(",;\t", key=first.count)
        return lines, [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])], delimiter
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV text: {error}") from error
