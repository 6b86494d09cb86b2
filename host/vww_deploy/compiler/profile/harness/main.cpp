// Runs a model once between the profiler's markers and writes the stack that it took (int32) and its output.
#include <stddef.h>
#include <stdint.h>

#include "vww_model.h"

extern "C" {
void harness_write(const void* data, size_t size);
void harness_begin();
void harness_end();
extern uint32_t harness_bss_end;
}

int main() {
#ifndef VWW_PROFILE_EMPTY  // the same program without the engine, to know the engine's size
  constexpr uint32_t kUntouched = 0xA5C35A3C;
  uint32_t here;
  uint32_t* const lowest = &harness_bss_end;
  for (uint32_t* p = lowest; p < &here - 16; ++p) *p = kUntouched;

  uint32_t state = 12345;
  int8_t* const input = vww_model_input();
  for (int i = 0; i < VWW_MODEL_INPUT_BYTES; ++i) {
    state = state * 1664525u + 1013904223u;
    input[i] = static_cast<int8_t>(state >> 24);
  }
  harness_begin();
  vww_model_invoke();
  harness_end();

  const uint32_t* deepest = lowest;
  while (*deepest == kUntouched) ++deepest;
  const int32_t stack = static_cast<int32_t>((&here - deepest) * 4);
  harness_write(&stack, sizeof stack);
  harness_write(vww_model_output(), VWW_MODEL_OUTPUT_BYTES);
#else
  harness_begin();
  harness_end();
  harness_write(nullptr, 0);
#endif
  return 0;
}
