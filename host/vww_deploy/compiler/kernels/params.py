"""The kernels' parameter structs, read from the C++ headers that define them: names, types, sizes.

A struct is described once, in ``firmware/lib/vww_nn/<operator>.h``; what Python fills in is checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from vww_deploy.resources import firmware_dir

_STRUCT: Final = re.compile(r"struct (\w+) \{\n(.*?)\n\};", re.DOTALL)
_ENUM: Final = re.compile(r"enum class (\w+) : (\w+) ")
_FIELD: Final = re.compile(r"(?:const )?(\w+)(\*?) (.+)", re.DOTALL)
_INTEGERS: Final = {f"{sign}int{8 * size}_t": (size, sign == "") for size in (1, 2, 4) for sign in ("", "u")}


@dataclass(frozen=True)
class Struct:
    """A parameter struct: C type by field name, in order, and its size in bytes on a 32-bit core."""

    name: str
    fields: Mapping[str, str]
    size: int

    def fill(self, **values: int | str) -> Params:
        """The struct with values: numbers, or C++ expressions for fields of other types.

        Raises ValueError for a number outside its field's type, TypeError for fields that are missing or unknown.
        """
        if set(values) != set(self.fields):
            differ = sorted(set(values) ^ set(self.fields))
            raise TypeError(f"{self.name} and the values for it differ in: {', '.join(differ)}")
        return Params(self, tuple((name, _literal(name, kind, values[name])) for name, kind in self.fields.items()))


@dataclass(frozen=True)
class Params:
    """A filled struct: (field, C++ expression) in order."""

    struct: Struct
    fields: tuple[tuple[str, str], ...]


@cache
def struct_of(operator: str, name: str) -> Struct:
    """The struct ``name`` of an operator's header."""
    return _structs(f"{operator}.h")[name]


def _literal(name: str, kind: str, value: int | str) -> str:
    if kind in _INTEGERS:
        size, signed = _INTEGERS[kind]
        low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1)) if signed else (0, 1 << 8 * size)
        if not isinstance(value, int) or not low <= value < high:
            raise ValueError(f"{name} = {value} is beyond the kernels' range")
        return str(value)
    return str(value).lower() if kind == "bool" else str(value)


@cache
def _structs(header: str) -> Mapping[str, Struct]:
    """The structs of a header, by name."""
    text = re.sub(r"//[^\n]*", "", (firmware_dir() / "lib" / "vww_nn" / header).read_text(encoding="utf-8"))
    sizes = {"bool": 1, **{name: size for name, (size, _) in _INTEGERS.items()}}
    if header != "vww_nn.h":
        sizes |= {
            **_enums("vww_nn.h"),
            **_enums(header),
            **{name: struct.size for name, struct in _structs("vww_nn.h").items()},
        }
    else:
        sizes |= _enums(header)
    found: dict[str, Struct] = {}
    for name, body in _STRUCT.findall(text):
        fields: dict[str, str] = {}
        at, alignment = 0, 1
        for declaration in filter(None, (part.strip() for part in body.split(";"))):
            match = _FIELD.fullmatch(declaration)
            assert match is not None, declaration
            kind, pointer, names = match.groups()
            size = 4 if pointer else sizes[kind]
            # A struct inside is aligned to 2 at most: all that there are hold int16 and smaller.
            align = min(size, 4) if kind in _INTEGERS or pointer else min(size, 2)
            for field in names.split(","):
                fields[field.split("=")[0].strip()] = kind + pointer
                at = -(-at // align) * align + size
            alignment = max(alignment, align)
        found[name] = Struct(name, fields, -(-at // alignment) * alignment)
        sizes[name] = found[name].size
    return found


def _enums(header: str) -> dict[str, int]:
    text = (firmware_dir() / "lib" / "vww_nn" / header).read_text(encoding="utf-8")
    return {name: _INTEGERS[kind][0] for name, kind in _ENUM.findall(text)}
