#include "vww_mlperf.h"

#include <cstring>

#include "vww_line.h"

namespace vww {

namespace {

void say(Server& server, const char* text) { Line(server) << text; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// A decimal number after spaces; `text` is moved behind it. False when there is none, or one that is too large.
bool number(const char*& text, uint32_t* value) {
  while (*text == ' ') text++;
  if (*text < '0' || *text > '9') return false;
  uint64_t sum = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    sum = sum * 10 + static_cast<uint64_t>(*text - '0');
    if (sum > UINT32_MAX) return false;
  }
  *value = static_cast<uint32_t>(sum);
  return true;
}

/// What follows `word` and a space (or the end) in `line`; null when `line` begins with another word.
const char* after(const char* line, const char* word) {
  const size_t length = strlen(word);
  if (strncmp(line, word, length) != 0) return nullptr;
  if (line[length] == 0) return line + length;
  return line[length] == ' ' ? line + length + 1 : nullptr;
}

/// How many outputs are reported.
uint16_t reported(const EngineInfo& about) { return about.outputs <= Mlperf::kMaxResults ? about.outputs : 0; }

uint64_t now_us(Server& server) { return static_cast<uint64_t>(server.port().milliseconds()) * 1000; }

/// The pictures of the benchmark are uint8, and its int8 models take each value less 128.
uint8_t flip(int8_t value) { return static_cast<uint8_t>(value) ^ 0x80; }

}  // namespace

bool Mlperf::run(Server& server, const char* line, char end) {
  if (end != '%') return false;
  if (running_) {
    say(server, "e-[Busy]");
  } else if (after(line, "name") != nullptr) {
    name(server);
  } else if (after(line, "profile") != nullptr) {
    profile(server);
  } else if (after(line, "timestamp") != nullptr) {
    timestamp(server);
  } else if (after(line, "results") != nullptr) {
    results(server);
  } else if (after(line, "help") != nullptr) {
    say(server, "vww-deploy, MLPerf Tiny device protocol");
    say(server, "");
    say(server, "name, profile, timestamp, db load N, db HEX, db print, infer N [W], results, help; each ends with %");
  } else if (const char* arguments = after(line, "infer")) {
    return infer(server, arguments), true;
  } else if (const char* subcommand = after(line, "db")) {
    if (*subcommand == 0) {
      say(server, "e-[Command 'db' requires a subcommand]");
    } else if (const char* size = after(subcommand, "load")) {
      load(server, size);
    } else if (after(subcommand, "print") != nullptr) {
      print(server);
    } else {
      hex(server, subcommand);
    }
  } else {
    const char* space = strchr(line, ' ');
    const size_t word = space != nullptr ? static_cast<size_t>(space - line) : strlen(line);
    server.tx_buffer().text("e-[Unknown command: ");
    server.tx_buffer().text(line, word);
    say(server, "]");
  }
  say(server, "m-ready");
  return true;
}

void Mlperf::name(Server& server) { Line(server) << "m-name-dut-[vww-deploy " << server.engine().info().board << "]"; }

void Mlperf::profile(Server& server) {
  Line(server) << "m-profile-[vww-deploy " << server.engine().info().firmware_version << "]";
  say(server, "m-model-[vww01]");
}

void Mlperf::timestamp(Server& server) { Line(server) << "m-lap-us-" << now_us(server); }

void Mlperf::load(Server& server, const char* argument) {
  uint32_t size;
  if (!number(argument, &size)) return say(server, "e-[Command 'db load' requires the # of bytes]");
  if (size == 0) return say(server, "e-[Command 'db load' must be >0 bytes]");
  const uint64_t most = server.engine().input_bytes();
  if (size > most) {
    Line(server) << "Supplied buffer size " << static_cast<uint64_t>(size) << " exceeds maximum of " << most;
    return;
  }
  expected_ = size;
  received_ = 0;
  picture_ = server.begin_typed_picture();
  Line(server) << "m-[Expecting " << static_cast<uint64_t>(size) << " bytes]";
}

void Mlperf::hex(Server& server, const char* digits) {
  if (strlen(digits) % 2 != 0) return say(server, "e-[Insufficent number of hex digits]");
  for (; *digits != 0; digits += 2) {
    const int high = hex_digit(digits[0]);
    const int low = hex_digit(digits[1]);
    if (high < 0 || low < 0) {
      const char pair[3] = {digits[0], digits[1], 0};
      Line(server) << "e-[Invalid hex digit '" << pair << "']";
      return;
    }
    if (received_ == expected_) continue;
    if (!server.owns_typed_picture()) {
      // A host's upload has taken the buffer since.
      received_ = expected_ = 0;
      continue;
    }
    picture_[received_++] = static_cast<int8_t>((high * 16 + low) ^ 0x80);
    if (received_ == expected_) {
      if (received_ == server.engine().input_bytes()) server.finish_typed_picture();
      say(server, "m-load-done");
    }
  }
}

void Mlperf::print(Server& server) {
  const uint32_t size = server.owns_typed_picture() ? received_ : 0;
  for (uint32_t at = 0; at < size; at += 8) {
    Line line(server);
    line << "m-buffer";
    for (uint32_t i = at; i < at + 8 && i < size; i++) {
      const uint8_t value = flip(picture_[i]);
      const char pair[4] = {'-', "0123456789abcdef"[value >> 4], "0123456789abcdef"[value & 15], 0};
      line << pair;
    }
  }
}

void Mlperf::infer(Server& server, const char* arguments) {
  uint32_t inferences = 1;
  uint32_t warmup = 10;
  const bool asked = *arguments != 0;
  const char* refusal = nullptr;
  if (asked && (!number(arguments, &inferences) || inferences == 0 || inferences > kMaxInferences)) {
    refusal = "e-[Inference iterations must be >0]";
  } else if (*arguments == ' ' && (!number(arguments, &warmup) || warmup > kMaxInferences)) {
    refusal = "e-[Inference warmup must be >=0]";
  }
  if (refusal != nullptr) {
    say(server, refusal);
    return say(server, "m-ready");
  }
  const uint64_t wanted = server.engine().input_bytes();
  if (!server.owns_typed_picture()) received_ = 0;
  if (received_ != wanted) {
    Line(server) << "Input db has " << static_cast<uint64_t>(received_) << " elemented, expected " << wanted;
  }
  Line(server) << "m-warmup-start-" << static_cast<uint64_t>(warmup);
  inferences_ = inferences_left_ = inferences;
  warmup_left_ = warmup;
  running_ = first_ = true;
}

void Mlperf::step(Server& server) {
  if (!running_) return;
  if (warmup_left_ == 0 && inferences_left_ == inferences_) {
    say(server, "m-warmup-done");
    Line(server) << "m-infer-start-" << static_cast<uint64_t>(inferences_);
    start_us_ = now_us(server);
    ticks_ = 0;
    Line(server) << "m-lap-us-" << start_us_;
  }
  uint64_t ticks;
  server.infer_once(&ticks);
  if (first_) memcpy(results_, server.engine().output(), reported(server.engine().info()));
  first_ = false;
  if (warmup_left_ != 0) {
    warmup_left_--;
    return;
  }
  ticks_ += ticks;
  if (--inferences_left_ == 0) finish(server);
}

void Mlperf::finish(Server& server) {
  running_ = false;
  const uint64_t hz = server.engine().info().clock_hz;
  // In two steps, because ticks * 1,000,000 may be more than 64 bits hold.
  const uint64_t us = ticks_ / hz * 1'000'000 + ticks_ % hz * 1'000'000 / hz;
  Line(server) << "m-lap-us-" << start_us_ + us;
  say(server, "m-infer-done");
  results(server);
  say(server, "m-ready");
}

void Mlperf::results(Server& server) {
  const EngineInfo& about = server.engine().info();
  Line line(server);
  line << "m-results-[";
  const int count = reported(about);
  for (int i = 0; i < count; i++) {
    const float value = static_cast<float>(results_[i] - about.output_zero_point) * about.output_scale;
    const uint32_t thousandths = static_cast<uint32_t>((value < 0 ? -value : value) * 1000 + 0.5f);
    if (value < 0 && thousandths != 0) line << "-";
    const char rest[6] = {'.',
                          static_cast<char>('0' + thousandths / 100 % 10),
                          static_cast<char>('0' + thousandths / 10 % 10),
                          static_cast<char>('0' + thousandths % 10),
                          i + 1 < count ? ',' : '\0',
                          0};
    line << static_cast<uint64_t>(thousandths / 1000) << rest;
  }
  line << "]";
}

}  // namespace vww
