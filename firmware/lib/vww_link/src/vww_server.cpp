#include "vww_server.h"

#include <cstring>

#include "vww_bytes.h"
#include "vww_messages.h"

namespace vww {

void Server::service() {
  receive();
  while (request_.waiting) {
    run_request();
    receive();
  }
  outbox_.flush();
}

void Server::receive() {
  // Bounded, so that a host which sends without end cannot keep the loop from its other work. What follows an
  // inference's request may be the next picture: it stays in the port until the inference has taken its own out of the
  // buffer.
  for (size_t budget = 2 * kReceiveBytes; budget != 0 && !request_.waiting; budget--) {
    const int byte = port_.read();
    if (byte < 0) {
      if (decoder_.in_frame() && port_.milliseconds() - last_byte_ms_ > kFrameGapMs) {
        decoder_.restart();
        counters_.abandoned++;
      }
      return;
    }
    last_byte_ms_ = port_.milliseconds();
    switch (decoder_.feed(static_cast<uint8_t>(byte))) {
      case Decoder::Event::kNone:
        break;
      case Decoder::Event::kText:
        // In the middle of an inference a command waits in no queue: whoever types types again.
        if (inferring_) break;
        in_console_ = true;
        counters_.console_lines += console_.feed(*this, decoder_.text(), decoder_.text_size());
        in_console_ = false;
        break;
      case Decoder::Event::kFrame:
        counters_.frames++;
        handle(decoder_.frame());
        break;
      case Decoder::Event::kTooLong:
      case Decoder::Event::kBroken:
      case Decoder::Event::kBadCrc:
        counters_.bad_frames++;
        break;
    }
  }
}

void Server::handle(const Frame& frame) {
  if (frame.version != kProtocolVersion) return refuse(frame, errorcode::kVersion, "other protocol version");
  ByteReader in(frame.payload, frame.size);
  switch (frame.type) {
    case kHello:
      return hello(frame, in);
    case kBeginFrame:
      return begin_frame(frame, in);
    case kWrite:
      return write(frame, in);
    case kInfer:
      return ask_infer(frame, in);
    case kLayers:
      return layers(frame, in);
    case kGetStats:
      return stats(frame);
    case kReset: {
      ByteWriter out(payload_, sizeof(payload_));
      out.u32(session_);
      respond(frame, out);
      reset_requested_ = true;
      return;
    }
    default:
      if (extension_ != nullptr && extension_->handle(*this, frame)) return;
      return refuse(frame, errorcode::kUnknown, "unknown request");
  }
}

void Server::respond(const Frame& frame, const ByteWriter& out) {
  outbox_.frame(frame.type | 0x80, frame.sequence, payload_, out.size());
}

void Server::refuse(const Frame& frame, uint8_t code, const char* why) {
  ByteWriter out(payload_, sizeof(payload_));
  out.u8(code);
  out.text(why);
  outbox_.frame(kRefused, frame.sequence, payload_, out.size());
}

void Server::hello(const Frame& frame, ByteReader& in) {
  in.u8();
  in.u32();
  const uint32_t session = in.u32();
  if (!in.done()) return refuse(frame, errorcode::kMalformed, "hello");
  session_ = session;
  if (extension_ != nullptr) extension_->yield_engine();
  const EngineInfo& about = engine_.info();
  ByteWriter out(payload_, sizeof(payload_));
  out.u8(kProtocolVersion);
  out.u32(kSchemaHash);
  out.u32(session_);
  out.text(about.firmware_version);
  out.text(about.board);
  out.bytes(about.model_sha256, sizeof(about.model_sha256));
  out.u16(about.height);
  out.u16(about.width);
  out.u16(about.channels);
  out.f32(about.input_scale);
  out.u32(static_cast<uint32_t>(about.input_zero_point));
  out.u16(about.outputs);
  out.f32(about.output_scale);
  out.u32(static_cast<uint32_t>(about.output_zero_point));
  out.u8(about.clock_kind);
  out.u32(about.clock_hz);
  out.u16(kChunk);
  out.u8(kWindow);
  out.u16(about.layers);
  out.u32((memory_.staging != nullptr ? uint32_t{feature::kStagedInput} : 0) |
          (memory_.digests != nullptr ? uint32_t{feature::kLayers} : 0) |
          (extension_ != nullptr ? uint32_t{feature::kFrames} : 0));
  respond(frame, out);
}

void Server::begin_frame(const Frame& frame, ByteReader& in) {
  const uint32_t id = in.u32();
  const uint16_t width = in.u16();
  const uint16_t height = in.u16();
  const uint8_t pixels = in.u8();
  if (!in.done()) return refuse(frame, errorcode::kMalformed, "begin frame");
  if (extension_ == nullptr) return refuse(frame, errorcode::kUnknown, "unknown request");
  if (extension_->busy()) return refuse(frame, errorcode::kBusy, "the camera is live");
  const uint32_t total = extension_->frame_bytes(width, height, pixels);
  const bool known = upload_.open && upload_.frame && upload_.id == id;
  if (!known && !is_late(id) && total != 0) {
    extension_->begin_frame(width, height, pixels, upload_buffer());
    upload_ = {id, 0, true, true, total, 0};
  }
  ByteWriter out = answer();
  out.u32(session_);
  out.u32(id);
  out.u32(total);
  respond(frame, out);
}

void Server::write(const Frame& frame, ByteReader& in) {
  const uint32_t id = in.u32();
  const uint32_t offset = in.u32();
  if (!in.ok() || in.rest_size() > kChunk) return refuse(frame, errorcode::kMalformed, "write");
  const size_t size = in.rest_size();
  if (extension_ != nullptr && extension_->busy()) return refuse(frame, errorcode::kBusy, "the camera is live");
  const bool known = upload_.open && upload_.id == id;
  const bool late = !known && is_late(id);
  if (!known && !late && offset == 0 && size <= engine_.input_bytes()) {
    upload_ = {id, 0, true, false, static_cast<uint32_t>(engine_.input_bytes()), 0};
  }
  const bool mine = upload_.open && upload_.id == id;
  if (mine && (offset > upload_.total || size > upload_.total - offset)) {
    return refuse(frame, errorcode::kMalformed, "write past the picture's end");
  }
  if (mine && offset <= upload_.received) {
    if (offset + size > upload_.received) {
      if (upload_.frame) {
        const size_t known_bytes = upload_.received - offset;
        upload_.crc = crc32(in.rest() + known_bytes, size - known_bytes, upload_.crc);
        extension_->push_frame(in.rest() + known_bytes, size - known_bytes);
      } else {
        memcpy(upload_buffer() + offset, in.rest(), size);
      }
      upload_.received = static_cast<uint32_t>(offset + size);
    } else {
      counters_.repeats++;
    }
  }
  ByteWriter out(payload_, sizeof(payload_));
  out.u32(session_);
  out.u32(id);
  out.u32(late ? static_cast<uint32_t>(offset + size) : mine ? upload_.received : 0);
  respond(frame, out);
}

bool Server::is_late(uint32_t id) { return (inferring_ && inferring_id_ == id) || find_kept(id) != nullptr; }

Server::Kept* Server::find_kept(uint32_t id) {
  for (Kept& kept : kept_) {
    if (kept.valid && kept.id == id) return &kept;
  }
  return nullptr;
}

void Server::ask_infer(const Frame& frame, ByteReader& in) {
  const uint32_t id = in.u32();
  const uint32_t crc = in.u32();
  const uint8_t kept_flags = memory_.digests != nullptr ? inferflag::kDigests | inferflag::kTicks : 0;
  const uint8_t flags = in.u8() & kept_flags;
  if (!in.done()) return refuse(frame, errorcode::kMalformed, "infer");
  if (const Kept* kept = find_kept(id)) {
    counters_.repeats++;
    return send_result(frame.sequence, id, status::kOk, kept);
  }
  // Asked again while it runs or waits: the answer is on its way.
  if ((inferring_ && inferring_id_ == id) || (request_.waiting && request_.id == id)) return;
  if (!upload_.open || upload_.id != id || upload_.received != upload_.total) {
    return send_result(frame.sequence, id, status::kNoInput, nullptr);
  }
  request_ = {id, crc, frame.sequence, flags, true};
}

void Server::run_request() {
  const Request request = request_;
  request_.waiting = false;
  const size_t bytes = engine_.input_bytes();
  if ((upload_.frame ? upload_.crc : crc32(upload_buffer(), bytes)) != request.crc) {
    upload_.open = false;
    return send_result(request.sequence, request.id, status::kBadInput, nullptr);
  }
  if (memory_.staging != nullptr) memcpy(engine_.input(), memory_.staging, bytes);
  // The engine destroys its input, and with a second buffer the next picture may come: either way this one is used up.
  upload_.open = false;
  inferring_id_ = request.id;
  const uint64_t ticks = invoke(request.flags);
  if (request.flags != 0) {
    layers_id_ = request.id;
    layers_flags_ = request.flags;
  }
  const size_t slot = next_kept_;
  next_kept_ = (next_kept_ + 1) % kKeptResults;
  kept_[slot] = {request.id, ticks, true};
  memcpy(memory_.results + slot * engine_.info().outputs, engine_.output(), engine_.info().outputs);
  send_result(request.sequence, request.id, status::kOk, &kept_[slot]);
}

uint64_t Server::invoke(uint8_t flags) {
  outbox_.flush();
  const size_t layer_bytes = engine_.info().layers * sizeof(uint32_t);
  const bool digests = (flags & inferflag::kDigests) != 0;
  const bool layer_ticks = (flags & inferflag::kTicks) != 0;
  if (digests) memset(memory_.digests, 0, layer_bytes);
  if (layer_ticks) memset(memory_.ticks, 0, layer_bytes);
  if (flags != 0) layers_flags_ = 0;
  recording_ = flags;
  inferring_ = true;
  const Observe observe = digests                      ? Observe::kDigests
                          : layer_ticks                ? Observe::kTicks
                          : memory_.staging != nullptr ? Observe::kPauses
                                                       : Observe::kNothing;
  const uint64_t ticks = engine_.invoke(observe, *this);
  recording_ = 0;
  inferring_ = false;
  counters_.inferences++;
  return ticks;
}

bool Server::infer_once(uint64_t* ticks) {
  if (extension_ != nullptr) extension_->yield_engine();
  const bool uploaded = upload_.open && upload_.received == upload_.total;
  if (!uploaded) {
    memset(engine_.input(), 0, engine_.input_bytes());
  } else if (memory_.staging != nullptr) {
    memcpy(engine_.input(), memory_.staging, engine_.input_bytes());
  }
  if (memory_.staging == nullptr) upload_.open = false;
  inferring_id_ = 0;
  *ticks = invoke(0);
  return uploaded;
}

int8_t* Server::begin_typed_picture() {
  upload_ = {kTyped, 0, true, false, static_cast<uint32_t>(engine_.input_bytes()), 0};
  return upload_buffer();
}

void Server::drop_upload() {
  if (memory_.staging == nullptr || upload_.frame) upload_.open = false;
}

uint64_t Server::infer_input() {
  if (memory_.staging == nullptr) upload_.open = false;
  inferring_id_ = 0;
  return invoke(0);
}

void Server::send_result(uint16_t sequence, uint32_t id, uint8_t status, const Kept* kept) {
  ByteWriter out(payload_, sizeof(payload_));
  out.u32(session_);
  out.u32(id);
  out.u8(status);
  out.u64(kept != nullptr ? kept->ticks : 0);
  if (kept != nullptr) {
    const size_t outputs = engine_.info().outputs;
    out.bytes(memory_.results + static_cast<size_t>(kept - kept_) * outputs, outputs);
  }
  outbox_.frame(kResult, sequence, payload_, out.size());
}

void Server::layers(const Frame& frame, ByteReader& in) {
  const uint32_t id = in.u32();
  const uint8_t kind = in.u8();
  const uint16_t first = in.u16();
  if (!in.done() || kind > layerkind::kTicks) return refuse(frame, errorcode::kMalformed, "layers");
  const uint32_t* values = kind == layerkind::kDigests ? memory_.digests : memory_.ticks;
  const uint8_t flag = kind == layerkind::kDigests ? inferflag::kDigests : inferflag::kTicks;
  const bool kept = layers_id_ == id && (layers_flags_ & flag) != 0 && values != nullptr;
  const uint16_t total = kept ? engine_.info().layers : 0;
  ByteWriter out(payload_, sizeof(payload_));
  out.u32(session_);
  out.u32(id);
  out.u8(kind);
  out.u16(first);
  out.u16(total);
  for (uint16_t i = first; i < total && out.size() + 4 <= sizeof(payload_); i++) out.u32(values[i]);
  respond(frame, out);
}

void Server::stats(const Frame& frame) {
  ByteWriter out(payload_, sizeof(payload_));
  out.u32(session_);
  out.u32(port_.milliseconds());
  out.u32(counters_.inferences);
  out.u32(counters_.frames);
  out.u32(counters_.bad_frames);
  out.u32(counters_.repeats);
  out.u32(counters_.abandoned);
  out.u32(outbox_.dropped_bytes());
  out.u32(counters_.console_lines);
  respond(frame, out);
}

void Server::rows_done(uint16_t layer, uint32_t digest, uint32_t ticks) {
  if (layer >= engine_.info().layers) return;
  if ((recording_ & inferflag::kDigests) != 0) memory_.digests[layer] += digest;
  if ((recording_ & inferflag::kTicks) != 0) memory_.ticks[layer] += ticks;
}

void Server::pause() {
  // A console command runs inside receive() already.
  if (memory_.staging == nullptr || in_console_) return;
  receive();
  outbox_.flush();
}

}  // namespace vww
