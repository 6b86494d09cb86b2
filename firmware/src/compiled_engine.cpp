#include "compiled_engine.h"

#include <vww_frame.h>
#include <vww_model.h>
#include <vww_version.h>

#include "board.h"
#include "leds.h"

namespace {

constexpr char kModelSha256[] = VWW_MODEL_SHA256;
static_assert(sizeof(kModelSha256) == 65, "VWW_MODEL_SHA256 is 64 hex digits");

uint8_t hex_digit(char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

/// What the model's hook needs while an inference runs.
struct Watch {
  vww::LayerObserver& observer;
  vww::Observe observe;
  uint64_t ticks;
  uint32_t since;
};

/// The rows' part of their layer's digest: for each row the CRC-32 of its number and its values, channels innermost.
uint32_t digest_rows(const vww_model_rows& rows) {
  uint32_t digest = 0;
  for (int32_t y = rows.row_begin; y < rows.row_end; y++) {
    const uint8_t number[4] = {static_cast<uint8_t>(y), static_cast<uint8_t>(y >> 8), static_cast<uint8_t>(y >> 16),
                               static_cast<uint8_t>(y >> 24)};
    uint32_t crc = vww::crc32(number, sizeof(number));
    const int8_t* row = rows.data + (y % rows.rows) * rows.row_stride;
    for (int32_t x = 0; x < rows.width; x++) {
      for (int32_t c = 0; c < rows.channels; c++) crc = vww::crc32(row + c * rows.channel_stride + x, 1, crc);
    }
    digest += crc;
  }
  return digest;
}

void watch_rows(void* context, const vww_model_rows* rows) {
  Watch& watch = *static_cast<Watch*>(context);
  const uint32_t ticks = board_ticks() - watch.since;
  watch.ticks += ticks;
  if (watch.observe != vww::Observe::kPauses) {
    const uint32_t digest = watch.observe == vww::Observe::kDigests ? digest_rows(*rows) : 0;
    watch.observer.rows_done(static_cast<uint16_t>(rows->layer), digest, ticks);
  }
  watch.observer.pause();
  watch.since = board_ticks();
}

}  // namespace

void CompiledEngine::begin() {
  info_.firmware_version = vww::kVersion;
  info_.board = VWW_BOARD_NAME;
  for (int i = 0; i < 32; i++) {
    info_.model_sha256[i] =
        static_cast<uint8_t>(hex_digit(kModelSha256[2 * i]) << 4 | hex_digit(kModelSha256[2 * i + 1]));
  }
  info_.height = VWW_MODEL_HEIGHT;
  info_.width = VWW_MODEL_WIDTH;
  info_.channels = VWW_MODEL_CHANNELS;
  info_.input_scale = VWW_MODEL_INPUT_SCALE;
  info_.input_zero_point = VWW_MODEL_INPUT_ZERO_POINT;
  info_.outputs = VWW_MODEL_OUTPUT_BYTES;
  info_.output_scale = VWW_MODEL_OUTPUT_SCALE;
  info_.output_zero_point = VWW_MODEL_OUTPUT_ZERO_POINT;
  info_.clock_kind = board_clock_kind();
  info_.clock_hz = board_clock_hz();
  info_.layers = VWW_MODEL_LAYERS;
}

int8_t* CompiledEngine::input() { return vww_model_input(); }
const int8_t* CompiledEngine::output() const { return vww_model_output(); }

uint64_t CompiledEngine::invoke(vww::Observe observe, vww::LayerObserver& observer) {
  Watch watch{observer, observe, 0, board_ticks()};
  if (observe == vww::Observe::kNothing) {
    vww_model_invoke();
  } else {
    vww_model_invoke_hooked(watch_rows, &watch);
  }
  const uint64_t ticks = watch.ticks + (board_ticks() - watch.since);
  leds_show(vww_model_output());
  return ticks;
}
