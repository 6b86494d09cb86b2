// The firmware: a compiled model, the link, a board.
#include <Arduino.h>
#include <vww_model.h>
#include <vww_server.h>

#include "board.h"
#include "compiled_engine.h"

namespace {

#if VWW_STAGE_INPUT
// A second input buffer: the next picture comes in while the engine works on this one. vww-deploy asks for it where it
// fits.
int8_t staging[VWW_MODEL_INPUT_BYTES];
constexpr int8_t* kStaging = staging;
#else
constexpr int8_t* kStaging = nullptr;
#endif

static_assert(VWW_MODEL_OUTPUT_BYTES <= vww::Server::kMaxOutputs, "a result fits into one message");
int8_t results[vww::Server::kKeptResults * VWW_MODEL_OUTPUT_BYTES];
uint32_t layer_digests[VWW_MODEL_LAYERS];
uint32_t layer_ticks[VWW_MODEL_LAYERS];

BoardPort port;
CompiledEngine engine;
vww::Server server(port, engine, {kStaging, results, layer_digests, layer_ticks});

}  // namespace

void setup() {
  board_clock_begin();
  engine.begin();
  port.begin();
}

void loop() {
  server.service();
  if (server.reset_requested()) board_reset();
}
