#include "vww_tx_buffer.h"

#include <cstring>

#include "vww_frame.h"

namespace vww {

void TxBuffer::make_room(size_t size) {
  if (kCapacity - size_ < size) flush();
}

void TxBuffer::frame(uint8_t type, uint16_t sequence, const uint8_t* payload, size_t size) {
  make_room(encoded_bytes(size) + 2);
  const size_t written = encode_frame(type, sequence, payload, size, buffer_ + 1 + size_, kCapacity - size_);
  if (written == 0) dropped_ += static_cast<uint32_t>(size);
  size_ += written;
}

void TxBuffer::text(const char* text_to_send) { text(text_to_send, strlen(text_to_send)); }

void TxBuffer::text(const char* data, size_t size) {
  while (size != 0) {
    make_room(1);
    const size_t room = kCapacity - size_;
    const size_t part = size < room ? size : room;
    memcpy(buffer_ + 1 + size_, data, part);
    size_ += part;
    data += part;
    size -= part;
  }
}

void TxBuffer::flush() {
  if (size_ == 0) return;
  const uint8_t* data = buffer_ + 1;
  size_t size = size_;
  size_ = 0;
  if (size % 64 == 0) {
    // USB CDC without zero-length packets keeps a message that fills its last packet; one byte more that means nothing
    // avoids it: another zero before a frame, a carriage return before text.
    buffer_[0] = buffer_[1] == 0 ? 0 : '\r';
    data--;
    size++;
  }
  uint32_t last_progress = port_.milliseconds();
  while (size != 0) {
    const size_t taken = port_.write(data, size);
    if (taken != 0) {
      data += taken;
      size -= taken;
      stalled_ = false;
      last_progress = port_.milliseconds();
    } else if (stalled_ || port_.milliseconds() - last_progress >= kStalledMs) {
      stalled_ = true;
      dropped_ += static_cast<uint32_t>(size);
      return;
    }
  }
}

}  // namespace vww
