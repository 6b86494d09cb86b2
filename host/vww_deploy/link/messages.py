"""The messages: each one's number and fields, declared once (docs/protocol.md, "Messages").

``python -m vww_deploy.link.messages`` writes the numbers and the schema hash for the C++ side,
``firmware/lib/vww_link/src/vww_messages.h``. All numbers are little-endian. A request is answered by the response whose
type is the request's with the top bit set and whose sequence number is the request's.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import Any, ClassVar, Final, Self

from vww_deploy.link.frames import PROTOCOL_VERSION

_NUMBERS: Final = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "i32": "<i", "f32": "<f"}


def printable(data: bytes | bytearray) -> str:
    """A board's text without the control characters that a terminal would obey."""
    text = data.decode(errors="replace")
    return text if text.isprintable() else "".join(character for character in text if character.isprintable())


class BadMessageError(ValueError):
    """A payload that is too short, too long or holds a value that its message does not know."""


class Clock(IntEnum):
    """What the device's ticks count."""

    INSTRUCTIONS = 0
    CYCLES = 1
    MICROS = 2


class Feature(IntFlag):
    """What a firmware can do beyond the least."""

    STAGED_INPUT = 1  # a second input buffer: the next picture may be uploaded while this one is inferred
    LAYERS = 2  # layer digests and layer ticks
    FRAMES = 4  # camera frames: preprocessed on the device, from the host or from a camera of its own


class Status(IntEnum):
    """How an inference ended."""

    OK = 0
    NO_INPUT = 1  # the picture of this id is not, or not wholly, on the device: upload it (again)
    BAD_INPUT = 2  # the picture's CRC is not the one that the host gave: upload it again


class InferFlag(IntFlag):
    """What an inference keeps besides its result."""

    DIGESTS = 1
    TICKS = 2


class LayerKind(IntEnum):
    """What a LAYERS message asks for."""

    DIGESTS = 0
    TICKS = 1


class ErrorCode(IntEnum):
    """Why a request was refused."""

    VERSION = 1
    UNKNOWN = 2
    MALFORMED = 3
    BUSY = 4  # the camera is live; stop it first


class CameraStatus(IntEnum):
    """What came of opening the camera or of asking it for a frame."""

    OK = 0
    NO_CAMERA = 1
    UNSUPPORTED = 2
    NO_FRAME = 3
    TORN = 4
    WAITING = 5


class FrameKind(IntFlag):
    """Frames of a shot that the device keeps until the host has read them."""

    MODEL = 1  # what the model saw: its int8 input
    RAW = 2  # what the camera gave


@dataclass(frozen=True)
class Message:
    """Base of all messages. ``LAYOUT`` gives the kind of each field, in the order of the fields and of the bytes."""

    TYPE: ClassVar[int]
    LAYOUT: ClassVar[tuple[str, ...]]

    def pack(self) -> bytes:
        """The payload."""
        out = bytearray()
        for value, kind in zip(vars(self).values(), self.LAYOUT, strict=True):
            if kind in _NUMBERS:
                out += struct.pack(_NUMBERS[kind], value)
            elif kind == "text":
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

        for kind in cls.LAYOUT:
            if kind in _NUMBERS:
                values.append(struct.unpack(_NUMBERS[kind], take(struct.calcsize(_NUMBERS[kind])))[0])
            elif kind == "text":
                values.append(printable(take(take(1)[0])))
            elif kind == "rest":
                values.append(take(len(payload) - at))
            else:
                values.append(take(int(kind.removeprefix("bytes"))))
        if at != len(payload):
            raise BadMessageError(f"{cls.__name__}: {len(payload) - at} bytes too many")
        return cls(*values)


@dataclass(frozen=True)
class Hello(Message):
    """The first request. ``session`` is any number; the device gives it back until it restarts, when it becomes 0."""

    TYPE = 0x01
    LAYOUT = ("u8", "u32", "u32")
    version: int
    schema: int
    session: int


@dataclass(frozen=True)
class Info(Message):
    """Answers Hello. The first three fields stay where they are in every protocol version."""

    TYPE = 0x81
    LAYOUT = (
        *("u8", "u32", "u32", "text", "text", "bytes32", "u16", "u16", "u16"),
        *("f32", "i32", "u16", "f32", "i32", "u8", "u32", "u16", "u8", "u16", "u32"),
    )
    version: int
    schema: int
    session: int
    firmware: str
    board: str
    model_sha256: bytes
    height: int
    width: int
    channels: int
    input_scale: float
    input_zero_point: int
    outputs: int
    output_scale: float
    output_zero_point: int
    clock: int
    clock_hz: int
    chunk: int
    window: int
    layers: int
    features: int


@dataclass(frozen=True)
class Write(Message):
    """A piece of the picture of inference ``id``, from byte ``offset`` on. Repeated, it changes nothing."""

    TYPE = 0x02
    LAYOUT = ("u32", "u32", "rest")
    id: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Ack(Message):
    """Answers Write: of picture ``id`` the first ``received`` bytes are there; go on from that offset."""

    TYPE = 0x82
    LAYOUT = ("u32", "u32", "u32")
    session: int
    id: int
    received: int


@dataclass(frozen=True)
class Infer(Message):
    """Runs the model on picture ``id``, whose CRC-32 is ``crc``. Asked again, the kept result is sent."""

    TYPE = 0x03
    LAYOUT = ("u32", "u32", "u8")
    id: int
    crc: int
    flags: int


@dataclass(frozen=True)
class Result(Message):
    """Answers Infer. ``ticks`` of Info's clock were spent in the engine, transfers and interrupts not counted."""

    TYPE = 0x83
    LAYOUT = ("u32", "u32", "u8", "u64", "rest")
    session: int
    id: int
    status: int
    ticks: int
    outputs: bytes


@dataclass(frozen=True)
class Layers(Message):
    """Asks for what inference ``id`` kept of its layers, from layer ``first`` on."""

    TYPE = 0x04
    LAYOUT = ("u32", "u8", "u16")
    id: int
    kind: int
    first: int


@dataclass(frozen=True)
class Values(Message):
    """Answers Layers: u32 values of layers ``first``, ``first`` + 1, ... of ``total``; 0 when they are not kept."""

    TYPE = 0x84
    LAYOUT = ("u32", "u32", "u8", "u16", "u16", "rest")
    session: int
    id: int
    kind: int
    first: int
    total: int
    values: bytes


@dataclass(frozen=True)
class GetStats(Message):
    """Asks for the device's counters."""

    TYPE = 0x05
    LAYOUT = ()


@dataclass(frozen=True)
class Stats(Message):
    """Answers GetStats: counters since the device started."""

    TYPE = 0x85
    LAYOUT = ("u32",) * 9
    session: int
    uptime_ms: int
    inferences: int
    frames: int  # whole frames received
    bad_frames: int  # received with a wrong CRC, no COBS, or too long
    repeats: int  # requests answered from what was kept
    abandoned: int  # frames that stopped coming in the middle
    dropped_bytes: int  # not sent, because nobody read
    console_lines: int


@dataclass(frozen=True)
class Reset(Message):
    """Asks the device to restart after its answer."""

    TYPE = 0x06
    LAYOUT = ()


@dataclass(frozen=True)
class ResetDone(Message):
    """Answers Reset; the device restarts right after it."""

    TYPE = 0x86
    LAYOUT = ("u32",)
    session: int


@dataclass(frozen=True)
class Prepare(Message):
    """How camera frames become the model's input: crop or squash, and the int8 value of each pixel value."""

    TYPE = 0x07
    LAYOUT = ("u8", "bytes256")
    crop: int
    table: bytes


@dataclass(frozen=True)
class Prepared(Message):
    """Answers Prepare."""

    TYPE = 0x87
    LAYOUT = ("u32",)
    session: int


@dataclass(frozen=True)
class BeginFrame(Message):
    """Picture ``id`` is written as a camera frame, which the device preprocesses as it comes.

    Infer's CRC is the frame's.
    """

    TYPE = 0x08
    LAYOUT = ("u32", "u16", "u16", "u8")
    id: int
    width: int
    height: int
    pixels: int


@dataclass(frozen=True)
class FrameBegun(Message):
    """Answers BeginFrame: ``total`` bytes are to be written; 0 when there is no such format."""

    TYPE = 0x88
    LAYOUT = ("u32", "u32", "u32")
    session: int
    id: int
    total: int


@dataclass(frozen=True)
class OpenCamera(Message):
    """Looks for the device's camera and sets it up; ends the live mode.

    ``opening`` is any number: one that was answered already is answered alike, and the camera is not set up again.
    """

    TYPE = 0x10
    LAYOUT = ("u32", "u16", "u16", "u8", "u8")
    opening: int
    width: int
    height: int
    pixels: int
    pattern: int


@dataclass(frozen=True)
class CameraOpened(Message):
    """Answers OpenCamera. Frames of both kinds can be kept if they have ``room`` bytes together."""

    TYPE = 0x90
    LAYOUT = ("u32", "u32", "u8", "u32", "text")
    session: int
    opening: int
    status: int
    room: int
    name: str


@dataclass(frozen=True)
class Live(Message):
    """Starts or ends the live mode: a shot every ``interval_ms`` at most, its frames kept as ``keep`` says."""

    TYPE = 0x11
    LAYOUT = ("u8", "u32", "u8")
    run: int
    interval_ms: int
    keep: int


@dataclass(frozen=True)
class LiveSet(Message):
    """Answers Live: what is so now. ``keep`` is less than was asked for where the frames have no room."""

    TYPE = 0x91
    LAYOUT = ("u32", "u8", "u8")
    session: int
    run: int
    keep: int


@dataclass(frozen=True)
class Poll(Message):
    """Asks for shot ``number``, 0 for the newest; kept frames of shots up to ``release`` are not needed any more."""

    TYPE = 0x12
    LAYOUT = ("u32", "u32")
    number: int
    release: int


@dataclass(frozen=True)
class Shot(Message):
    """Answers Poll. ``number`` 0: there is none, or it is gone. Times are microseconds."""

    TYPE = 0x92
    LAYOUT = ("u32", "u32", "u32", "u8", "u8", "u32", "u32", "u32", "u32", "u32", "u32", "u64", "rest")
    session: int
    number: int
    held: int  # the shot whose frames are kept; 0 none
    run: int
    camera: int  # what came of the last request for a frame
    failures: int  # frames that did not come whole
    drops: int  # shots whose frames were wanted and not kept, because older ones were still being read
    capture_us: int
    preprocess_us: int
    inference_us: int
    transmit_us: int  # spent sending since the shot before began
    ticks: int
    outputs: bytes


@dataclass(frozen=True)
class ReadFrame(Message):
    """Asks for a piece of a kept frame of shot ``number``."""

    TYPE = 0x13
    LAYOUT = ("u32", "u8", "u32")
    number: int
    kind: int
    offset: int


@dataclass(frozen=True)
class FramePiece(Message):
    """Answers ReadFrame: bytes from ``offset`` on of ``total``; ``total`` 0 when the frame is not kept."""

    TYPE = 0x93
    LAYOUT = ("u32", "u32", "u8", "u32", "u32", "rest")
    session: int
    number: int
    kind: int
    total: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Refused(Message):
    """Answers a request that the device cannot take."""

    TYPE = 0xFF
    LAYOUT = ("u8", "text")
    code: int
    text: str


MESSAGES: Final[tuple[type[Message], ...]] = (
    *(Hello, Info, Write, Ack, Infer, Result, Layers, Values),
    *(GetStats, Stats, Reset, ResetDone, Prepare, Prepared, BeginFrame, FrameBegun),
    *(OpenCamera, CameraOpened, Live, LiveSet, Poll, Shot, ReadFrame, FramePiece, Refused),
)
BY_TYPE: Final = {message.TYPE: message for message in MESSAGES}
ENUMS: Final = (Clock, Feature, Status, InferFlag, LayerKind, ErrorCode, CameraStatus, FrameKind)


def schema_text() -> str:
    """Every message, field and value, in one canonical text."""
    lines = [f"protocol {PROTOCOL_VERSION}"]
    for message in MESSAGES:
        layout = " ".join(f"{f.name}:{kind}" for f, kind in zip(fields(message), message.LAYOUT, strict=True))
        lines.append(f"{message.TYPE:#04x} {message.__name__} {layout}".rstrip())
    lines += [f"{enum.__name__} " + " ".join(f"{v.name}={v.value}" for v in enum) for enum in ENUMS]
    return "\n".join(lines) + "\n"


SCHEMA_HASH: Final = zlib.crc32(schema_text().encode())


def cpp_header() -> str:
    """``vww_messages.h``: the numbers for the C++ side."""

    def name(text: str | None) -> str:
        return "k" + "".join(part.capitalize() for part in (text or "").split("_"))

    lines = [
        "// Written by `python -m vww_deploy.link.messages`; the messages are declared in vww_deploy/link/messages.py.",
        "#pragma once",
        "",
        "#include <cstdint>",
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
        values = ", ".join(f"{name(value.name)} = {value.value}" for value in enum)
        lines += ["", f"namespace {enum.__name__.lower()} {{", f"enum : uint8_t {{ {values} }};", "}"]
    return "\n".join([*lines, "", "}  // namespace vww", ""])


if __name__ == "__main__":
    from vww_deploy.resources import firmware_dir

    (firmware_dir() / "lib/vww_link/src/vww_messages.h").write_text(cpp_header())
