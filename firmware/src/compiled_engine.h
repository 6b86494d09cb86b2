// The compiled model behind the link's Engine.
#pragma once

#include <vww_engine.h>

class CompiledEngine final : public vww::Engine {
 public:
  /// Reads the clock's rate and the model's hash; call it from setup().
  void begin();

  const vww::EngineInfo& info() const override { return info_; }
  int8_t* input() override;
  uint64_t invoke(vww::Observe observe, vww::LayerObserver& observer) override;
  const int8_t* output() const override;

 private:
  vww::EngineInfo info_{};
};
