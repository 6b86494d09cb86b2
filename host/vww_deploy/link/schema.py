"""What a message is made of: the kinds of its fields, and how it becomes bytes and comes back from them.

A message is a frozen dataclass whose fields are annotated with one of the kinds below and, where that helps, with the
enumeration of its values and with what it means:

    @dataclass(frozen=True)
    class Ack(Message):
        TYPE = 0x82
        session: U32
        received: Annotated[U32, "bytes that are there without a hole"]

All numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from functools import cache
from typing import Annotated, Any, ClassVar, Self, cast, get_type_hints


@dataclass(frozen=True)
class Kind:
    """How the value of a field is written."""

    name: str
    """As docs and schema call it: ``u32``, ``text``, ``bytes32``."""
    cpp: str
    """Its type in C++; for numbers, :attr:`name` is also the method of ``ByteReader`` and ``ByteWriter``."""
    number: str = ""
    """Of a number, its ``struct`` format."""
    size: int = 0
    """Of ``bytes32`` and the like, how many bytes."""


U8 = Annotated[int, Kind("u8", "uint8_t", "<B")]
U16 = Annotated[int, Kind("u16", "uint16_t", "<H")]
U32 = Annotated[int, Kind("u32", "uint32_t", "<I")]
U64 = Annotated[int, Kind("u64", "uint64_t", "<Q")]
I32 = Annotated[int, Kind("i32", "int32_t", "<i")]
F32 = Annotated[float, Kind("f32", "float", "<f")]
Text = Annotated[str, Kind("text", "Text")]
"""A length byte, then so many bytes of UTF-8."""
Rest = Annotated[bytes, Kind("rest", "Bytes")]
"""All bytes up to the message's end; the last field only."""
Bytes32 = Annotated[bytes, Kind("bytes32", "const uint8_t*", size=32)]
Bytes256 = Annotated[bytes, Kind("bytes256", "const uint8_t*", size=256)]


class BadMessageError(ValueError):
    """A payload that is too short, too long or holds a value that its message does not know."""


def printable(data: bytes | bytearray) -> str:
    """A board's text without the control characters that a terminal would obey."""
    text = data.decode(errors="replace")
    return text if text.isprintable() else "".join(character for character in text if character.isprintable())


@dataclass(frozen=True)
class Field:
    """A field of a message, as its annotation says."""

    name: str
    kind: Kind
    values: type[IntEnum | IntFlag] | None
    """The enumeration of what it may hold: one of its values or, of a flag enumeration, any sum of them."""
    meaning: str


@dataclass(frozen=True)
class Message:
    """Base of all messages."""

    TYPE: ClassVar[int]

    def pack(self) -> bytes:
        """The payload."""
        out = bytearray()
        for field in layout(type(self)):
            value = getattr(self, field.name)
            if field.kind.number:
                out += struct.pack(field.kind.number, value)
            elif field.kind.name == "text":
                text = value.encode()
                out += bytes([len(text)]) + text
            else:
                out += value
        return bytes(out)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Raises :class:`BadMessageError` unless ``payload`` is exactly such a message."""
        values: list[Any] = []
        at = 0

        def take(count: int) -> bytes:
            nonlocal at
            if count > len(payload) - at:
                raise BadMessageError(f"{cls.__name__}: {len(payload)} bytes are too few")
            at += count
            return payload[at - count : at]

        for field in layout(cls):
            kind = field.kind
            if kind.number:
                values.append(struct.unpack(kind.number, take(struct.calcsize(kind.number)))[0])
            elif kind.name == "text":
                values.append(printable(take(take(1)[0])))
            else:
                values.append(take(kind.size or len(payload) - at))
        if at != len(payload):
            raise BadMessageError(f"{cls.__name__}: {len(payload) - at} bytes too many")
        return cls(*values)


def layout(message: type[Message]) -> tuple[Field, ...]:
    """The fields of ``message`` in the order of their bytes."""
    return _layout(cast(Hashable, message))  # mypy takes the hash of a message's class for that of a message


@cache
def _layout(message: Any) -> tuple[Field, ...]:
    hints = get_type_hints(message, include_extras=True)
    found = []
    for field in fields(message):
        notes: tuple[Any, ...] = hints[field.name].__metadata__
        (kind,) = (note for note in notes if isinstance(note, Kind))
        values = next((note for note in notes if isinstance(note, type)), None)
        meaning = next((note for note in notes if isinstance(note, str)), "")
        found.append(Field(field.name, kind, values, meaning))
    return tuple(found)
