// Little-endian numbers in and out of byte buffers, with every length checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vww {

/// Writes numbers one after another; what does not fit is not written and `ok()` says so.
class ByteWriter {
 public:
  ByteWriter(uint8_t* data, size_t capacity) : data_(data), capacity_(capacity) {}

  void u8(uint8_t value) { bytes(&value, 1); }
  void u16(uint16_t value) { number(value, 2); }
  void u32(uint32_t value) { number(value, 4); }
  void u64(uint64_t value) { number(value, 8); }
  void f32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    u32(bits);
  }
  /// One byte of length, then the text; at most 255 bytes of it.
  void text(const char* value) {
    const size_t length = strlen(value) < 255 ? strlen(value) : 255;
    u8(static_cast<uint8_t>(length));
    bytes(value, length);
  }
  void bytes(const void* data, size_t size) {
    if (!ok_ || size > capacity_ - size_) {
      ok_ = false;
      return;
    }
    if (size != 0) memcpy(data_ + size_, data, size);
    size_ += size;
  }

  bool ok() const { return ok_; }
  size_t size() const { return size_; }
  size_t room() const { return ok_ ? capacity_ - size_ : 0; }

 private:
  void number(uint64_t value, int count) {
    uint8_t little[8];
    for (int i = 0; i < count; i++) little[i] = static_cast<uint8_t>(value >> (8 * i));
    bytes(little, static_cast<size_t>(count));
  }

  uint8_t* data_;
  size_t capacity_;
  size_t size_ = 0;
  bool ok_ = true;
};

/// Reads numbers one after another; past the end they are 0 and `ok()` says so.
class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return number(4); }

  bool ok() const { return ok_; }
  /// Everything was read, and nothing more than there was.
  bool done() const { return ok_ && at_ == size_; }
  const uint8_t* rest() const { return data_ + at_; }
  size_t rest_size() const { return size_ - at_; }

 private:
  uint32_t number(size_t count) {
    if (!ok_ || count > size_ - at_) {
      ok_ = false;
      return 0;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) value |= static_cast<uint32_t>(data_[at_ + i]) << (8 * i);
    at_ += count;
    return value;
  }

  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace vww
