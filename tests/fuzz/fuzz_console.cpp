// The text console and the benchmark's commands: any text.
#include <string>

#include "fuzz_port.h"
#include "vww_mlperf.h"
#include "vww_server.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<int8_t> staging(FuzzEngine::kInput), results(vww::Server::kKeptResults * FuzzEngine::kOutputs);
  FuzzPort port;
  FuzzEngine engine;
  vww::Mlperf mlperf;
  const bool staged = size != 0 && (data[0] & 1) != 0;
  vww::Server server(port, engine, {staged ? staging.data() : nullptr, results.data(), nullptr, nullptr}, &mlperf);
  // In pieces, as a port gives them.
  for (size_t at = 0; at < size; at += 50) {
    port.give(data + at, size - at < 50 ? size - at : 50);
    server.service();
    for (int i = 0; i < 4; i++) mlperf.step(server);
  }
  return 0;
}
