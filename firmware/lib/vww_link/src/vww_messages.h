// Written by `python -m vww_deploy.link.codegen` from vww_deploy/link/messages.py.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vww_bytes.h"

namespace vww {

constexpr uint32_t kSchemaHash = 0x80da8022;

enum MessageType : uint8_t {
  kHello = 0x01,
  kInfo = 0x81,
  kWrite = 0x02,
  kAck = 0x82,
  kInfer = 0x03,
  kResult = 0x83,
  kLayers = 0x04,
  kValues = 0x84,
  kGetStats = 0x05,
  kStats = 0x85,
  kReset = 0x06,
  kResetDone = 0x86,
  kPrepare = 0x07,
  kPrepared = 0x87,
  kBeginFrame = 0x08,
  kFrameBegun = 0x88,
  kOpenCamera = 0x10,
  kCameraOpened = 0x90,
  kLive = 0x11,
  kLiveSet = 0x91,
  kPoll = 0x12,
  kShot = 0x92,
  kReadFrame = 0x13,
  kFramePiece = 0x93,
  kRefused = 0xff,
};

namespace clock {
enum : uint8_t { kInstructions = 0, kCycles = 1, kMicros = 2 };
}

namespace feature {
enum : uint8_t { kStagedInput = 1, kLayers = 2, kFrames = 4 };
}

namespace status {
enum : uint8_t { kOk = 0, kNoInput = 1, kBadInput = 2 };
}

namespace inferflag {
enum : uint8_t { kDigests = 1, kTicks = 2 };
}

namespace layerkind {
enum : uint8_t { kDigests = 0, kTicks = 1 };
}

namespace errorcode {
enum : uint8_t { kVersion = 1, kUnknown = 2, kMalformed = 3, kBusy = 4 };
}

namespace camerastatus {
enum : uint8_t { kOk = 0, kNoCamera = 1, kUnsupported = 2, kNoFrame = 3, kTorn = 4, kWaiting = 5 };
}

namespace framekind {
enum : uint8_t { kModel = 1, kRaw = 2 };
}

/// The messages as structs. Text and bytes that were unpacked lie in the payload: they live as long as it.
namespace message {

/// The first request.
struct Hello {
  static constexpr uint8_t kType = 0x01;

  uint8_t version;
  uint32_t schema;
  /// any number; the device gives it back until it restarts, when it becomes 0
  uint32_t session;

  void pack(ByteWriter& out) const {
    out.u8(version);
    out.u32(schema);
    out.u32(session);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    version = in.u8();
    schema = in.u32();
    session = in.u32();
    return in.done();
  }
};

/// Answers Hello. The first three fields stay where they are in every protocol version.
struct Info {
  static constexpr uint8_t kType = 0x81;

  uint8_t version;
  uint32_t schema;
  uint32_t session;
  /// version of the firmware
  Text firmware;
  Text board;
  /// 32 bytes.
  const uint8_t* model_sha256;
  uint16_t height;
  uint16_t width;
  uint16_t channels;
  float input_scale;
  int32_t input_zero_point;
  uint16_t outputs;
  float output_scale;
  int32_t output_zero_point;
  /// a value of clock::
  uint8_t clock;
  uint32_t clock_hz;
  /// bytes of a picture that one Write may have
  uint16_t chunk;
  /// Writes that may be under way
  uint8_t window;
  uint16_t layers;
  /// a value of feature::
  uint32_t features;

  void pack(ByteWriter& out) const {
    out.u8(version);
    out.u32(schema);
    out.u32(session);
    out.text(firmware);
    out.text(board);
    out.bytes(model_sha256, 32);
    out.u16(height);
    out.u16(width);
    out.u16(channels);
    out.f32(input_scale);
    out.i32(input_zero_point);
    out.u16(outputs);
    out.f32(output_scale);
    out.i32(output_zero_point);
    out.u8(clock);
    out.u32(clock_hz);
    out.u16(chunk);
    out.u8(window);
    out.u16(layers);
    out.u32(features);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    version = in.u8();
    schema = in.u32();
    session = in.u32();
    firmware = in.text();
    board = in.text();
    model_sha256 = in.bytes(32);
    height = in.u16();
    width = in.u16();
    channels = in.u16();
    input_scale = in.f32();
    input_zero_point = in.i32();
    outputs = in.u16();
    output_scale = in.f32();
    output_zero_point = in.i32();
    clock = in.u8();
    clock_hz = in.u32();
    chunk = in.u16();
    window = in.u8();
    layers = in.u16();
    features = in.u32();
    return in.done();
  }
};

/// A piece of the picture of inference `id`, from byte `offset` on. Repeated, it changes nothing.
struct Write {
  static constexpr uint8_t kType = 0x02;
  /// Bytes before `data`.
  static constexpr size_t kHeadBytes = 8;

  uint32_t id;
  uint32_t offset;
  Bytes data;

  void pack(ByteWriter& out) const {
    out.u32(id);
    out.u32(offset);
    out.bytes(data.data, data.size);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    id = in.u32();
    offset = in.u32();
    data = in.rest();
    return in.done();
  }
};

/// Answers Write.
struct Ack {
  static constexpr uint8_t kType = 0x82;

  uint32_t session;
  uint32_t id;
  /// bytes of the picture that are there without a hole: the offset to go on from
  uint32_t received;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u32(id);
    out.u32(received);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    id = in.u32();
    received = in.u32();
    return in.done();
  }
};

/// Runs the model on picture `id`. Asked again, the kept result is sent.
struct Infer {
  static constexpr uint8_t kType = 0x03;

  uint32_t id;
  /// CRC-32 of the whole picture
  uint32_t crc;
  /// a value of inferflag::
  uint8_t flags;

  void pack(ByteWriter& out) const {
    out.u32(id);
    out.u32(crc);
    out.u8(flags);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    id = in.u32();
    crc = in.u32();
    flags = in.u8();
    return in.done();
  }
};

/// Answers Infer.
struct Result {
  static constexpr uint8_t kType = 0x83;
  /// Bytes before `outputs`.
  static constexpr size_t kHeadBytes = 17;

  uint32_t session;
  uint32_t id;
  /// a value of status::
  uint8_t status;
  /// of Info's clock, spent in the engine: transfers and interrupts are not counted
  uint64_t ticks;
  /// int8
  Bytes outputs;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u32(id);
    out.u8(status);
    out.u64(ticks);
    out.bytes(outputs.data, outputs.size);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    id = in.u32();
    status = in.u8();
    ticks = in.u64();
    outputs = in.rest();
    return in.done();
  }
};

/// Asks for what inference `id` kept of its layers, from layer `first` on.
struct Layers {
  static constexpr uint8_t kType = 0x04;

  uint32_t id;
  /// a value of layerkind::
  uint8_t kind;
  uint16_t first;

  void pack(ByteWriter& out) const {
    out.u32(id);
    out.u8(kind);
    out.u16(first);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    id = in.u32();
    kind = in.u8();
    first = in.u16();
    return in.done();
  }
};

/// Answers Layers.
struct Values {
  static constexpr uint8_t kType = 0x84;
  /// Bytes before `values`.
  static constexpr size_t kHeadBytes = 13;

  uint32_t session;
  uint32_t id;
  /// a value of layerkind::
  uint8_t kind;
  uint16_t first;
  /// layers that there are; 0 when their values are not kept
  uint16_t total;
  /// u32 each, of layers first, first + 1, ...
  Bytes values;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u32(id);
    out.u8(kind);
    out.u16(first);
    out.u16(total);
    out.bytes(values.data, values.size);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    id = in.u32();
    kind = in.u8();
    first = in.u16();
    total = in.u16();
    values = in.rest();
    return in.done();
  }
};

/// Asks for the device's counters.
struct GetStats {
  static constexpr uint8_t kType = 0x05;

  void pack(ByteWriter&) const {}
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t*, size_t size) { return size == 0; }
};

/// Answers GetStats: counters since the device started.
struct Stats {
  static constexpr uint8_t kType = 0x85;

  uint32_t session;
  uint32_t uptime_ms;
  uint32_t inferences;
  /// whole frames received
  uint32_t frames;
  /// received with a wrong CRC, no COBS, or too long
  uint32_t bad_frames;
  /// requests answered from what was kept
  uint32_t repeats;
  /// frames that stopped coming in the middle
  uint32_t abandoned;
  /// not sent, because nobody read
  uint32_t dropped_bytes;
  uint32_t console_lines;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u32(uptime_ms);
    out.u32(inferences);
    out.u32(frames);
    out.u32(bad_frames);
    out.u32(repeats);
    out.u32(abandoned);
    out.u32(dropped_bytes);
    out.u32(console_lines);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    uptime_ms = in.u32();
    inferences = in.u32();
    frames = in.u32();
    bad_frames = in.u32();
    repeats = in.u32();
    abandoned = in.u32();
    dropped_bytes = in.u32();
    console_lines = in.u32();
    return in.done();
  }
};

/// Asks the device to restart after its answer.
struct Reset {
  static constexpr uint8_t kType = 0x06;

  void pack(ByteWriter&) const {}
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t*, size_t size) { return size == 0; }
};

/// Answers Reset; the device restarts right after it.
struct ResetDone {
  static constexpr uint8_t kType = 0x86;

  uint32_t session;

  void pack(ByteWriter& out) const { out.u32(session); }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    return in.done();
  }
};

/// How camera pictures become the model's input.
struct Prepare {
  static constexpr uint8_t kType = 0x07;

  /// 1: cut the largest centred part of the model's aspect ratio first; 0: squash
  uint8_t crop;
  /// the int8 value of each pixel value
  /// 256 bytes.
  const uint8_t* table;

  void pack(ByteWriter& out) const {
    out.u8(crop);
    out.bytes(table, 256);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    crop = in.u8();
    table = in.bytes(256);
    return in.done();
  }
};

/// Answers Prepare.
struct Prepared {
  static constexpr uint8_t kType = 0x87;

  uint32_t session;

  void pack(ByteWriter& out) const { out.u32(session); }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    return in.done();
  }
};

/// Picture `id` is written in a camera's format; the device preprocesses it as it comes. Infer's CRC is that of these
/// bytes.
struct BeginFrame {
  static constexpr uint8_t kType = 0x08;

  uint32_t id;
  uint16_t width;
  uint16_t height;
  /// pixel format: 1 gray, 2 rgb565le, 3 rgb565be, 4 rgb888
  uint8_t pixels;

  void pack(ByteWriter& out) const {
    out.u32(id);
    out.u16(width);
    out.u16(height);
    out.u8(pixels);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    id = in.u32();
    width = in.u16();
    height = in.u16();
    pixels = in.u8();
    return in.done();
  }
};

/// Answers BeginFrame.
struct FrameBegun {
  static constexpr uint8_t kType = 0x88;

  uint32_t session;
  uint32_t id;
  /// bytes to write; 0 when there is no such format
  uint32_t total;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u32(id);
    out.u32(total);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    id = in.u32();
    total = in.u32();
    return in.done();
  }
};

/// Looks for the device's camera and sets it up; ends the live mode.
struct OpenCamera {
  static constexpr uint8_t kType = 0x10;

  /// any number; one that was answered already is answered alike, without a new set-up
  uint32_t opening;
  uint16_t width;
  uint16_t height;
  /// pixel format, as BeginFrame has it
  uint8_t pixels;
  /// the sensor's test pattern: 0 none, 1 walking one, 2 bars
  uint8_t pattern;

  void pack(ByteWriter& out) const {
    out.u32(opening);
    out.u16(width);
    out.u16(height);
    out.u8(pixels);
    out.u8(pattern);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    opening = in.u32();
    width = in.u16();
    height = in.u16();
    pixels = in.u8();
    pattern = in.u8();
    return in.done();
  }
};

/// Answers OpenCamera.
struct CameraOpened {
  static constexpr uint8_t kType = 0x90;

  uint32_t session;
  uint32_t opening;
  /// a value of camerastatus::
  uint8_t status;
  /// bytes of pictures that can be kept, both kinds together
  uint32_t room;
  Text name;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u32(opening);
    out.u8(status);
    out.u32(room);
    out.text(name);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    opening = in.u32();
    status = in.u8();
    room = in.u32();
    name = in.text();
    return in.done();
  }
};

/// Starts or ends the live mode.
struct Live {
  static constexpr uint8_t kType = 0x11;

  /// 1 start, 0 end
  uint8_t run;
  /// the least time from shot to shot
  uint32_t interval_ms;
  /// a value of framekind::
  uint8_t keep;

  void pack(ByteWriter& out) const {
    out.u8(run);
    out.u32(interval_ms);
    out.u8(keep);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    run = in.u8();
    interval_ms = in.u32();
    keep = in.u8();
    return in.done();
  }
};

/// Answers Live: what is so now.
struct LiveSet {
  static constexpr uint8_t kType = 0x91;

  uint32_t session;
  uint8_t run;
  /// a value of framekind::; less than was asked for where the pictures have no room
  uint8_t keep;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u8(run);
    out.u8(keep);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    run = in.u8();
    keep = in.u8();
    return in.done();
  }
};

/// Asks for a shot.
struct Poll {
  static constexpr uint8_t kType = 0x12;

  /// of the shot, 0 for the newest
  uint32_t number;
  /// kept pictures of shots up to this one are not needed any more
  uint32_t release;

  void pack(ByteWriter& out) const {
    out.u32(number);
    out.u32(release);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    number = in.u32();
    release = in.u32();
    return in.done();
  }
};

/// Answers Poll.
struct Shot {
  static constexpr uint8_t kType = 0x92;
  /// Bytes before `outputs`.
  static constexpr size_t kHeadBytes = 46;

  uint32_t session;
  /// 0: there is none, or it is gone
  uint32_t number;
  /// the shot whose pictures are kept; 0 none
  uint32_t held;
  uint8_t run;
  /// a value of camerastatus::; what came of the last request for a picture
  uint8_t camera;
  /// pictures that did not come whole
  uint32_t failures;
  /// shots whose pictures were wanted and not kept: older ones were still being read
  uint32_t drops;
  uint32_t capture_us;
  uint32_t preprocess_us;
  uint32_t inference_us;
  /// spent sending since the shot before began
  uint32_t transmit_us;
  /// of Info's clock, spent in the engine
  uint64_t ticks;
  /// int8
  Bytes outputs;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u32(number);
    out.u32(held);
    out.u8(run);
    out.u8(camera);
    out.u32(failures);
    out.u32(drops);
    out.u32(capture_us);
    out.u32(preprocess_us);
    out.u32(inference_us);
    out.u32(transmit_us);
    out.u64(ticks);
    out.bytes(outputs.data, outputs.size);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    number = in.u32();
    held = in.u32();
    run = in.u8();
    camera = in.u8();
    failures = in.u32();
    drops = in.u32();
    capture_us = in.u32();
    preprocess_us = in.u32();
    inference_us = in.u32();
    transmit_us = in.u32();
    ticks = in.u64();
    outputs = in.rest();
    return in.done();
  }
};

/// Asks for a piece of a kept picture of shot `number`.
struct ReadFrame {
  static constexpr uint8_t kType = 0x13;

  uint32_t number;
  /// a value of framekind::
  uint8_t kind;
  uint32_t offset;

  void pack(ByteWriter& out) const {
    out.u32(number);
    out.u8(kind);
    out.u32(offset);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    number = in.u32();
    kind = in.u8();
    offset = in.u32();
    return in.done();
  }
};

/// Answers ReadFrame: bytes from `offset` on.
struct FramePiece {
  static constexpr uint8_t kType = 0x93;
  /// Bytes before `data`.
  static constexpr size_t kHeadBytes = 17;

  uint32_t session;
  uint32_t number;
  /// a value of framekind::
  uint8_t kind;
  /// bytes of the picture; 0 when it is not kept
  uint32_t total;
  uint32_t offset;
  Bytes data;

  void pack(ByteWriter& out) const {
    out.u32(session);
    out.u32(number);
    out.u8(kind);
    out.u32(total);
    out.u32(offset);
    out.bytes(data.data, data.size);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    session = in.u32();
    number = in.u32();
    kind = in.u8();
    total = in.u32();
    offset = in.u32();
    data = in.rest();
    return in.done();
  }
};

/// Answers a request that the device cannot take.
struct Refused {
  static constexpr uint8_t kType = 0xff;

  /// a value of errorcode::
  uint8_t code;
  Text text;

  void pack(ByteWriter& out) const {
    out.u8(code);
    out.text(text);
  }
  /// False unless the payload is exactly such a message.
  bool unpack(const uint8_t* payload, size_t size) {
    ByteReader in(payload, size);
    code = in.u8();
    text = in.text();
    return in.done();
  }
};

}  // namespace message

}  // namespace vww
