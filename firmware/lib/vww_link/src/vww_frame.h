// Frames: COBS between zero bytes, a 4-byte header, CRC-32; text may stand between frames. docs/protocol.md.
//
// Nothing here reads or writes a port: bytes are fed in, events come out, the same on a board, on the host and under a
// fuzzer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vww {

constexpr uint8_t kProtocolVersion = 1;
constexpr size_t kHeaderBytes = 4;
constexpr size_t kCrcBytes = 4;

/// Bytes that a frame with `payload` bytes takes at most between its zeros (one more for every 254, as COBS needs).
constexpr size_t encoded_bytes(size_t payload) {
  return kHeaderBytes + payload + kCrcBytes + (kHeaderBytes + payload + kCrcBytes) / 254 + 1;
}

/// CRC-32 as zlib computes it; `crc` is what an earlier call returned, to go on from there.
uint32_t crc32(const void* data, size_t size, uint32_t crc = 0);

struct Frame {
  uint8_t version;
  uint8_t type;
  uint16_t sequence;
  const uint8_t* payload;
  size_t size;
};

/// Writes the frame with its leading and closing zero. Returns the bytes written, 0 when `capacity` is too small.
size_t encode_frame(uint8_t type, uint16_t sequence, const uint8_t* payload, size_t size, uint8_t* out,
                    size_t capacity);

/// Splits the byte stream. After a broken frame it is in step again at the next zero byte.
class Decoder {
 public:
  enum class Event : uint8_t {
    kNone,
    kText,     ///< text() is what came between frames
    kFrame,    ///< frame() is whole and its CRC is right
    kTooLong,  ///< more bytes between two zeros than any frame has; dropped up to the next zero
    kBroken,   ///< not COBS, or shorter than a header and a CRC
    kBadCrc,
  };

  /// `buffer` holds one encoded frame; its size is the longest that is accepted.
  Decoder(uint8_t* buffer, size_t size) : buffer_(buffer), capacity_(size) {}

  Event feed(uint8_t byte);
  /// No byte came for a while. A frame that was begun may still be completed; but text that follows a first pause, and
  /// pauses itself, was typed by somebody after the frame's sender died: kText, and the frame is forgotten.
  Event pause();
  /// Whether the frame paused before.
  bool paused() const { return paused_; }
  bool in_frame() const { return in_frame_; }

  /// Valid until the next feed().
  const Frame& frame() const { return frame_; }
  const uint8_t* text() const { return text_; }
  size_t text_size() const { return text_size_; }

 private:
  Event close();
  void restart();

  uint8_t* buffer_;
  size_t capacity_;
  size_t size_ = 0;
  bool in_frame_ = false;
  bool overflown_ = false;
  bool printable_ = true;
  bool paused_ = false;
  size_t paused_at_ = 0;  ///< Bytes of the frame that were there at the last pause.
  uint8_t character_ = 0;
  Frame frame_{};
  const uint8_t* text_ = nullptr;
  size_t text_size_ = 0;
};

}  // namespace vww
