#include "vww_live.h"

#include <cstring>

#include "vww_messages.h"

namespace vww {

Live::Live(Engine& engine, TimedPort& port, uint32_t (*microseconds)(), const Memory& memory)
    : engine_(engine), port_(port), microseconds_(microseconds), memory_(memory) {
  // What nearly every model takes, until the host says how this one wants its pictures.
  for (int i = 0; i < 256; i++) table_[i] = static_cast<int8_t>(i - 128);
}

InputFormat Live::input_format() const {
  const EngineInfo& info = engine_.info();
  return {info.width, info.height, static_cast<uint8_t>(info.channels), crop_, table_};
}

size_t Live::outputs() const {
  const size_t outputs = engine_.info().outputs;
  return outputs < kMaxOutputs ? outputs : kMaxOutputs;
}

uint32_t Live::picture_bytes(uint16_t width, uint16_t height, uint8_t pixels) const {
  const CameraFormat format{width, height, static_cast<PixelFormat>(pixels)};
  return Preprocess::check(format, input_format()) == PreprocessError::kNone ? vww::picture_bytes(format) : 0;
}

void Live::begin_picture(uint16_t width, uint16_t height, uint8_t pixels, int8_t* input) {
  preprocess_.begin({width, height, static_cast<PixelFormat>(pixels)}, input_format(), input, memory_.work);
}

bool Live::handle(Server& server, const Frame& frame) {
  switch (frame.type) {
    case kPrepare:
      prepare(server, frame);
      return true;
    case kOpenCamera:
      open(server, frame);
      return true;
    case kLive:
      set(server, frame);
      return true;
    case kPoll:
      poll(server, frame);
      return true;
    case kReadFrame:
      read(server, frame);
      return true;
    default:
      return false;
  }
}

void Live::prepare(Server& server, const Frame& frame) {
  message::Prepare asked;
  if (!asked.unpack(frame.payload, frame.size)) return server.refuse(frame, errorcode::kMalformed, "prepare");
  crop_ = asked.crop != 0;
  memcpy(table_, asked.table, sizeof(table_));
  server.respond(frame, message::Prepared{server.session()});
}

void Live::open(Server& server, const Frame& frame) {
  message::OpenCamera asked;
  if (!asked.unpack(frame.payload, frame.size) || asked.pattern > static_cast<uint8_t>(TestPattern::kBars)) {
    return server.refuse(frame, errorcode::kMalformed, "open camera");
  }
  CameraMode mode;
  mode.format = {asked.width, asked.height, static_cast<PixelFormat>(asked.pixels)};
  mode.pattern = static_cast<TestPattern>(asked.pattern);
  // Cameras take a second or more to start; whoever did not wait for the answer asks again.
  if (!answered_opening_ || asked.opening != opening_) {
    stop();
    held_ = {};
    mode_ = mode;
    if (camera_ == nullptr) {
      opened_ = CameraStatus::kNoCamera;
    } else if (Preprocess::check(mode.format, input_format()) != PreprocessError::kNone) {
      opened_ = CameraStatus::kUnsupported;
    } else {
      opened_ = camera_->begin(mode);
    }
    opening_ = asked.opening;
    answered_opening_ = true;
  }
  server.respond(frame, message::CameraOpened{server.session(), asked.opening, static_cast<uint8_t>(opened_),
                                              static_cast<uint32_t>(memory_.held_bytes),
                                              camera_ != nullptr ? camera_->name() : ""});
}

uint8_t Live::possible(uint8_t keep) const {
  const size_t model = (keep & framekind::kModel) != 0 ? engine_.input_bytes() : 0;
  const size_t raw = (keep & framekind::kRaw) != 0 ? vww::picture_bytes(mode_.format) : 0;
  if (model + raw <= memory_.held_bytes) return keep & (framekind::kModel | framekind::kRaw);
  // What the model saw says more than what the camera gave.
  if (model != 0 && model <= memory_.held_bytes) return framekind::kModel;
  if (raw != 0 && raw <= memory_.held_bytes) return framekind::kRaw;
  return 0;
}

void Live::set(Server& server, const Frame& frame) {
  message::Live asked;
  if (!asked.unpack(frame.payload, frame.size)) return server.refuse(frame, errorcode::kMalformed, "live");
  if (asked.run == 0) {
    stop();
  } else if (opened_ == CameraStatus::kOk) {
    if (!running_) {
      server.drop_upload();
      running_ = true;
      due_now_ = true;
      failures_ = drops_ = 0;
      newest_ = held_ = {};
      status_ = CameraStatus::kOk;
    }
    interval_ms_ = asked.interval_ms;
    keep_ = possible(asked.keep);
  }
  server.respond(frame, message::LiveSet{server.session(), running_, running_ ? keep_ : uint8_t{0}});
}

void Live::poll(Server& server, const Frame& frame) {
  message::Poll asked;
  if (!asked.unpack(frame.payload, frame.size)) return server.refuse(frame, errorcode::kMalformed, "poll");
  if (held_.number != 0 && held_.number <= asked.release) held_ = {};
  const bool wants_held = asked.number != 0 && asked.number == held_.number;
  const bool there = asked.number == 0 || wants_held || asked.number == newest_.number;
  const Shot& shot = wants_held ? held_ : newest_;
  message::Shot out;
  out.session = server.session();
  out.number = there ? shot.number : 0;
  out.held = held_.number;
  out.run = running_;
  out.camera = static_cast<uint8_t>(status_);
  out.failures = failures_;
  out.drops = drops_;
  out.capture_us = shot.capture_us;
  out.preprocess_us = shot.preprocess_us;
  out.inference_us = shot.inference_us;
  out.transmit_us = shot.transmit_us;
  out.ticks = shot.ticks;
  out.outputs.data = reinterpret_cast<const uint8_t*>(wants_held ? held_outputs_ : newest_outputs_);
  out.outputs.size = out.number != 0 ? outputs() : 0;
  server.respond(frame, out);
}

void Live::read(Server& server, const Frame& frame) {
  message::ReadFrame asked;
  if (!asked.unpack(frame.payload, frame.size)) return server.refuse(frame, errorcode::kMalformed, "read frame");
  const uint8_t kind = asked.kind;
  const uint8_t* data = memory_.held;
  uint32_t total = 0;
  if (asked.number != 0 && asked.number == held_.number && (held_keep_ & kind) == kind) {
    if (kind == framekind::kRaw) total = vww::picture_bytes(mode_.format);
    if (kind == framekind::kModel) {
      total = static_cast<uint32_t>(engine_.input_bytes());
      if ((held_keep_ & framekind::kRaw) != 0) data += vww::picture_bytes(mode_.format);
    }
  }
  Bytes piece{nullptr, 0};
  if (asked.offset < total) {
    const size_t left = total - asked.offset;
    const size_t room = Server::rest_room<message::FramePiece>();
    piece = {data + asked.offset, left < room ? left : room};
  }
  server.respond(frame, message::FramePiece{server.session(), asked.number, kind, total, asked.offset, piece});
}

void Live::step(Server& server) {
  if (opened_ == CameraStatus::kWaiting) opened_ = camera_->starting();
  if (!running_) return;
  if (!capturing_) {
    if (!due_now_ && port_.milliseconds() - begun_ms_ < pause_ms_) return;
    return begin_shot();
  }
  const CameraStatus status = camera_->poll(*this);
  if (status == CameraStatus::kWaiting) return;
  capturing_ = false;
  status_ = status;
  pause_ms_ = interval_ms_;
  if (status == CameraStatus::kOk) return finish_shot(server);
  failures_++;
  pause_ms_ = interval_ms_ > kRetryMs ? interval_ms_ : kRetryMs;
}

void Live::begin_shot() {
  due_now_ = false;
  begun_ms_ = port_.milliseconds();
  begun_us_ = microseconds_();
  current_ = {};
  current_.transmit_us = port_.sent_us() - sent_before_us_;
  sent_before_us_ = port_.sent_us();
  raw_size_ = 0;
  keeping_ = keep_ != 0 && held_.number == 0;
  held_keep_ = keeping_ ? keep_ : held_keep_;
  preprocess_.begin(mode_.format, input_format(), engine_.input(), memory_.work);
  camera_->request();
  capturing_ = true;
}

void Live::take(const uint8_t* data, size_t size) {
  if (keeping_ && (held_keep_ & framekind::kRaw) != 0 && raw_size_ + size <= vww::picture_bytes(mode_.format)) {
    memcpy(memory_.held + raw_size_, data, size);
    raw_size_ += static_cast<uint32_t>(size);
  }
  const uint32_t start = microseconds_();
  preprocess_.push(data, size);
  current_.preprocess_us += microseconds_() - start;
}

void Live::finish_shot(Server& server) {
  if (!preprocess_.done()) {
    status_ = CameraStatus::kTorn;
    failures_++;
    return;
  }
  current_.capture_us = microseconds_() - begun_us_ - current_.preprocess_us;
  current_.number = next_number_++;
  if (keeping_ && (held_keep_ & framekind::kModel) != 0) {
    const size_t raw = (held_keep_ & framekind::kRaw) != 0 ? vww::picture_bytes(mode_.format) : 0;
    memcpy(memory_.held + raw, engine_.input(), engine_.input_bytes());
  }
  const uint32_t start = microseconds_();
  current_.ticks = server.infer_input();
  current_.inference_us = microseconds_() - start;
  // The host may have ended the live mode while the model ran.
  if (!running_) return;
  newest_ = current_;
  memcpy(newest_outputs_, engine_.output(), outputs());
  if (keeping_) {
    held_ = current_;
    memcpy(held_outputs_, engine_.output(), outputs());
  } else if (keep_ != 0) {
    drops_++;
  }
}

void Live::stop() {
  running_ = false;
  capturing_ = false;
}

}  // namespace vww
