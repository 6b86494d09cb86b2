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

/// Told after every layer of an inference that asked for it, and between layers otherwise.
class LayerObserver {
 public:
  /// `digest` and `ticks` are of layer `layer`; digest 0 unless digests were asked for.
  virtual void layer_done(uint16_t layer, uint32_t digest, uint32_t ticks) = 0;
  /// The engine holds still: a moment to read what came in. Not counted in any ticks.
  virtual void between_layers() = 0;

 protected:
  ~LayerObserver() = default;
};

class Engine {
 public:
  virtual const EngineInfo& info() const = 0;
  /// Where the picture is written before invoke(), which destroys it: height * width * channels bytes.
  virtual int8_t* input() = 0;
  /// Runs the model, the clock over it alone. Returns its ticks; with `digests` the reading of tensors is not counted.
  virtual uint64_t invoke(LayerObserver& observer, bool digests) = 0;
  virtual const int8_t* output() const = 0;

  size_t input_bytes() const { return static_cast<size_t>(info().height) * info().width * info().channels; }

 protected:
  ~Engine() = default;
};

}  // namespace vww
