// Integer kernels for int8 networks, bit-exact with LiteRT's reference kernels (BUILTIN_REF).
//
// Every kernel works on a range of output rows of planar (CHW) tensors and keeps no state. What a layer is (shapes,
// weights, scales) lives in a constant parameter struct, defined in the kernel's header and filled at compile time by
// the module of the same name in vww_deploy.compiler.kernels; views say where its tensors lie. Each kernel has a
// portable path and, where the core has the DSP extension
// (__ARM_FEATURE_DSP), a faster one that gives the same bytes.
#ifndef VWW_NN_H_
#define VWW_NN_H_

#include <stdint.h>

namespace vww {

// Where a tensor lies: element (c, y, x) is data[c * channel_stride + (y % rows) * row_stride + x]. A whole tensor has
// rows = its height; a band that streams through a ring buffer has rows = the ring's rows. Any strides do (planes, or
// rows of channels); they need no alignment, but word loads are fastest when strides and data are multiples of 4.
struct View {
  int8_t* data;
  int32_t channel_stride;
  int32_t row_stride;
  int32_t rows;
};

// What the scaling of a layer's int32 accumulators to int8 asks for, as vww_deploy.compiler.kernels.scaling tells it.
enum class RequantKind : uint8_t {
  kGeneric = 0,   // anything: left shifts, right shifts below 2, any clamp
  kClamp = 1,     // every channel's scaling is fused (requant.h) or its right shift is 2..31 (but see conv2d.cpp: runs)
  kSaturate = 2,  // and the clamp is -128..127
};

struct Requant {
  int16_t output_offset;
  int16_t clamp_min;
  int16_t clamp_max;
  RequantKind kind;
  bool rounds_once = false;  // FULLY_CONNECTED is scaled with one rounding, half up, instead of two; then no
                             // channel but fused ones takes another path than kGeneric
};

// A kernel may read up to 3 bytes past the end of a tensor (never write them): what holds tensors needs so many
// readable bytes after it. Scratch is memory of the size that the compiler plans for, aligned to 4; it is free
// again when the call returns. Rows are [row_begin, row_end) of the output; the input rows that they need must be
// present in the input's view.

}  // namespace vww

#endif  // VWW_NN_H_
