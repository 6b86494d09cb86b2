"""Frames: COBS between zero bytes, a header, CRC-32; text may stand between them (docs/protocol.md, "Frames").

No I/O: bytes in, events out. ``firmware/lib/vww_link/src/vww_frame.cpp`` is the same in C++, and
``tests/golden/frames.json`` holds both to it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cobs import cobs

PROTOCOL_VERSION: Final = 1
HEADER: Final = struct.Struct("<BBH")
CRC: Final = struct.Struct("<I")

# The longest frame between its zeros that the decoder keeps; the device's are far shorter.
MAX_ENCODED_BYTES: Final = 8192

_NO_TEXT: Final = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D})


@dataclass(frozen=True)
class Frame:
    """A whole frame whose CRC is right; ``payload`` is not looked at yet."""

    version: int
    type: int
    sequence: int
    payload: bytes


@dataclass(frozen=True)
class Text:
    """Console bytes that came between frames, in the pieces they came in."""

    data: bytes


class FrameFault(Enum):
    """Why bytes between two zeros are no frame."""

    TOO_LONG = "too long"
    BROKEN = "broken"
    BAD_CRC = "bad crc"


@dataclass(frozen=True)
class Broken:
    """Bytes between two zeros that are no frame; they are dropped."""

    fault: FrameFault


Event = Frame | Text | Broken


def encode_frame(message_type: int, sequence: int, payload: bytes, version: int = PROTOCOL_VERSION) -> bytes:
    """The bytes on the wire, with the leading and the closing zero."""
    body = HEADER.pack(version, message_type, sequence) + payload
    encoded: bytes = cobs.encode(body + CRC.pack(zlib.crc32(body)))
    return b"\0" + encoded + b"\0"


class Decoder:
    """Splits the byte stream. After a broken frame it is in step again at the next zero byte."""

    def __init__(self, max_encoded_bytes: int = MAX_ENCODED_BYTES) -> None:
        self._limit = max_encoded_bytes
        self._buffer = bytearray()
        self._in_frame = False
        self._overflown = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that ``data`` completes, in order."""
        while data:
            zero = data.find(0)
            piece, closed = (data, False) if zero < 0 else (data[:zero], True)
            data = b"" if zero < 0 else data[zero + 1 :]
            if not self._in_frame:
                if text := piece.translate(None, _NO_TEXT):
                    yield Text(text)
                self._in_frame = closed
                continue
            if not self._overflown:
                self._buffer += piece
                if len(self._buffer) > self._limit:
                    self._overflown = True
                    self._buffer.clear()
                    yield Broken(FrameFault.TOO_LONG)
            if closed and (self._buffer or self._overflown):
                yield from self._close()

    def _close(self) -> Iterator[Event]:
        """A zero after some bytes. When they are no frame, this zero may be the one that begins the next."""
        raw, overflown = bytes(self._buffer), self._overflown
        self._buffer.clear()
        self._overflown = False
        if overflown:
            return
        if raw.translate(None, _NO_TEXT) == raw:
            # Text that a stray zero byte made look like a frame. No frame is printable: its header holds the version.
            yield Text(raw)
            return
        try:
            decoded = cobs.decode(raw)
        except cobs.DecodeError:
            yield Broken(FrameFault.BROKEN)
            return
        if len(decoded) < HEADER.size + CRC.size:
            yield Broken(FrameFault.BROKEN)
            return
        body, crc = decoded[: -CRC.size], CRC.unpack(decoded[-CRC.size :])[0]
        if zlib.crc32(body) != crc:
            yield Broken(FrameFault.BAD_CRC)
            return
        self._in_frame = False
        version, message_type, sequence = HEADER.unpack(body[: HEADER.size])
        yield Frame(version, message_type, sequence, body[HEADER.size :])
