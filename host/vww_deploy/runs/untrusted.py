"""Run files that somebody else may have made: what is in them is checked as it is read (docs/security.md).

The checks of values raise ValueError with what is wrong; the readers of the files make a StoreError of it.
"""

from __future__ import annotations

import functools
import math
import sqlite3
from collections.abc import Hashable
from types import UnionType
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from vww_deploy.pictures.outputs import OutputSpec

_T = TypeVar("_T")

LATEST: Final = 253_402_300_799.0
"""Seconds since 1970 at the end of the year 9999; later times cannot be written down."""

# The longest value that is read from a file; a picture of the largest camera has some megabytes.
_MAX_VALUE_BYTES: Final = 64 << 20
_INTEGERS: Final = range(-(1 << 63), 1 << 63)  # those that SQLite, numpy and JSON's other readers have


def check_schema(db: sqlite3.Connection, statements: str) -> None:
    """The file has the tables that ``statements`` make and nothing besides: no view or trigger that would run."""
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    db.execute("PRAGMA trusted_schema = OFF")
    if _schema_of(db) != _made_by(statements):
        raise ValueError("its tables are not those that vww-deploy makes")


def checked(kind: type[_T], values: dict[str, Any]) -> _T:
    """The dataclass ``kind`` made of ``values``, if each is of its field's type and all numbers are finite."""
    hints = _hints(cast(Hashable, kind))
    for name, value in values.items():
        if name not in hints or not _fits(value, hints[name]):
            raise ValueError(f"{kind.__name__.lower()}: {name} = {str(value)[:40]!r}")
    return kind(**values)


def check_numbers(*, truth: int | None = None, label: int = 0, p_person: float = 0.0) -> None:
    """What is known and said of a picture: 0 no person, 1 a person, and a probability."""
    if truth not in (None, 0, 1) or label not in (0, 1) or not 0 <= p_person <= 1:
        raise ValueError(f"a picture with truth {truth}, label {label}, P(person) {p_person}")


def output_spec(values: dict[str, Any]) -> OutputSpec:
    """What a run's or a board's outputs mean; versions before noted their ``labels`` alone.

    Raises:
        ValueError: it makes no sense.
    """
    said = values.get("outputs")
    if said is None:
        labels = values.get("labels", ("no person", "person"))
        if not isinstance(labels, (list, tuple)) or len(labels) < 2 or not all(isinstance(x, str) for x in labels):
            raise ValueError(f"labels {str(labels)[:40]!r}")
        return OutputSpec.of_earlier(labels)
    if not isinstance(said, dict):
        raise ValueError(f"outputs {str(said)[:40]!r}")
    return checked(OutputSpec, {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()})


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


@functools.cache
def _made_by(statements: str) -> set[tuple[str, str, str | None]]:
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(statements)
        return _schema_of(db)
    finally:
        db.close()


def _schema_of(db: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    """Type, name and definition of all that is in the file, but for SQLite's own."""
    return set(db.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite@_%' ESCAPE '@'"))


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        return len(kinds) == len(value) and all(map(_fits, value, kinds))
    if origin is np.ndarray:
        return isinstance(value, np.ndarray)
    if hint in (int, float) and isinstance(value, bool):
        return False
    if isinstance(value, int) and value not in _INTEGERS:
        return False
    if hint is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, hint)
