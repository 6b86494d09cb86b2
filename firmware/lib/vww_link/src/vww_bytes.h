// Little-endian numbers in and out of byte buffers, with every length checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vww {

/// Bytes that belong to somebody else.
struct Bytes {
  const uint8_t* data;
  size_t size;
};

/// At most 255 characters that belong to somebody else; no zero ends them.
struct Text {
  Text() : data(""), size(0) {}
  Text(const char* first, uint8_t count) : data(first), size(count) {}
  /// What is beyond 255 characters is left out.
  Text(const char* ended) : data(ended), size(static_cast<uint8_t>(strlen(ended) < 255 ? strlen(ended) : 255)) {}

  const char* data;
  uint8_t size;
};

/// Writes numbers one after another; what does not fit is not written and `ok()` says so.
class ByteWriter {
 public:
  ByteWriter(uint8_t* data, size_t capacity) : data_(data), capacity_(capacity) {}

  void u8(uint8_t value) { bytes(&value, 1); }
  void u16(uint16_t value) { number(value, 2); }
  void u32(uint32_t value) { number(value, 4); }
  void u64(uint64_t value) { number(value, 8); }
  void i32(int32_t value) { u32(static_cast<uint32_t>(value)); }
  void f32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    u32(bits);
  }
  /// One byte of length, then the text.
  void text(Text value) {
    u8(value.size);
    bytes(value.data, value.size);
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

/// Reads numbers one after another; past the end they are 0 and `ok()` says so. Bytes and text stay where they are.
class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return number(4); }
  uint64_t u64() {
    const uint64_t low = u32();
    return low | static_cast<uint64_t>(u32()) << 32;
  }
  int32_t i32() { return static_cast<int32_t>(u32()); }
  float f32() {
    const uint32_t bits = u32();
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
  }
  Text text() {
    const uint8_t size = u8();
    return Text(reinterpret_cast<const char*>(bytes(size)), ok_ ? size : uint8_t{0});
  }
  /// The next `size` bytes; where there are fewer, not to be read.
  const uint8_t* bytes(size_t size) {
    if (!take(size)) return data_;
    return data_ + at_ - size;
  }
  /// All that is left.
  Bytes rest() {
    const size_t left = size_ - at_;
    return {bytes(left), left};
  }

  bool ok() const { return ok_; }
  /// Everything was read, and nothing more than there was.
  bool done() const { return ok_ && at_ == size_; }

 private:
  bool take(size_t count) {
    if (!ok_ || count > size_ - at_) {
      ok_ = false;
      return false;
    }
    at_ += count;
    return true;
  }
  uint32_t number(size_t count) {
    if (!take(count)) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) value |= static_cast<uint32_t>(data_[at_ - count + i]) << (8 * i);
    return value;
  }

  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace vww
