// The model as the link sees it; firmware/src/engine.cpp puts the compiled model behind it, tests a small one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vww {

struct EngineInfo {
  const char* firmware_version;
  const char* board;
  uint8_t model_sha256[32];
  uint16_t height, width, channels;
  float input_scale;
  int32_t input_zero_point;
  uint16_t outputs;
  float output_scale;
  int32_t output_zero_point;
  uint8_t clock_kind;  // clock:: of vww_messages.h
  uint32_t clock_hz;
  uint16_t layers;
};

/// Hears of the layers of an inference as they are computed.
class LayerObserver {
 public:
  /// Some of layer `layer` was computed in `ticks`. `digest` is the sum of its rows' CRCs (docs/protocol.md), 0 unless
  /// digests were asked for.
  virtual void rows_done(uint16_t layer, uint32_t digest, uint32_t ticks) = 0;
  /// The clock stands still: a moment to read what came in.
  virtual void pause() = 0;

 protected:
  ~LayerObserver() = default;
};

/// What an inference tells besides its result.
enum class Observe : uint8_t { kNothing, kPauses, kTicks, kDigests };

class Engine {
 public:
  virtual const EngineInfo& info() const = 0;
  /// Where the picture is written before invoke(), which destroys it: height * width * channels bytes.
  virtual int8_t* input() = 0;
  /// Runs the model. Returns the clock's ticks over the engine alone: what the observer does is not counted.
  virtual uint64_t invoke(Observe observe, LayerObserver& observer) = 0;
  virtual const int8_t* output() const = 0;

  size_t input_bytes() const { return static_cast<size_t>(info().height) * info().width * info().channels; }

 protected:
  ~Engine() = default;
};

}  // namespace vww
