// The firmware's link on the host, in a time that the test makes: nothing here waits or looks at a clock, so a run is
// the same every time and takes as long as its computations.
//
//   lockstep_device LAYER_MS [staged]
//
// In: u32 milliseconds now, u32 size, the bytes received since. Out: u32 milliseconds that the board is busy from now
// on (0: it waits for bytes), u32 size, the bytes sent. After a restart was asked for, the program ends.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "vww_messages.h"
#include "vww_server.h"

namespace {

constexpr uint16_t kSide = 96, kOutputs = 2, kLayers = 4;

class LockstepPort final : public vww::Port {
 public:
  int read() override {
    if (at_ == received_.size()) return -1;
    return received_[at_++];
  }
  size_t write(const uint8_t* data, size_t size) override {
    sent_.insert(sent_.end(), data, data + size);
    return size;
  }
  uint32_t milliseconds() override { return now_; }

  bool empty() const { return at_ == received_.size(); }
  /// Hands over what was sent; returns when the test has let `busy_ms` pass or sends more bytes.
  void exchange(uint32_t busy_ms) {
    const uint32_t head[2] = {busy_ms, static_cast<uint32_t>(sent_.size())};
    fwrite(head, sizeof(head), 1, stdout);
    if (!sent_.empty()) fwrite(sent_.data(), 1, sent_.size(), stdout);
    fflush(stdout);
    sent_.clear();
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    uint32_t in[2];
    if (fread(in, sizeof(in), 1, stdin) != 1) exit(0);
    now_ = in[0];
    const size_t before = received_.size();
    received_.resize(before + in[1]);
    if (in[1] != 0 && fread(received_.data() + before, 1, in[1], stdin) != in[1]) exit(0);
  }

 private:
  std::vector<uint8_t> received_, sent_;
  size_t at_ = 0;
  uint32_t now_ = 0;
};

/// Two outputs that depend on every byte of the picture, after kLayers layers of some milliseconds.
class SumEngine final : public vww::Engine {
 public:
  SumEngine(LockstepPort& port, uint32_t layer_ms) : port_(port), layer_ms_(layer_ms) {}
  const vww::EngineInfo& info() const override { return kInfo; }
  int8_t* input() override { return input_; }
  const int8_t* output() const override { return output_; }
  uint64_t invoke(vww::Observe observe, vww::LayerObserver& observer) override {
    const uint32_t crc = vww::crc32(input_, sizeof(input_));
    for (uint16_t layer = 0; layer < kLayers; layer++) {
      if (layer_ms_ != 0) port_.exchange(layer_ms_);
      observer.rows_done(layer, observe == vww::Observe::kDigests ? crc + layer : 0, 1);
      if (observe != vww::Observe::kNothing) observer.pause();
    }
    memset(input_, 0x55, sizeof(input_));
    memcpy(output_, &crc, sizeof(output_));
    return layer_ms_ * 1000u * kLayers;
  }

 private:
  static const vww::EngineInfo kInfo;
  LockstepPort& port_;
  uint32_t layer_ms_;
  int8_t input_[kSide * kSide];
  int8_t output_[kOutputs];
};

const vww::EngineInfo SumEngine::kInfo = {"0.1.0", "lockstep",          {1, 2, 3}, kSide,    kSide,
                                          1,       0.0078125f,          -1,        kOutputs, 0.00390625f,
                                          -128,    vww::clock::kMicros, 1'000'000, kLayers};

}  // namespace

int main(int argc, char** argv) {
  static LockstepPort port;
  static SumEngine engine(port, argc > 1 ? static_cast<uint32_t>(atoi(argv[1])) : 0);
  static int8_t staging[kSide * kSide];
  static int8_t results[vww::Server::kKeptResults * kOutputs];
  static uint32_t digests[kLayers], ticks[kLayers];
  static vww::Server server(port, engine, {argc > 2 ? staging : nullptr, results, digests, ticks});
  while (!server.reset_requested()) {
    server.service();
    if (port.empty()) port.exchange(0);
  }
}
