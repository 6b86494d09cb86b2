"""The frame codec against the golden table, and against streams that nobody thought of."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vww_deploy.link.frames import Broken, Decoder, Event, Frame, FrameFault, Text, encode_frame

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "golden" / "frames.json").read_text())


def as_golden(events: list[Event]) -> list[list[Any]]:
    """Events as the table writes them, neighbouring text joined."""
    out: list[list[Any]] = []
    for event in events:
        if isinstance(event, Frame):
            out.append(["frame", event.version, event.type, event.sequence, event.payload.hex()])
        elif isinstance(event, Broken):
            out.append([event.fault.value])
        elif out and out[-1][0] == "text":
            out[-1][1] += event.data.hex()
        else:
            out.append(["text", event.data.hex()])
    return out


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_golden_decoding(case: dict[str, Any]) -> None:
    wire = bytes.fromhex(case["wire"])
    assert as_golden(list(Decoder(512).feed(wire))) == case["events"]


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_pieces_of_any_size_give_the_same_events(case: dict[str, Any]) -> None:
    decoder = Decoder(512)
    events = [event for byte in bytes.fromhex(case["wire"]) for event in decoder.feed(bytes([byte]))]
    assert as_golden(events) == case["events"]


@pytest.mark.parametrize("case", [c for c in GOLDEN if "encode" in c], ids=lambda case: case["name"])
def test_golden_encoding(case: dict[str, Any]) -> None:
    message_type, sequence, payload = case["encode"]
    assert encode_frame(message_type, sequence, bytes.fromhex(payload)).hex() == case["wire"]


@given(st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=1100))
def test_what_is_encoded_is_decoded(message_type: int, sequence: int, payload: bytes) -> None:
    wire = encode_frame(message_type, sequence, payload)
    assert wire[0] == wire[-1] == 0 and 0 not in wire[1:-1]
    assert list(Decoder().feed(wire)) == [Frame(1, message_type, sequence, payload)]


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_garbage_costs_at_most_the_next_frame(garbage: bytes, payload: bytes) -> None:
    frame = encode_frame(2, 7, payload)
    events = list(Decoder().feed(garbage + frame + frame))
    assert events.count(Frame(1, 2, 7, payload)) >= 1


@given(st.binary(max_size=60), st.integers(0, 10_000))
def test_a_damaged_byte_never_yields_another_frame(payload: bytes, where: int) -> None:
    wire = bytearray(encode_frame(3, 9, payload))
    wire[where % len(wire)] ^= 0x55
    frames = [event for event in Decoder().feed(bytes(wire) + b"\0") if isinstance(event, Frame)]
    assert frames in ([], [Frame(1, 3, 9, payload)])


def test_memory_is_bounded() -> None:
    decoder = Decoder(512)
    events = [event for _ in range(1000) for event in decoder.feed(b"\x01\xff" * 512) if not isinstance(event, Text)]
    assert not events
    assert list(decoder.feed(b"\0" + b"\x01" * 100_000)) == [Broken(FrameFault.TOO_LONG)]
    assert len(decoder._buffer) == 0


def test_the_crc_is_zlibs() -> None:
    wire = encode_frame(1, 2, b"\xff\xfe")
    body = struct.pack("<BBH", 1, 1, 2) + b"\xff\xfe"
    # 1 1 2 | 0 | ff fe CRC, in COBS: 04 01 01 02, 07 ff fe and the CRC, which has no zero byte here.
    assert wire == b"\0\x04\x01\x01\x02\x07\xff\xfe" + struct.pack("<I", zlib.crc32(body)) + b"\0"
