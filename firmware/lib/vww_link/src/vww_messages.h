// Written by `python -m vww_deploy.link.messages`; the messages are declared in vww_deploy/link/messages.py.
#pragma once

#include <cstdint>

namespace vww {

constexpr uint32_t kSchemaHash = 0xfded8fec;

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
  kRefused = 0xff,
};

namespace clock {
enum : uint8_t { kInstructions = 0, kCycles = 1, kMicros = 2 };
}

namespace feature {
enum : uint8_t { kStagedInput = 1, kLayers = 2 };
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
enum : uint8_t { kVersion = 1, kUnknown = 2, kMalformed = 3 };
}

}  // namespace vww
