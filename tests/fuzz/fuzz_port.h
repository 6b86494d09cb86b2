// What the targets share: a port whose bytes and clock the fuzzer makes, and a small engine.
#pragma once

#include <cstdlib>
#include <cstring>
#include <vector>

#include "vww_engine.h"
#include "vww_frame.h"
#include "vww_tx_buffer.h"

/// A property that must hold; libFuzzer reports the abort with the input that led to it.
inline void check(bool holds) {
  if (!holds) abort();
}

class FuzzPort final : public vww::Port {
 public:
  int read() override {
    if (at_ == bytes_.size()) return -1;
    return bytes_[at_++];
  }
  size_t write(const uint8_t*, size_t size) override { return deaf ? 0 : size; }
  // Every look at the clock takes a while, so that every wait ends, and soon.
  uint32_t milliseconds() override { return now += 50; }

  void give(const uint8_t* data, size_t size) {
    bytes_.assign(data, data + size);
    at_ = 0;
  }
  bool deaf = false;
  uint32_t now = 0;

 private:
  std::vector<uint8_t> bytes_;
  size_t at_ = 0;
};

class FuzzEngine final : public vww::Engine {
 public:
  static constexpr uint16_t kHeight = 4, kWidth = 6, kChannels = 3, kOutputs = 2, kLayers = 3;
  static constexpr size_t kInput = size_t{kHeight} * kWidth * kChannels;

  const vww::EngineInfo& info() const override { return info_; }
  int8_t* input() override { return input_; }
  const int8_t* output() const override { return output_; }
  uint64_t invoke(vww::Observe observe, vww::LayerObserver& observer) override {
    const uint32_t crc = vww::crc32(input_, sizeof(input_));
    for (uint16_t layer = 0; layer < kLayers; layer++) {
      observer.rows_done(layer, crc, 1);
      if (observe != vww::Observe::kNothing) observer.pause();
    }
    memset(input_, 0x55, sizeof(input_));
    memcpy(output_, &crc, sizeof(output_));
    return crc;
  }

 private:
  vww::EngineInfo info_ = {"0.1.0", "fuzz",   {},          kHeight, kWidth, kChannels, 1.0f / 255,
                           -128,    kOutputs, 0.00390625f, -128,    0,      1000,      kLayers};
  int8_t input_[kInput] = {};
  int8_t output_[kOutputs] = {};
};
