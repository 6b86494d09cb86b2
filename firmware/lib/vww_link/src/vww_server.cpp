#include "vww_server.h"

#include <cstring>

namespace vww {

void Server::service() {
  receive();
  while (request_.waiting) {
    run_request();
    receive();
  }
  tx_buffer_.flush();
}

void Server::receive() {
  // Bounded, so that a host which sends without end cannot keep the loop from its other work. What follows an
  // inference's request may be the next picture: it stays in the port until the inference has taken its own out of the
  // buffer.
  size_t budget = 2 * kReceiveBytes;
  for (; budget != 0 && !request_.waiting; budget--) {
    const int byte = port_.read();
    if (byte < 0) break;
    switch (decoder_.feed(static_cast<uint8_t>(byte))) {
      case Decoder::Event::kNone:
        break;
      case Decoder::Event::kText:
        read_text();
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
  if (!decoder_.in_frame()) return;
  // The clock is read once for all the bytes that were there: on some boards it takes longer than a byte's work.
  const uint32_t now = port_.milliseconds();
  if (budget != 2 * kReceiveBytes) {
    last_byte_ms_ = now;
  } else if (now - last_byte_ms_ > kFrameGapMs) {
    last_byte_ms_ = now;
    if (!decoder_.paused()) counters_.abandoned++;
    if (decoder_.pause() == Decoder::Event::kText) read_text();
  }
}

void Server::read_text() {
  // In the middle of an inference a command waits in no queue: whoever types types again.
  if (inferring_) return;
  in_console_ = true;
  counters_.console_lines += console_.feed(*this, decoder_.text(), decoder_.text_size());
  in_console_ = false;
}

void Server::handle(const Frame& frame) {
  if (frame.version != kProtocolVersion) return refuse(frame, errorcode::kVersion, "other protocol version");
  switch (frame.type) {
    case kHello:
      return hello(frame);
    case kBeginFrame:
      return begin_frame(frame);
    case kWrite:
      return write(frame);
    case kInfer:
      return ask_infer(frame);
    case kLayers:
      return layers(frame);
    case kGetStats:
      return stats(frame);
    case kReset:
      respond(frame, message::ResetDone{session_});
      reset_requested_ = true;
      return;
    default:
      if (extension_ != nullptr && extension_->handle(*this, frame)) return;
      return refuse(frame, errorcode::kUnknown, "unknown request");
  }
}

void Server::refuse(const Frame& frame, uint8_t code, const char* why) {
  send(frame.sequence, message::Refused{code, why});
}

void Server::hello(const Frame& frame) {
  message::Hello asked;
  if (!asked.unpack(frame.payload, frame.size)) return refuse(frame, errorcode::kMalformed, "hello");
  session_ = asked.session;
  if (extension_ != nullptr) extension_->yield_engine();
  const EngineInfo& about = engine_.info();
  message::Info info;
  info.version = kProtocolVersion;
  info.schema = kSchemaHash;
  info.session = session_;
  info.firmware = about.firmware_version;
  info.board = about.board;
  info.model_sha256 = about.model_sha256;
  info.height = about.height;
  info.width = about.width;
  info.channels = about.channels;
  info.input_scale = about.input_scale;
  info.input_zero_point = about.input_zero_point;
  info.outputs = about.outputs;
  info.output_scale = about.output_scale;
  info.output_zero_point = about.output_zero_point;
  info.clock = about.clock_kind;
  info.clock_hz = about.clock_hz;
  info.chunk = kChunk;
  info.window = kWindow;
  info.layers = about.layers;
  info.features = (memory_.staging != nullptr ? uint32_t{feature::kStagedInput} : 0) |
                  (memory_.digests != nullptr ? uint32_t{feature::kLayers} : 0) |
                  (extension_ != nullptr ? uint32_t{feature::kFrames} : 0);
  respond(frame, info);
}

void Server::begin_frame(const Frame& frame) {
  message::BeginFrame asked;
  if (!asked.unpack(frame.payload, frame.size)) return refuse(frame, errorcode::kMalformed, "begin frame");
  if (extension_ == nullptr) return refuse(frame, errorcode::kUnknown, "unknown request");
  if (extension_->busy()) return refuse(frame, errorcode::kBusy, "the camera is live");
  const uint32_t total = extension_->picture_bytes(asked.width, asked.height, asked.pixels);
  const bool known = upload_.open && upload_.camera && upload_.id == asked.id;
  if (!known && !is_late(asked.id) && total != 0) {
    extension_->begin_picture(asked.width, asked.height, asked.pixels, upload_buffer());
    upload_ = {asked.id, 0, true, true, total, 0};
  }
  respond(frame, message::FrameBegun{session_, asked.id, total});
}

void Server::write(const Frame& frame) {
  message::Write piece;
  if (!piece.unpack(frame.payload, frame.size) || piece.data.size > kChunk) {
    return refuse(frame, errorcode::kMalformed, "write");
  }
  const uint32_t id = piece.id;
  const uint32_t offset = piece.offset;
  const size_t size = piece.data.size;
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
      if (upload_.camera) {
        const size_t known_bytes = upload_.received - offset;
        upload_.crc = crc32(piece.data.data + known_bytes, size - known_bytes, upload_.crc);
        extension_->push_picture(piece.data.data + known_bytes, size - known_bytes);
      } else {
        memcpy(upload_buffer() + offset, piece.data.data, size);
      }
      upload_.received = static_cast<uint32_t>(offset + size);
    } else {
      counters_.repeats++;
    }
  }
  const uint32_t received = late ? static_cast<uint32_t>(offset + size) : mine ? upload_.received : 0;
  respond(frame, message::Ack{session_, id, received});
}

bool Server::is_late(uint32_t id) { return (inferring_ && inferring_id_ == id) || find_kept(id) != nullptr; }

Server::Kept* Server::find_kept(uint32_t id) {
  for (Kept& kept : kept_) {
    if (kept.valid && kept.id == id) return &kept;
  }
  return nullptr;
}

void Server::ask_infer(const Frame& frame) {
  message::Infer asked;
  if (!asked.unpack(frame.payload, frame.size)) return refuse(frame, errorcode::kMalformed, "infer");
  const uint32_t id = asked.id;
  const uint8_t kept_flags = memory_.digests != nullptr ? inferflag::kDigests | inferflag::kTicks : 0;
  if (const Kept* kept = find_kept(id)) {
    counters_.repeats++;
    return send_result(frame.sequence, id, status::kOk, kept);
  }
  // Asked again while it runs or waits: the answer is on its way.
  if ((inferring_ && inferring_id_ == id) || (request_.waiting && request_.id == id)) return;
  if (!upload_.open || upload_.id != id || upload_.received != upload_.total) {
    return send_result(frame.sequence, id, status::kNoInput, nullptr);
  }
  request_ = {id, asked.crc, frame.sequence, static_cast<uint8_t>(asked.flags & kept_flags), true};
}

void Server::run_request() {
  const Request request = request_;
  request_.waiting = false;
  const size_t bytes = engine_.input_bytes();
  if ((upload_.camera ? upload_.crc : crc32(upload_buffer(), bytes)) != request.crc) {
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
  tx_buffer_.flush();
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
  if (memory_.staging == nullptr || upload_.camera) upload_.open = false;
}

uint64_t Server::infer_input() {
  if (memory_.staging == nullptr) upload_.open = false;
  inferring_id_ = 0;
  return invoke(0);
}

void Server::send_result(uint16_t sequence, uint32_t id, uint8_t status, const Kept* kept) {
  Bytes outputs{nullptr, 0};
  if (kept != nullptr) {
    outputs.size = engine_.info().outputs;
    outputs.data = reinterpret_cast<const uint8_t*>(memory_.results) + static_cast<size_t>(kept - kept_) * outputs.size;
  }
  send(sequence, message::Result{session_, id, status, kept != nullptr ? kept->ticks : 0, outputs});
}

void Server::layers(const Frame& frame) {
  message::Layers asked;
  if (!asked.unpack(frame.payload, frame.size) || asked.kind > layerkind::kTicks) {
    return refuse(frame, errorcode::kMalformed, "layers");
  }
  const bool digests = asked.kind == layerkind::kDigests;
  const uint32_t* values = digests ? memory_.digests : memory_.ticks;
  const uint8_t flag = digests ? inferflag::kDigests : inferflag::kTicks;
  const bool kept = layers_id_ == asked.id && (layers_flags_ & flag) != 0 && values != nullptr;
  const uint16_t total = kept ? engine_.info().layers : 0;
  // The values are appended one by one: their bytes in memory need not be the wire's.
  ByteWriter out(payload_, sizeof(payload_));
  message::Values{session_, asked.id, asked.kind, asked.first, total, {nullptr, 0}}.pack(out);
  for (uint16_t i = asked.first; i < total && out.room() >= sizeof(uint32_t); i++) out.u32(values[i]);
  tx_buffer_.frame(kValues, frame.sequence, payload_, out.size());
}

void Server::stats(const Frame& frame) {
  respond(frame,
          message::Stats{session_, port_.milliseconds(), counters_.inferences, counters_.frames, counters_.bad_frames,
                         counters_.repeats, counters_.abandoned, tx_buffer_.dropped_bytes(), counters_.console_lines});
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
  tx_buffer_.flush();
}

}  // namespace vww
