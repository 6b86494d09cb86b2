"""What is made from the message records: the C++ structs, the tables of docs/protocol.md, the golden vectors.

``python -m vww_deploy.link.codegen`` writes them into a checkout; a test says when they are out of date.
"""

from __future__ import annotations

import json
import struct
import textwrap
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any, Final

from vww_deploy.link.messages import ENUMS, MESSAGES, SCHEMA_HASH
from vww_deploy.link.schema import Field, Message, layout
from vww_deploy.resources import firmware_dir

_LINE: Final = 120  # columns of a line of C++

BEGIN: Final = "<!-- written by `python -m vww_deploy.link.codegen`: begin -->\n"
END: Final = "<!-- written by `python -m vww_deploy.link.codegen`: end -->\n"


def cpp_header() -> str:
    """``vww_messages.h``: the numbers, and a struct with ``pack`` and ``unpack`` for each message."""
    lines = [
        "// Written by `python -m vww_deploy.link.codegen` from vww_deploy/link/messages.py.",
        "#pragma once",
        "",
        "#include <cstddef>",
        "#include <cstdint>",
        "",
        '#include "vww_bytes.h"',
        "",
        "namespace vww {",
        "",
        f"constexpr uint32_t kSchemaHash = {SCHEMA_HASH:#010x};",
        "",
        "enum MessageType : uint8_t {",
        *(f"  k{message.__name__} = {message.TYPE:#04x}," for message in MESSAGES),
        "};",
    ]
    for enum in ENUMS:
        values = ", ".join(f"{_constant(value)} = {value.value}" for value in enum)
        lines += ["", f"namespace {enum.__name__.lower()} {{", f"enum : uint8_t {{ {values} }};", "}"]
    lines += [
        "",
        "/// The messages as structs. Text and bytes that were unpacked lie in the payload: they live as long as it.",
    ]
    lines += ["namespace message {"]
    for message in MESSAGES:
        lines += ["", *_struct(message)]
    return "\n".join([*lines, "", "}  // namespace message", "", "}  // namespace vww", ""])


def _constant(value: IntEnum | IntFlag) -> str:
    return "k" + "".join(part.capitalize() for part in (value.name or "").split("_"))


def _comment(text: str, indent: str = "") -> list[str]:
    text = " ".join(text.replace("``", "`").split())
    return textwrap.wrap(text, _LINE, initial_indent=f"{indent}/// ", subsequent_indent=f"{indent}/// ")


def _struct(message: type[Message]) -> Iterator[str]:
    fields = layout(message)
    yield from _comment(message.__doc__ or "")
    yield f"struct {message.__name__} {{"
    yield f"  static constexpr uint8_t kType = {message.TYPE:#04x};"
    if fields and fields[-1].kind.name == "rest":
        head = sum(struct.calcsize(field.kind.number) for field in fields[:-1])
        yield f"  /// Bytes before `{fields[-1].name}`."
        yield f"  static constexpr size_t kHeadBytes = {head};"
    yield ""
    for field in fields:
        said = f"a value of {field.values.__name__.lower()}::" if field.values else ""
        if meaning := "; ".join(filter(None, (said, field.meaning))):
            yield from _comment(meaning, "  ")
        if field.kind.size:
            yield f"  /// {field.kind.size} bytes."
        yield f"  {field.kind.cpp} {field.name};"
    if not fields:
        yield "  void pack(ByteWriter&) const {}"
        yield "  /// False unless the payload is exactly such a message."
        yield "  bool unpack(const uint8_t*, size_t size) { return size == 0; }"
        yield "};"
        return
    yield ""
    written = [f"out.{_method(field)}({_arguments(field)});" for field in fields]
    if len(written) == 1:
        yield f"  void pack(ByteWriter& out) const {{ {written[0]} }}"
    else:
        yield "  void pack(ByteWriter& out) const {"
        yield from (f"    {statement}" for statement in written)
        yield "  }"
    yield "  /// False unless the payload is exactly such a message."
    yield "  bool unpack(const uint8_t* payload, size_t size) {"
    yield "    ByteReader in(payload, size);"
    for field in fields:
        method = "rest" if field.kind.name == "rest" else _method(field)
        yield f"    {field.name} = in.{method}({field.kind.size or ''});"
    yield "    return in.done();"
    yield "  }"
    yield "};"


def _arguments(field: Field) -> str:
    """Of the ``ByteWriter``'s method."""
    if field.kind.name == "rest":
        return f"{field.name}.data, {field.name}.size"
    return f"{field.name}, {field.kind.size}" if field.kind.size else field.name


def _method(field: Field) -> str:
    """Of ``ByteWriter`` and ``ByteReader``."""
    return field.kind.name if field.kind.number or field.kind.name == "text" else "bytes"


def protocol_tables() -> str:
    """The tables of docs/protocol.md, with the lines that they stand between."""
    lines = ["| type | message | payload | meaning |", "|---|---|---|---|"]
    for message in MESSAGES:
        payload = ", ".join(f"{field.name} {field.kind.name}" for field in layout(message))
        meaning = [" ".join((message.__doc__ or "").replace("``", "*").split())]
        for field in layout(message):
            values = f"a value of {field.values.__name__}" if field.values else ""
            said = "; ".join(filter(None, (values, field.meaning)))
            meaning += [f"*{field.name}*: {said}."] if said else []
        lines.append(f"| {message.TYPE:02X} | {message.__name__} | {payload} | {' '.join(meaning)} |")
    lines += ["", "| enumeration | values | |", "|---|---|---|"]
    for enum in ENUMS:
        kind = "any sum of " if issubclass(enum, IntFlag) else ""
        values = ", ".join(f"{value.value} {(value.name or '').lower()}" for value in enum)
        lines.append(f"| {enum.__name__} | {kind}{values} | {enum.__doc__} |")
    return BEGIN + "\n" + "\n".join(lines) + "\n\n" + END


def golden_vectors() -> list[dict[str, Any]]:
    """Cases for both languages: a message, its fields (bytes in hex) and its payload (hex)."""
    cases = []
    for message in MESSAGES:
        for name, values in (
            ("counting", _counting(message)),
            ("zeros", _zeros(message)),
            ("largest", _largest(message)),
        ):
            if not layout(message) and name != "zeros":
                continue
            fields = {key: value.hex() if isinstance(value, bytes) else value for key, value in values.items()}
            payload = message(**values).pack().hex()
            cases.append({"message": message.__name__, "name": name, "fields": fields, "payload": payload})
    return cases


def _counting(message: type[Message]) -> dict[str, Any]:
    """No two bytes alike, so that one that lands in another's place is seen."""
    values: dict[str, Any] = {}
    at = 1
    for field in layout(message):
        size = struct.calcsize(field.kind.number) if field.kind.number else field.kind.size or 5
        some = bytes((at + i) & 0xFF for i in range(size))
        at += size
        if field.kind.name == "text":
            values[field.name] = f"text{len(values)}"
        elif field.kind.name == "f32":
            values[field.name] = len(values) + 0.5
        elif field.kind.number:
            values[field.name] = struct.unpack(field.kind.number, some)[0]
        else:
            values[field.name] = some
    return values


def _zeros(message: type[Message]) -> dict[str, Any]:
    def zero(field: Field) -> Any:
        if field.kind.name == "text":
            return ""
        if field.kind.number:
            return struct.unpack(field.kind.number, bytes(struct.calcsize(field.kind.number)))[0]
        return bytes(field.kind.size)

    return {field.name: zero(field) for field in layout(message)}


def _largest(message: type[Message]) -> dict[str, Any]:
    def largest(field: Field) -> Any:
        if field.kind.name == "text":
            return "x" * 255
        if field.kind.name == "f32":
            return -(2.0**-126)
        if field.kind.name == "i32":
            return -(2**31)
        if field.kind.number:
            return 256 ** struct.calcsize(field.kind.number) - 1
        return b"\xff" * (field.kind.size or 400)

    return {field.name: largest(field) for field in layout(message)}


def outputs() -> dict[Path, str]:
    """Each file of a checkout that is made from the records, and what it must hold."""
    root = firmware_dir().parent
    protocol = root / "docs" / "protocol.md"
    before, _, rest = protocol.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    cases = ",\n".join(json.dumps(case) for case in golden_vectors())
    return {
        firmware_dir() / "lib" / "vww_link" / "src" / "vww_messages.h": cpp_header(),
        protocol: before + protocol_tables() + after,
        root / "tests" / "golden" / "messages.json": f"[\n{cases}\n]\n",
    }


if __name__ == "__main__":
    for path, content in outputs().items():
        path.write_text(content)
