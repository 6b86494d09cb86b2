"""The messages: each one's number and fields, declared once.

``python -m vww_deploy.link.codegen`` makes of them the structs of ``firmware/lib/vww_link/src/vww_messages.h``, the
tables of docs/protocol.md and the golden vectors in tests/golden/messages.json. A request is answered by the response
whose type is the request's with the top bit set and whose sequence number is the request's.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Annotated, Final

from vww_deploy.link.frames import PROTOCOL_VERSION
from vww_deploy.link.schema import (
    F32,
    I32,
    U8,
    U16,
    U32,
    U64,
    BadMessageError,
    Bytes32,
    Bytes256,
    Message,
    Rest,
    Text,
    layout,
    printable,
)

__all__ = ["BadMessageError", "Message", "printable"]


class Clock(IntEnum):
    """What the device's ticks count."""

    INSTRUCTIONS = 0
    CYCLES = 1
    MICROS = 2


class Feature(IntFlag):
    """What a firmware can do beyond the least."""

    STAGED_INPUT = 1  # a second input buffer: the next picture may be uploaded while this one is inferred
    LAYERS = 2  # layer digests and layer ticks
    FRAMES = 4  # camera pictures: preprocessed on the device, from the host or from a camera of its own


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
    """Which values of the layers are asked for."""

    DIGESTS = 0
    TICKS = 1


class ErrorCode(IntEnum):
    """Why a request was refused."""

    VERSION = 1
    UNKNOWN = 2
    MALFORMED = 3
    BUSY = 4  # the camera is live; stop it first


class CameraStatus(IntEnum):
    """What came of opening the camera or of asking it for a picture."""

    OK = 0
    NO_CAMERA = 1
    UNSUPPORTED = 2
    NO_FRAME = 3
    TORN = 4
    WAITING = 5


class FrameKind(IntFlag):
    """Pictures of a shot that the device keeps until the host has read them."""

    MODEL = 1  # what the model saw: its int8 input
    RAW = 2  # what the camera gave


@dataclass(frozen=True)
class Hello(Message):
    """The first request."""

    TYPE = 0x01
    version: U8
    schema: U32
    session: Annotated[U32, "any number; the device gives it back until it restarts, when it becomes 0"]


@dataclass(frozen=True)
class Info(Message):
    """Answers Hello. The first three fields stay where they are in every protocol version."""

    TYPE = 0x81
    version: U8
    schema: U32
    session: U32
    firmware: Annotated[Text, "version of the firmware"]
    board: Text
    model_sha256: Bytes32
    height: U16
    width: U16
    channels: U16
    input_scale: F32
    input_zero_point: I32
    outputs: U16
    output_scale: F32
    output_zero_point: I32
    clock: Annotated[U8, Clock]
    clock_hz: U32
    chunk: Annotated[U16, "bytes of a picture that one Write may have"]
    window: Annotated[U8, "Writes that may be under way"]
    layers: U16
    features: Annotated[U32, Feature]


@dataclass(frozen=True)
class Write(Message):
    """A piece of the picture of inference ``id``, from byte ``offset`` on. Repeated, it changes nothing."""

    TYPE = 0x02
    id: U32
    offset: U32
    data: Rest


@dataclass(frozen=True)
class Ack(Message):
    """Answers Write."""

    TYPE = 0x82
    session: U32
    id: U32
    received: Annotated[U32, "bytes of the picture that are there without a hole: the offset to go on from"]


@dataclass(frozen=True)
class Infer(Message):
    """Runs the model on picture ``id``. Asked again, the kept result is sent."""

    TYPE = 0x03
    id: U32
    crc: Annotated[U32, "CRC-32 of the whole picture"]
    flags: Annotated[U8, InferFlag]


@dataclass(frozen=True)
class Result(Message):
    """Answers Infer."""

    TYPE = 0x83
    session: U32
    id: U32
    status: Annotated[U8, Status]
    ticks: Annotated[U64, "of Info's clock, spent in the engine: transfers and interrupts are not counted"]
    outputs: Annotated[Rest, "int8"]


@dataclass(frozen=True)
class Layers(Message):
    """Asks for what inference ``id`` kept of its layers, from layer ``first`` on."""

    TYPE = 0x04
    id: U32
    kind: Annotated[U8, LayerKind]
    first: U16


@dataclass(frozen=True)
class Values(Message):
    """Answers Layers."""

    TYPE = 0x84
    session: U32
    id: U32
    kind: Annotated[U8, LayerKind]
    first: U16
    total: Annotated[U16, "layers that there are; 0 when their values are not kept"]
    values: Annotated[Rest, "u32 each, of layers first, first + 1, ..."]


@dataclass(frozen=True)
class GetStats(Message):
    """Asks for the device's counters."""

    TYPE = 0x05


@dataclass(frozen=True)
class Stats(Message):
    """Answers GetStats: counters since the device started."""

    TYPE = 0x85
    session: U32
    uptime_ms: U32
    inferences: U32
    frames: Annotated[U32, "whole frames received"]
    bad_frames: Annotated[U32, "received with a wrong CRC, no COBS, or too long"]
    repeats: Annotated[U32, "requests answered from what was kept"]
    abandoned: Annotated[U32, "frames that stopped coming in the middle"]
    dropped_bytes: Annotated[U32, "not sent, because nobody read"]
    console_lines: U32


@dataclass(frozen=True)
class Reset(Message):
    """Asks the device to restart after its answer."""

    TYPE = 0x06


@dataclass(frozen=True)
class ResetDone(Message):
    """Answers Reset; the device restarts right after it."""

    TYPE = 0x86
    session: U32


@dataclass(frozen=True)
class Prepare(Message):
    """How camera pictures become the model's input."""

    TYPE = 0x07
    crop: Annotated[U8, "1: cut the largest centred part of the model's aspect ratio first; 0: squash"]
    table: Annotated[Bytes256, "the int8 value of each pixel value"]


@dataclass(frozen=True)
class Prepared(Message):
    """Answers Prepare."""

    TYPE = 0x87
    session: U32


@dataclass(frozen=True)
class BeginFrame(Message):
    """Picture ``id`` is written in a camera's format; the device preprocesses it as it comes.

    Infer's CRC is that of these bytes.
    """

    TYPE = 0x08
    id: U32
    width: U16
    height: U16
    pixels: Annotated[U8, "pixel format: 1 gray, 2 rgb565le, 3 rgb565be, 4 rgb888"]


@dataclass(frozen=True)
class FrameBegun(Message):
    """Answers BeginFrame."""

    TYPE = 0x88
    session: U32
    id: U32
    total: Annotated[U32, "bytes to write; 0 when there is no such format"]


@dataclass(frozen=True)
class OpenCamera(Message):
    """Looks for the device's camera and sets it up; ends the live mode."""

    TYPE = 0x10
    opening: Annotated[U32, "any number; one that was answered already is answered alike, without a new set-up"]
    width: U16
    height: U16
    pixels: Annotated[U8, "pixel format, as BeginFrame has it"]
    pattern: Annotated[U8, "the sensor's test pattern: 0 none, 1 walking one, 2 bars"]


@dataclass(frozen=True)
class CameraOpened(Message):
    """Answers OpenCamera."""

    TYPE = 0x90
    session: U32
    opening: U32
    status: Annotated[U8, CameraStatus]
    room: Annotated[U32, "bytes of pictures that can be kept, both kinds together"]
    name: Text


@dataclass(frozen=True)
class Live(Message):
    """Starts or ends the live mode."""

    TYPE = 0x11
    run: Annotated[U8, "1 start, 0 end"]
    interval_ms: Annotated[U32, "the least time from shot to shot"]
    keep: Annotated[U8, FrameKind]


@dataclass(frozen=True)
class LiveSet(Message):
    """Answers Live: what is so now."""

    TYPE = 0x91
    session: U32
    run: U8
    keep: Annotated[U8, FrameKind, "less than was asked for where the pictures have no room"]


@dataclass(frozen=True)
class Poll(Message):
    """Asks for a shot."""

    TYPE = 0x12
    number: Annotated[U32, "of the shot, 0 for the newest"]
    release: Annotated[U32, "kept pictures of shots up to this one are not needed any more"]


@dataclass(frozen=True)
class Shot(Message):
    """Answers Poll."""

    TYPE = 0x92
    session: U32
    number: Annotated[U32, "0: there is none, or it is gone"]
    held: Annotated[U32, "the shot whose pictures are kept; 0 none"]
    run: U8
    camera: Annotated[U8, CameraStatus, "what came of the last request for a picture"]
    failures: Annotated[U32, "pictures that did not come whole"]
    drops: Annotated[U32, "shots whose pictures were wanted and not kept: older ones were still being read"]
    capture_us: U32
    preprocess_us: U32
    inference_us: U32
    transmit_us: Annotated[U32, "spent sending since the shot before began"]
    ticks: Annotated[U64, "of Info's clock, spent in the engine"]
    outputs: Annotated[Rest, "int8"]


@dataclass(frozen=True)
class ReadFrame(Message):
    """Asks for a piece of a kept picture of shot ``number``."""

    TYPE = 0x13
    number: U32
    kind: Annotated[U8, FrameKind]
    offset: U32


@dataclass(frozen=True)
class FramePiece(Message):
    """Answers ReadFrame: bytes from ``offset`` on."""

    TYPE = 0x93
    session: U32
    number: U32
    kind: Annotated[U8, FrameKind]
    total: Annotated[U32, "bytes of the picture; 0 when it is not kept"]
    offset: U32
    data: Rest


@dataclass(frozen=True)
class Refused(Message):
    """Answers a request that the device cannot take."""

    TYPE = 0xFF
    code: Annotated[U8, ErrorCode]
    text: Text


MESSAGES: Final[tuple[type[Message], ...]] = (
    *(Hello, Info, Write, Ack, Infer, Result, Layers, Values),
    *(GetStats, Stats, Reset, ResetDone, Prepare, Prepared, BeginFrame, FrameBegun),
    *(OpenCamera, CameraOpened, Live, LiveSet, Poll, Shot, ReadFrame, FramePiece, Refused),
)
BY_TYPE: Final = {message.TYPE: message for message in MESSAGES}
ENUMS: Final[tuple[type[IntEnum | IntFlag], ...]] = (
    *(Clock, Feature, Status, InferFlag, LayerKind, ErrorCode, CameraStatus, FrameKind),
)


def schema_text() -> str:
    """Every message, field, kind and value, in one canonical text; names of values count, what they mean does not."""
    lines = [f"protocol {PROTOCOL_VERSION}"]
    for message in MESSAGES:
        words = [f"{message.TYPE:#04x} {message.__name__}"]
        for field in layout(message):
            values = f"={field.values.__name__}" if field.values else ""
            words.append(f"{field.name}:{field.kind.name}{values}")
        lines.append(" ".join(words))
    lines += [f"{enum.__name__} " + " ".join(f"{v.name}={v.value}" for v in enum) for enum in ENUMS]
    return "\n".join(lines) + "\n"


SCHEMA_HASH: Final = zlib.crc32(schema_text().encode())
