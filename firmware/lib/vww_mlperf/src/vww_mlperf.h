// The MLPerf Tiny device protocol on the text console: commands that end in '%', for the public benchmark runner.
// docs/mlperf.md has the dialogue.
#pragma once

#include <vww_console.h>
#include <vww_server.h>

namespace vww {

class Mlperf final : public Commands {
 public:
  /// More inferences than this are asked for by nobody who wants the answer.
  static constexpr uint32_t kMaxInferences = 100'000;
  /// Of a model with more outputs than this none is reported.
  static constexpr uint16_t kMaxResults = 16;

  bool run(Server& server, const char* line, char end) override;
  /// Runs one of the inferences that `infer` asked for; call it from loop().
  void step(Server& server);

 private:
  void name(Server& server);
  void profile(Server& server);
  void timestamp(Server& server);
  void load(Server& server, const char* argument);
  void hex(Server& server, const char* digits);
  void print(Server& server);
  void infer(Server& server, const char* arguments);
  void finish(Server& server);
  void results(Server& server);

  // The picture that `db` brings.
  uint32_t expected_ = 0;
  uint32_t received_ = 0;
  int8_t* picture_ = nullptr;
  // The inferences that `infer` asked for.
  uint32_t warmup_left_ = 0;
  uint32_t inferences_ = 0;
  uint32_t inferences_left_ = 0;
  bool running_ = false;
  bool first_ = false;
  uint64_t start_us_ = 0;
  uint64_t ticks_ = 0;
  // Of the first inference after `infer`: all are alike, but without a second buffer only the first one has the
  // picture.
  int8_t results_[kMaxResults] = {};
};

}  // namespace vww
