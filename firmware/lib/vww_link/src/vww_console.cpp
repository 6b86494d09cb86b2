#include "vww_console.h"

#include <cstring>

#include "vww_frame.h"
#include "vww_line.h"
#include "vww_messages.h"
#include "vww_server.h"

namespace vww {

namespace {

const char* clock_name(uint8_t kind) {
  return kind == clock::kInstructions ? " instructions" : kind == clock::kCycles ? " cycles" : " us";
}

void help(Server& server) {
  Line(server) << "help   this";
  Line(server) << "info   board, firmware, model";
  Line(server) << "infer  run the model on the picture uploaded last";
  Line(server) << "stats  counters since the start";
  Line(server) << "reset  start again";
}

void info(Server& server) {
  const EngineInfo& about = server.engine().info();
  char hash[65];
  for (int i = 0; i < 32; i++) {
    hash[2 * i] = "0123456789abcdef"[about.model_sha256[i] >> 4];
    hash[2 * i + 1] = "0123456789abcdef"[about.model_sha256[i] & 15];
  }
  hash[64] = 0;
  Line(server) << "board    " << about.board;
  Line(server) << "firmware " << about.firmware_version << ", protocol " << static_cast<uint32_t>(kProtocolVersion);
  Line(server) << "model    " << hash;
  Line(server) << "input    " << about.height << " x " << about.width << " x " << about.channels << " int8";
  Line(server) << "outputs  " << about.outputs << " int8, zero point " << about.output_zero_point;
}

void infer(Server& server) {
  uint64_t ticks;
  const bool uploaded = server.infer_once(&ticks);
  const EngineInfo& about = server.engine().info();
  Line line(server);
  line << "outputs";
  for (uint16_t i = 0; i < about.outputs; i++) line << " " << static_cast<int32_t>(server.engine().output()[i]);
  line << ", " << ticks << clock_name(about.clock_kind);
  if (!uploaded) line << " (no picture uploaded: ran on a gray one)";
}

void stats(Server& server) {
  const Server::Counters& counters = server.counters();
  Line(server) << "uptime        " << server.port().milliseconds() << " ms";
  Line(server) << "inferences    " << counters.inferences;
  Line(server) << "frames        " << counters.frames << " good, " << counters.bad_frames << " bad, "
               << counters.abandoned << " abandoned";
  Line(server) << "repeats       " << counters.repeats;
  Line(server) << "dropped bytes " << server.tx_buffer().dropped_bytes();
}

void reset(Server& server) {
  Line(server) << "restarting";
  server.request_reset();
}

struct Command {
  const char* name;
  void (*run)(Server&);
};
constexpr Command kCommands[] = {{"help", help}, {"info", info}, {"infer", infer}, {"stats", stats}, {"reset", reset}};

}  // namespace

char* decimal(uint64_t value, char* out) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (int i = 0; i < count; i++) out[i] = digits[count - 1 - i];
  out[count] = 0;
  return out;
}

char* signed_decimal(int64_t value, char* out) {
  if (value < 0) {
    out[0] = '-';
    decimal(0 - static_cast<uint64_t>(value), out + 1);
  } else {
    decimal(static_cast<uint64_t>(value), out);
  }
  return out;
}

uint32_t Console::feed(Server& server, const uint8_t* text, size_t size) {
  uint32_t lines = 0;
  for (size_t i = 0; i < size; i++) {
    const char c = static_cast<char>(text[i]);
    if (c == '\n' || c == '\r' || c == '%') {
      if (size_ == 0 && c != '%') continue;
      line_[size_] = 0;
      lines++;
      run(server, c == '%' ? '%' : '\n');
      size_ = 0;
    } else if (c == '\b') {
      if (size_ != 0) size_--;
    } else if (size_ < kLine) {
      line_[size_++] = c;
    }
  }
  return lines;
}

void Console::run(Server& server, char end) {
  if (more_ != nullptr && more_->run(server, line_, end)) return;
  if (end == '\n') {
    for (const Command& command : kCommands) {
      if (strcmp(line_, command.name) == 0) return command.run(server);
    }
  }
  Line(server) << "unknown command: " << line_ << " (try help)";
}

}  // namespace vww
