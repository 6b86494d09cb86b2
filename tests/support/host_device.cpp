// The firmware's link on the host: its real frames, server and console around a tiny engine, over standard input and
// output.
//
//   host_device decode    prints the events of what comes in, for the golden table
//   host_device encode    lines "type sequence payload-hex" in, the frame in hex out
//   host_device serve     answers as a board would; `serve staged` with a second input buffer
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "vww_messages.h"
#include "vww_server.h"

namespace {

constexpr uint16_t kHeight = 48, kWidth = 64;
constexpr uint16_t kOutputs = 2, kLayers = 3;

class StandardPort final : public vww::Port {
 public:
  int read() override {
    if (at_ == size_) {
      pollfd waiting{0, POLLIN, 0};
      if (poll(&waiting, 1, 1) == 0) return -1;
      const ssize_t got = ::read(0, buffer_, sizeof(buffer_));
      if (got <= 0) {
        closed = got == 0;
        return -1;
      }
      at_ = 0;
      size_ = static_cast<size_t>(got);
      closed = false;
    }
    return buffer_[at_++];
  }
  size_t write(const uint8_t* data, size_t size) override {
    // A pipe or tty that is almost full takes a little without blocking; a whole transmit buffer might block.
    pollfd room{1, POLLOUT, 0};
    if (poll(&room, 1, 1) == 0) return 0;
    const ssize_t sent = ::write(1, data, size < 256 ? size : 256);
    return sent > 0 ? static_cast<size_t>(sent) : 0;
  }
  uint32_t milliseconds() override {
    using namespace std::chrono;
    return static_cast<uint32_t>(
        duration_cast<std::chrono::milliseconds>(steady_clock::now().time_since_epoch()).count());
  }
  bool closed = false;

 private:
  uint8_t buffer_[4096];
  size_t at_ = 0, size_ = 0;
};

/// Two outputs that depend on every byte of the picture.
class SumEngine final : public vww::Engine {
 public:
  const vww::EngineInfo& info() const override { return kInfo; }
  int8_t* input() override { return input_; }
  const int8_t* output() const override { return output_; }
  uint64_t invoke(vww::Observe observe, vww::LayerObserver& observer) override {
    const uint32_t crc = vww::crc32(input_, sizeof(input_));
    for (uint16_t layer = 0; layer < kLayers; layer++) {
      usleep(2000);
      observer.rows_done(layer, observe == vww::Observe::kDigests ? crc + layer : 0, 100u * (layer + 1u));
      observer.pause();
    }
    memset(input_, 0x55, sizeof(input_));
    output_[0] = static_cast<int8_t>(crc);
    output_[1] = static_cast<int8_t>(crc >> 8);
    return 600;
  }

 private:
  static const vww::EngineInfo kInfo;
  int8_t input_[kHeight * kWidth];
  int8_t output_[kOutputs];
};

const vww::EngineInfo SumEngine::kInfo = {"0.1.0",    "host", {1, 2, 3}, kHeight,     kWidth, 1,
                                          0.0078125f, -1,     kOutputs,  0.00390625f, -128,   vww::clock::kMicros,
                                          1'000'000,  kLayers};

void print_hex(const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; i++) printf("%02x", data[i]);
}

int decode() {
  static uint8_t buffer[512];
  vww::Decoder decoder(buffer, sizeof(buffer));
  for (int byte; (byte = getchar()) != EOF;) {
    using Event = vww::Decoder::Event;
    switch (decoder.feed(static_cast<uint8_t>(byte))) {
      case Event::kNone:
        continue;
      case Event::kText:
        printf("text ");
        print_hex(decoder.text(), decoder.text_size());
        break;
      case Event::kFrame: {
        const vww::Frame& frame = decoder.frame();
        printf("frame %u %u %u ", frame.version, frame.type, frame.sequence);
        print_hex(frame.payload, frame.size);
        break;
      }
      case Event::kTooLong:
        printf("too long");
        break;
      case Event::kBroken:
        printf("broken");
        break;
      case Event::kBadCrc:
        printf("bad crc");
        break;
    }
    printf("\n");
  }
  return 0;
}

int encode() {
  unsigned type, sequence;
  static char hex[8192];
  while (scanf("%u %u %8191s", &type, &sequence, hex) == 3) {
    std::vector<uint8_t> payload;
    for (size_t i = 0; hex[0] != '-' && hex[i] != 0; i += 2) {
      payload.push_back(static_cast<uint8_t>(std::stoi(std::string(hex + i, 2), nullptr, 16)));
    }
    static uint8_t out[8192];
    const size_t size = vww::encode_frame(static_cast<uint8_t>(type), static_cast<uint16_t>(sequence), payload.data(),
                                          payload.size(), out, sizeof(out));
    print_hex(out, size);
    printf("\n");
  }
  return 0;
}

int serve(bool staged) {
  static StandardPort port;
  static SumEngine engine;
  static int8_t staging[kHeight * kWidth];
  static int8_t results[vww::Server::kKeptResults * kOutputs];
  static uint32_t digests[kLayers], ticks[kLayers];
  static vww::Server server(port, engine, {staged ? staging : nullptr, results, digests, ticks});
  while (!port.closed && !server.reset_requested()) server.service();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "decode") return decode();
  if (mode == "encode") return encode();
  if (mode == "serve") return serve(argc > 2);
  fprintf(stderr, "usage: host_device decode|encode|serve [staged]\n");
  return 2;
}
