#include "virtual_camera.h"

#include <cstring>

#include "vww_bytes.h"
#include "vww_frame.h"

namespace vww {

namespace {

// What the camera says about a request.
constexpr uint8_t kAnswerOk = 0;

// Bytes taken in one poll(), so that a camera that never stops cannot keep the link from being heard.
constexpr uint32_t kMostBytes = 65536;

// A stale answer longer than any picture is no answer: look for the next header instead of skipping it.
constexpr uint32_t kLongestAnswer = 1u << 20;

}  // namespace

void VirtualCamera::Name::take(const uint8_t* data, size_t count) {
  for (; count > 0 && size + 1 < sizeof(text); count--, data++) {
    text[size++] = *data >= 0x20 && *data < 0x7F ? static_cast<char>(*data) : '?';
  }
  text[size] = 0;
}

CameraStatus VirtualCamera::begin(const CameraMode& mode) {
  mode_ = mode;
  name_.text[0] = 0;
  begun_ms_ = port_.milliseconds();
  tries_ = 0;
  ask(Kind::kIdentify);
  return CameraStatus::kWaiting;
}

CameraStatus VirtualCamera::starting() {
  const CameraStatus status = receive(name_);
  if (status != CameraStatus::kWaiting) return status;
  const uint32_t now = port_.milliseconds();
  if (now - begun_ms_ > kLongestIdentifyMs) return CameraStatus::kNoCamera;
  if (now - last_ms_ <= kIdentifyMs) return status;
  if (++tries_ == kIdentifyTries) return CameraStatus::kNoCamera;
  ask(Kind::kIdentify);
  return status;
}

void VirtualCamera::request() { ask(Kind::kPicture); }

CameraStatus VirtualCamera::poll(PictureSink& sink) {
  const CameraStatus status = receive(sink);
  if (status != CameraStatus::kWaiting) return status;
  if (port_.milliseconds() - last_ms_ <= (started_ ? kGapMs : kFirstByteMs)) return status;
  return started_ ? CameraStatus::kTorn : CameraStatus::kNoFrame;
}

void VirtualCamera::ask(Kind kind) {
  name_.size = 0;
  asked_ = kind;
  sequence_++;
  started_ = false;
  state_ = State::kHeader;
  header_size_ = 0;
  last_ms_ = port_.milliseconds();
  uint8_t request[12];
  ByteWriter out(request, sizeof(request));
  out.u8('V');
  out.u8('Q');
  out.u8(static_cast<uint8_t>(kind));
  out.u8(static_cast<uint8_t>(mode_.pattern));
  out.u16(sequence_);
  out.u16(mode_.format.width);
  out.u16(mode_.format.height);
  out.u8(static_cast<uint8_t>(mode_.format.pixels));
  out.u8(0);
  port_.write(request, sizeof(request));
}

CameraStatus VirtualCamera::receive(PictureSink& sink) {
  for (uint32_t i = 0; i < kMostBytes; i++) {
    const int byte = port_.read();
    if (byte < 0) break;
    last_ms_ = port_.milliseconds();
    const CameraStatus status = feed(static_cast<uint8_t>(byte), sink);
    if (status != CameraStatus::kWaiting) return status;
  }
  return CameraStatus::kWaiting;
}

CameraStatus VirtualCamera::header() {
  ByteReader in(header_ + 2, sizeof(header_) - 2);
  const uint8_t kind = in.u8();
  const uint8_t answer = in.u8();
  const uint16_t sequence = in.u16();
  in.u16();
  const uint32_t length = in.u32();
  header_size_ = 0;
  if (kind != static_cast<uint8_t>(asked_) || sequence != sequence_) {
    // An answer to a question that is long forgotten.
    if (length < kLongestAnswer) {
      state_ = State::kSkip;
      left_ = length + kCrcBytes;
    }
    return CameraStatus::kWaiting;
  }
  if (answer != kAnswerOk) return CameraStatus::kUnsupported;
  const uint32_t most = asked_ == Kind::kPicture ? picture_bytes(mode_.format) : 255;
  if (length > most || (asked_ == Kind::kPicture && length != most)) return CameraStatus::kTorn;
  started_ = true;
  crc_ = 0;
  piece_size_ = 0;
  state_ = length > 0 ? State::kPayload : State::kCrc;
  left_ = length > 0 ? length : kCrcBytes;
  return CameraStatus::kWaiting;
}

CameraStatus VirtualCamera::feed(uint8_t byte, PictureSink& sink) {
  switch (state_) {
    case State::kHeader:
      header_[header_size_++] = byte;
      if (header_[0] != 'V' || (header_size_ >= 2 && header_[1] != 'C')) {
        header_[0] = byte;
        header_size_ = byte == 'V' ? 1 : 0;
      }
      return header_size_ == sizeof(header_) ? header() : CameraStatus::kWaiting;
    case State::kPayload:
      piece_[piece_size_++] = byte;
      left_--;
      if (piece_size_ == sizeof(piece_) || left_ == 0) {
        crc_ = crc32(piece_, piece_size_, crc_);
        sink.take(piece_, piece_size_);
        piece_size_ = 0;
      }
      if (left_ == 0) {
        state_ = State::kCrc;
        left_ = kCrcBytes;
        crc_received_ = 0;
      }
      return CameraStatus::kWaiting;
    case State::kCrc:
      crc_received_ |= static_cast<uint32_t>(byte) << (8 * (kCrcBytes - left_));
      left_--;
      if (left_ > 0) return CameraStatus::kWaiting;
      state_ = State::kHeader;
      return crc_received_ == crc_ ? CameraStatus::kOk : CameraStatus::kTorn;
    case State::kSkip:
      left_--;
      if (left_ == 0) state_ = State::kHeader;
      return CameraStatus::kWaiting;
  }
  return CameraStatus::kWaiting;
}

}  // namespace vww
