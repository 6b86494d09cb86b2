// Written by `python -m vww_deploy.link.messages`; the messages are declared in vww_deploy/link/messages.py.
#pragma once

#include <cstdint>

namespace vww {

constexpr uint32_t kSchemaHash = 0x7c6e848e;

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

}  // namespace vww
