// Lines of console text.
#pragma once

#include <cstdint>

#include "vww_console.h"
#include "vww_server.h"
#include "vww_tx_buffer.h"

namespace vww {

/// A line of text put together from pieces.
class Line {
 public:
  explicit Line(Server& server) : tx_buffer_(server.tx_buffer()) {}
  ~Line() { tx_buffer_.text("\r\n"); }
  Line& operator<<(const char* text) {
    tx_buffer_.text(text);
    return *this;
  }
  Line& operator<<(uint64_t value) {
    char digits[21];
    return *this << decimal(value, digits);
  }
  Line& operator<<(int64_t value) {
    char digits[22];
    return *this << signed_decimal(value, digits);
  }
  Line& operator<<(uint32_t value) { return *this << static_cast<uint64_t>(value); }
  Line& operator<<(uint16_t value) { return *this << static_cast<uint64_t>(value); }
  Line& operator<<(int32_t value) { return *this << static_cast<int64_t>(value); }

 private:
  TxBuffer& tx_buffer_;
};

}  // namespace vww
