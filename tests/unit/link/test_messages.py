"""Messages: what is packed is unpacked, what is malformed is refused, and the C++ side has the same numbers."""

from __future__ import annotations

import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vww_deploy.link import messages as m
from vww_deploy.resources import firmware_dir

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
@pytest.mark.parametrize("message", m.MESSAGES, ids=lambda message: message.__name__)
def test_round_trip(message: type[m.Message], data: st.DataObject) -> None:
    sent = message(*(data.draw(values_of(kind)) for kind in message.LAYOUT))
    assert message.unpack(sent.pack()) == sent


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_a_text_from_the_wire_commands_no_terminal(text: str) -> None:
    sent = bytes([1, len(text)]) + text.encode()
    assert m.Refused.unpack(sent) == m.Refused(1, "".join(c for c in text if " " <= c <= "~"))


@pytest.mark.parametrize("message", m.MESSAGES, ids=lambda message: message.__name__)
def test_layouts_name_every_field(message: type[m.Message]) -> None:
    assert len(message.LAYOUT) == len(fields(message))
    assert [kind for kind in message.LAYOUT[:-1] if kind == "rest"] == []


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
    assert "0x83 Result session:u32 id:u32 status:u8 ticks:u64 outputs:rest" in text
    assert "Clock INSTRUCTIONS=0 CYCLES=1 MICROS=2" in text


def test_the_cpp_header_is_what_the_declarations_say() -> None:
    header = (firmware_dir() / "lib/vww_link/src/vww_messages.h").read_text()
    assert header == m.cpp_header(), "run `python -m vww_deploy.link.messages`"


def test_the_cpp_header_is_formatted_and_compiles(tmp_path: Path) -> None:
    path = tmp_path / "messages.cpp"
    path.write_text(m.cpp_header().replace("#pragma once\n", "") + "int main() { return vww::kHello - 1; }\n")
    subprocess.run(
        ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-o", str(tmp_path / "a"), str(path)], check=True
    )
    assert subprocess.run([str(tmp_path / "a")], check=False).returncode == 0
