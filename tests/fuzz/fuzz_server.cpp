// The message handlers, the console, the benchmark's commands and the live mode, put together as main.cpp does it.
// The input is a list of steps: raw bytes, a whole frame with any message in it, camera bytes, time that passes.
#include <fuzzer/FuzzedDataProvider.h>

#include <string>

#include "fuzz_port.h"
#include "virtual_camera.h"
#include "vww_live.h"
#include "vww_mlperf.h"
#include "vww_preprocess.h"
#include "vww_server.h"

namespace {

FuzzPort* clock_port;
uint32_t microseconds() { return clock_port->now * 1000; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider fuzz(data, size);
  // On the heap, each its own: the sanitizer sees every step over an edge.
  const bool staged = fuzz.ConsumeBool();
  const bool layers = fuzz.ConsumeBool();
  std::vector<int8_t> staging(FuzzEngine::kInput), results(vww::Server::kKeptResults * FuzzEngine::kOutputs);
  std::vector<uint32_t> digests(FuzzEngine::kLayers), ticks(FuzzEngine::kLayers);
  std::vector<uint32_t> work(vww::Preprocess::work_words(FuzzEngine::kWidth, FuzzEngine::kChannels));
  std::vector<uint8_t> held(fuzz.ConsumeIntegralInRange<size_t>(0, 2000));
  FuzzPort port, camera_port;
  clock_port = &port;
  FuzzEngine engine;
  vww::TimedPort timed(port, microseconds);
  vww::Mlperf mlperf;
  vww::VirtualCamera camera(camera_port);
  vww::Server server(timed, engine,
                     {staged ? staging.data() : nullptr, results.data(), layers ? digests.data() : nullptr,
                      layers ? ticks.data() : nullptr},
                     &mlperf);
  vww::Live live(engine, timed, microseconds, {work.data(), held.data(), held.size()});
  live.attach(&camera);
  server.extend(live);
  for (int steps = 0; steps < 64 && fuzz.remaining_bytes() != 0; steps++) {
    switch (fuzz.ConsumeIntegralInRange<int>(0, 5)) {
      case 0: {
        const auto bytes = fuzz.ConsumeBytes<uint8_t>(fuzz.ConsumeIntegralInRange<size_t>(0, 300));
        port.give(bytes.data(), bytes.size());
        break;
      }
      case 1: {
        const auto type = fuzz.ConsumeIntegral<uint8_t>();
        const auto sequence = fuzz.ConsumeIntegral<uint16_t>();
        const auto payload = fuzz.ConsumeBytes<uint8_t>(fuzz.ConsumeIntegralInRange<size_t>(0, 1100));
        std::vector<uint8_t> wire(vww::encoded_bytes(payload.size()) + 2);
        const size_t written =
            vww::encode_frame(type, sequence, payload.data(), payload.size(), wire.data(), wire.size());
        port.give(wire.data(), written);
        break;
      }
      case 2: {
        const auto bytes = fuzz.ConsumeBytes<uint8_t>(fuzz.ConsumeIntegralInRange<size_t>(0, 300));
        camera_port.give(bytes.data(), bytes.size());
        break;
      }
      case 3:
        port.now += fuzz.ConsumeIntegral<uint16_t>();
        camera_port.now += 100;
        break;
      case 4:
        port.deaf = fuzz.ConsumeBool();
        break;
      default: {
        const std::string text = fuzz.ConsumeRandomLengthString(100) + (fuzz.ConsumeBool() ? "%" : "\n");
        port.give(reinterpret_cast<const uint8_t*>(text.data()), text.size());
      }
    }
    server.service();
    live.step(server);
    mlperf.step(server);
  }
  return 0;
}
