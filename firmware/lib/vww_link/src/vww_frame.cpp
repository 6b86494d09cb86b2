#include "vww_frame.h"

#include "vww_bytes.h"

namespace vww {

namespace {

bool is_text(uint8_t byte) { return (byte >= 0x20 && byte != 0x7F) || byte == '\n' || byte == '\r' || byte == '\t'; }

/// Decodes in place. Returns the decoded size, 0 when it is not COBS.
size_t cobs_decode(uint8_t* data, size_t size) {
  size_t from = 0;
  size_t to = 0;
  while (from < size) {
    const uint8_t code = data[from++];
    if (code - 1u > size - from) return 0;
    for (uint8_t i = 1; i < code; i++) data[to++] = data[from++];
    if (code != 0xFF && from < size) data[to++] = 0;
  }
  return to;
}

class CobsWriter {
 public:
  CobsWriter(uint8_t* out, size_t capacity) : out_(out), capacity_(capacity) {}

  void put(const uint8_t* data, size_t size) {
    for (size_t i = 0; i < size; i++) {
      if (run_ == 0xFF) close_run();
      if (data[i] == 0) {
        close_run();
      } else {
        append(data[i]);
        run_++;
      }
    }
  }
  void begin() {
    append(0);
    start_run();
  }
  void end() {
    if (code_at_ < capacity_) out_[code_at_] = run_;
    append(0);
  }
  size_t size() const { return size_ <= capacity_ ? size_ : 0; }

 private:
  void append(uint8_t byte) {
    if (size_ < capacity_) out_[size_] = byte;
    size_++;
  }
  void start_run() {
    code_at_ = size_;
    run_ = 1;
    append(0);
  }
  void close_run() {
    if (code_at_ < capacity_) out_[code_at_] = run_;
    start_run();
  }

  uint8_t* out_;
  size_t capacity_;
  size_t size_ = 0;
  size_t code_at_ = 0;
  uint8_t run_ = 1;
};

}  // namespace

uint32_t crc32(const void* data, size_t size, uint32_t crc) {
  // Half a byte at a time: 64 bytes of table instead of a kilobyte.
  static const uint32_t kTable[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                      0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                      0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
  const auto* bytes = static_cast<const uint8_t*>(data);
  crc = ~crc;
  for (size_t i = 0; i < size; i++) {
    crc = kTable[(crc ^ bytes[i]) & 15] ^ (crc >> 4);
    crc = kTable[(crc ^ (bytes[i] >> 4)) & 15] ^ (crc >> 4);
  }
  return ~crc;
}

size_t encode_frame(uint8_t type, uint16_t sequence, const uint8_t* payload, size_t size, uint8_t* out,
                    size_t capacity) {
  uint8_t header[kHeaderBytes] = {kProtocolVersion, type, static_cast<uint8_t>(sequence),
                                  static_cast<uint8_t>(sequence >> 8)};
  const uint32_t crc = crc32(payload, size, crc32(header, kHeaderBytes));
  uint8_t tail[kCrcBytes];
  ByteWriter(tail, sizeof(tail)).u32(crc);
  CobsWriter writer(out, capacity);
  writer.begin();
  writer.put(header, kHeaderBytes);
  writer.put(payload, size);
  writer.put(tail, kCrcBytes);
  writer.end();
  return writer.size();
}

void Decoder::restart() {
  in_frame_ = false;
  overflown_ = false;
  printable_ = true;
  paused_ = false;
  size_ = 0;
}

Decoder::Event Decoder::pause() {
  if (size_ == 0 || overflown_) {
    restart();
    return Event::kNone;
  }
  bool typed = paused_ && paused_at_ != size_;
  for (size_t i = paused_at_; typed && i < size_; i++) typed = is_text(buffer_[i]);
  text_ = buffer_ + paused_at_;
  text_size_ = size_ - paused_at_;
  paused_ = true;
  paused_at_ = size_;
  if (!typed) return Event::kNone;
  restart();
  return Event::kText;
}

Decoder::Event Decoder::feed(uint8_t byte) {
  if (byte == 0) {
    if (in_frame_ && size_ != 0) return close();
    in_frame_ = true;
    return Event::kNone;
  }
  if (!in_frame_) {
    if (!is_text(byte)) return Event::kNone;
    character_ = byte;
    text_ = &character_;
    text_size_ = 1;
    return Event::kText;
  }
  if (size_ == capacity_) {
    if (overflown_) return Event::kNone;
    overflown_ = true;
    return Event::kTooLong;
  }
  printable_ = printable_ && is_text(byte);
  buffer_[size_++] = byte;
  return Event::kNone;
}

// A zero after some bytes. When they are no frame, this zero may be the one that begins the next.
Decoder::Event Decoder::close() {
  const size_t raw = size_;
  const bool overflown = overflown_;
  const bool printable = printable_;
  restart();
  in_frame_ = true;
  if (overflown) return Event::kNone;
  if (printable) {
    // Text that a stray zero byte made look like a frame. No frame is printable: its header holds the version.
    text_ = buffer_;
    text_size_ = raw;
    return Event::kText;
  }
  const size_t size = cobs_decode(buffer_, raw);
  if (size < kHeaderBytes + kCrcBytes) return Event::kBroken;
  ByteReader reader(buffer_, size);
  const size_t payload = size - kHeaderBytes - kCrcBytes;
  ByteReader tail(buffer_ + size - kCrcBytes, kCrcBytes);
  if (tail.u32() != crc32(buffer_, size - kCrcBytes)) return Event::kBadCrc;
  in_frame_ = false;
  frame_.version = reader.u8();
  frame_.type = reader.u8();
  frame_.sequence = reader.u16();
  frame_.payload = buffer_ + kHeaderBytes;
  frame_.size = payload;
  return Event::kFrame;
}

}  // namespace vww
