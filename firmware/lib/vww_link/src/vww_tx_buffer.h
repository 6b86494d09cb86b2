// What waits to be sent: frames and text in one buffer, written in few large writes and never with a wait without end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vww {

/// The port and the clock, as the link needs them.
class Port {
 public:
  /// The next byte received, -1 when there is none.
  virtual int read() = 0;
  /// Sends as many of the bytes as the port takes without waiting; returns how many, 0 when none.
  virtual size_t write(const uint8_t* data, size_t size) = 0;
  virtual uint32_t milliseconds() = 0;

 protected:
  ~Port() = default;
};

class TxBuffer {
 public:
  /// Room for the largest answer; what is longer than the rest of the buffer is sent at once.
  static constexpr size_t kCapacity = 1088;
  /// Nothing was taken for so long: nobody reads. What waits is dropped, and until something is taken again no flush
  /// waits.
  static constexpr uint32_t kStalledMs = 250;

  explicit TxBuffer(Port& port) : port_(port) {}

  void frame(uint8_t type, uint16_t sequence, const uint8_t* payload, size_t size);
  void text(const char* text);
  void text(const char* data, size_t size);
  /// Sends everything, or drops what nobody reads.
  void flush();

  uint32_t dropped_bytes() const { return dropped_; }

 private:
  void make_room(size_t size);

  Port& port_;
  // The first byte is spare: see flush().
  uint8_t buffer_[1 + kCapacity];
  size_t size_ = 0;
  uint32_t dropped_ = 0;
  bool stalled_ = false;
};

}  // namespace vww
