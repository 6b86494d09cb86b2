"""Messages: what is packed is unpacked, what is malformed is refused, and both languages have the same bytes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vww_deploy.link import codegen
from vww_deploy.link import messages as m
from vww_deploy.link.schema import Field, layout
from vww_deploy.resources import firmware_dir

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "golden" / "messages.json").read_text())
BY_NAME = {message.__name__: message for message in m.MESSAGES}

_VALUES = {
    "u8": st.integers(0, 255),
    "u16": st.integers(0, 2**16 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "i32": st.integers(-(2**31), 2**31 - 1),
    "f32": st.floats(width=32, allow_nan=False),
    "text": st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40),
    "rest": st.binary(max_size=100),
}


def values_of(kind: str) -> st.SearchStrategy[object]:
    if kind.startswith("bytes"):
        size = int(kind.removeprefix("bytes"))
        return st.binary(min_size=size, max_size=size)
    return _VALUES[kind]


@given(st.data())
@settings(deadline=None)  # a busy machine is no fault of a message
@pytest.mark.parametrize("message", m.MESSAGES, ids=lambda message: message.__name__)
def test_round_trip(message: type[m.Message], data: st.DataObject) -> None:
    sent = message(*(data.draw(values_of(field.kind.name)) for field in layout(message)))
    assert message.unpack(sent.pack()) == sent


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_a_text_from_the_wire_commands_no_terminal(text: str) -> None:
    sent = bytes([1, len(text)]) + text.encode()
    assert m.Refused.unpack(sent) == m.Refused(1, "".join(c for c in text if " " <= c <= "~"))


@pytest.mark.parametrize("message", m.MESSAGES, ids=lambda message: message.__name__)
def test_only_the_last_field_has_no_length(message: type[m.Message]) -> None:
    assert "rest" not in [field.kind.name for field in layout(message)[:-1]]


def test_types_are_unique_and_answers_have_the_top_bit() -> None:
    assert len(m.BY_TYPE) == len(m.MESSAGES)


@given(st.sampled_from(m.MESSAGES), st.binary(max_size=120))
def test_any_bytes_are_a_message_or_refused(message: type[m.Message], payload: bytes) -> None:
    try:
        assert isinstance(message.unpack(payload), message)
    except m.BadMessageError as error:
        assert message.__name__ in str(error)


def test_one_byte_too_many_is_refused() -> None:
    with pytest.raises(m.BadMessageError, match="1 bytes too many"):
        m.ResetDone.unpack(m.ResetDone(5).pack() + b"\0")


def test_the_schema_hash_sees_every_change() -> None:
    text = m.schema_text()
    assert "0x83 Result session:u32 id:u32 status:u8=Status ticks:u64 outputs:rest" in text
    assert "Clock INSTRUCTIONS=0 CYCLES=1 MICROS=2" in text


@pytest.mark.parametrize("path", codegen.outputs(), ids=lambda path: path.name)
def test_what_is_made_from_the_records_is_up_to_date(path: Path) -> None:
    assert path.read_text() == codegen.outputs()[path], "run `python -m vww_deploy.link.codegen`"


# -- the golden vectors -----------------------------------------------------------------------------------------------


def test_every_message_is_in_the_golden_vectors() -> None:
    assert {case["message"] for case in GOLDEN} == set(BY_NAME)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['message']}-{case['name']}")
def test_golden_vectors(case: dict[str, Any]) -> None:
    message = BY_NAME[case["message"]]
    values = {
        field.name: bytes.fromhex(case["fields"][field.name])
        if field.kind.name.startswith(("rest", "bytes"))
        else case["fields"][field.name]
        for field in layout(message)
    }
    assert message(**values).pack().hex() == case["payload"]
    assert message.unpack(bytes.fromhex(case["payload"])) == message(**values)


def cpp_array(data: bytes) -> str:
    return "{" + ",".join(map(str, data or b"\0")) + "}"


def cpp_check(field: Field, value: Any) -> str:
    """That ``said.NAME`` holds ``value``."""
    name = f"said.{field.name}"
    if field.kind.name == "text":
        return f"{name}.size == {len(value)} && memcmp({name}.data, {json.dumps(value)}, {len(value)}) == 0"
    if field.kind.name == "f32":
        return f"{name} == {value.hex()}f"
    if field.kind.number:
        return f"{name} == static_cast<{field.kind.cpp}>({value}{'u' if value >= 0 else ''}ll)"
    data = bytes.fromhex(value)
    size, where = f"{name}.size == {len(data)}", f"{name}.data"
    if field.kind.size:
        size, where = "true", name
    escaped = "".join(f"\\{byte:03o}" for byte in data)
    return f'{size} && memcmp({where}, "{escaped}", {len(data)}) == 0'


def cpp_case(case: dict[str, Any]) -> Iterator[str]:
    """A golden vector as C++: unpacked, compared, packed again; a byte less, a byte more, a buffer too small."""
    message, payload = BY_NAME[case["message"]], bytes.fromhex(case["payload"])
    size, open_end = len(payload), bool(layout(message)) and layout(message)[-1].kind.name == "rest"
    yield f'  case_name = "{case["message"]} {case["name"]}";'
    yield "  {"
    yield f"    static const uint8_t wire[{size + 1}] = {cpp_array(payload + bytes(1))};"
    yield f"    vww::message::{case['message']} said{{}};"
    yield f"    CHECK(said.kType == {message.TYPE} && said.unpack(wire, {size}));"
    for field in layout(message):
        yield f"    CHECK({cpp_check(field, case['fields'][field.name])});"
    yield f"    vww::ByteWriter out(buffer, sizeof(buffer)), narrow(buffer + {size}, {max(0, size - 1)});"
    yield f"    said.pack(out); CHECK(out.ok() && out.size() == {size} && memcmp(buffer, wire, {size}) == 0);"
    if size:
        yield "    said.pack(narrow); CHECK(!narrow.ok());"
    least = "head" if open_end else str(size)
    if open_end:
        yield "    [[maybe_unused]] const size_t head = said.kHeadBytes;"
    if size:
        yield f"    for (size_t i = 0; i < {least}; i++) CHECK(!said.unpack(wire, i));"
    yield f"    CHECK(said.unpack(wire, {size + 1}) == {str(open_end).lower()});"
    yield "  }"


def test_the_cpp_structs_have_the_same_bytes(tmp_path: Path) -> None:
    lines = [
        "#include <cstdio>\n#include <cstring>\n#include <vww_messages.h>",
        "static uint8_t buffer[4096]; static const char* case_name; static int failures;",
        '#define CHECK(what) if (!(what)) { failures++; printf("%s: %s\\n", case_name, #what); }',
        "int main() {",
        *(line for case in GOLDEN for line in cpp_case(case)),
        "  return failures != 0;\n}",
    ]
    source, program = tmp_path / "golden.cpp", tmp_path / "golden"
    source.write_text("\n".join(lines))
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    include = firmware_dir() / "lib" / "vww_link" / "src"
    subprocess.run(["g++", *flags, f"-I{include}", "-o", str(program), str(source)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
