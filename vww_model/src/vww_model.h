// mine: written by vww-deploy 0.1.0. Do not edit.
#ifndef VWW_MODEL_H_
#define VWW_MODEL_H_

#include <stdint.h>

#define VWW_MODEL_NAME "mine"
#define VWW_MODEL_SHA256 "a74adb010fdf20fc9d18cf2b566643caa11da88ae992ebe9f3de486ee466c583"
#define VWW_MODEL_HEIGHT 4
#define VWW_MODEL_WIDTH 4
#define VWW_MODEL_CHANNELS 1
#define VWW_MODEL_INPUT_BYTES 16
#define VWW_MODEL_INPUT_SCALE 1.000000015e-01f
#define VWW_MODEL_INPUT_ZERO_POINT (0)
#define VWW_MODEL_OUTPUT_BYTES 16
#define VWW_MODEL_OUTPUT_SCALE 1.000000015e-01f
#define VWW_MODEL_OUTPUT_ZERO_POINT (0)
#define VWW_MODEL_LAYERS 1
// All RAM that the engine needs besides stack.
#define VWW_MODEL_RAM_BYTES 20

#ifdef __cplusplus
extern "C" {
#endif

// Where the picture goes: VWW_MODEL_INPUT_BYTES int8 values, row by row, channels innermost. An inference uses the memory up:
// write the whole picture before each one.
int8_t *vww_model_input(void);

// One inference.
void vww_model_invoke(void);

// The result of the last inference: VWW_MODEL_OUTPUT_BYTES int8 values, valid until the input is written.
const int8_t *vww_model_output(void);

// Some rows of a layer's output, just computed: element (channel c, row y, column x) is
// data[c * channel_stride + (y % rows) * row_stride + x], for y in [row_begin, row_end).
typedef struct {
  int32_t layer;  // 0 .. VWW_MODEL_LAYERS - 1, in the order of `vww-deploy inspect`
  const int8_t *data;
  int32_t channel_stride, row_stride, rows;
  int32_t channels, width, height;
  int32_t row_begin, row_end;
} vww_model_rows;

typedef void (*vww_model_hook)(void *context, const vww_model_rows *rows);

// One inference that calls `hook` after every layer, or part of one: layers that stream are reported a few rows at a time,
// every row once. Costs nothing, and is left out by the linker, where it isn't called.
void vww_model_invoke_hooked(vww_model_hook hook, void *context);

#ifdef __cplusplus
}
#endif

#endif  // VWW_MODEL_H_
