// The firmware: a compiled model, the link, a board.
#include <Arduino.h>
#include <vww_live.h>
#include <vww_mlperf.h>
#include <vww_model.h>
#include <vww_server.h>

#include "board.h"
#include "camera.h"
#include "compiled_engine.h"
#include "leds.h"

namespace {

#if VWW_STAGE_INPUT
// A second input buffer: the next picture comes in while the engine works on this one. vww-deploy asks for it where it
// fits.
int8_t staging[VWW_MODEL_INPUT_BYTES];
constexpr int8_t* kStaging = staging;
#else
constexpr int8_t* kStaging = nullptr;
#endif

#if VWW_HELD_PICTURE_BYTES
// Where a camera picture waits until the host has read it; vww-deploy gives it what fits.
uint8_t held_pictures[VWW_HELD_PICTURE_BYTES];
constexpr vww::Live::Memory picture_memory(uint32_t* work) { return {work, held_pictures, sizeof(held_pictures)}; }
#else
constexpr vww::Live::Memory picture_memory(uint32_t* work) { return {work, nullptr, 0}; }
#endif

static_assert(VWW_MODEL_OUTPUT_BYTES <= vww::Server::kMaxOutputs, "a result fits into one message");
int8_t results[vww::Server::kKeptResults * VWW_MODEL_OUTPUT_BYTES];
uint32_t layer_digests[VWW_MODEL_LAYERS];
uint32_t layer_ticks[VWW_MODEL_LAYERS];

uint32_t preprocess_work[vww::Preprocess::work_words(VWW_MODEL_WIDTH, VWW_MODEL_CHANNELS)];

uint32_t microseconds() { return micros(); }

BoardPort board_port;
vww::TimedPort port(board_port, microseconds);
CompiledEngine engine;
vww::Mlperf mlperf;
vww::Server server(port, engine, {kStaging, results, layer_digests, layer_ticks}, &mlperf);
vww::Live live(engine, port, microseconds, picture_memory(preprocess_work));

}  // namespace

void setup() {
  board_clock_begin();
  leds_begin();
  engine.begin();
  board_port.begin();
  live.attach(board_camera());
  server.extend(live);
  board_watchdog_begin();
}

void loop() {
  board_watchdog_feed();
  server.service();
  live.step(server);
  mlperf.step(server);
  if (server.reset_requested()) board_reset();
}
