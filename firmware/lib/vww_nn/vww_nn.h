// Integer kernels for int8 networks, bit-exact with LiteRT's reference kernels (BUILTIN_REF).
//
// Every kernel works on a range of output rows of planar (CHW) tensors and keeps no state. What a layer is (shapes,
// weights, scales) lives in a constant parameter struct, filled at compile time by vww_deploy.compiler.packing; where
// its tensors lie is told by views. Each kernel has a portable path and, where the core has the DSP extension
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

// What the scaling of a layer's int32 accumulators to int8 asks for, as packing tells it.
enum class RequantKind : uint8_t {
  kGeneric = 0,   // anything: left shifts, right shifts below 2, any clamp
  kClamp = 1,     // every channel's right shift is 2..31
  kSaturate = 2,  // and the clamp is -128..127
  kRelu = 3,  // and the output offset is -128: whatever rounds below zero is clamped away, so the sign needs no care
};

struct Requant {
  int16_t output_offset;
  int16_t clamp_min;
  int16_t clamp_max;
  RequantKind kind;
  bool rounds_once = false;  // FULLY_CONNECTED is scaled with one rounding, half up, instead of two; kind is kGeneric
};

// A 2-D convolution. Constants (weights, biases, scales; aligned to 4) as packed by packing.pack_conv for the same
// in_layout. kernel, stride and dilation 1 make it a pointwise one. FULLY_CONNECTED is one too: a single pixel whose
// views have channel_stride 1 and whose columns are in the order that the input lies in.
struct ConvParams {
  const int8_t* constants;
  Requant requant;
  int16_t in_h, in_w, in_c;
  int16_t out_h, out_w, out_c;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t dilation_h, dilation_w;
  int16_t pad_top, pad_left;
  int16_t input_zero_point;
  bool input_is_hwc;  // element (c, y, x) of the input is data[(y % rows) * row_stride + x * in_c + c]; its
                      // channel_stride is not used
};

// A depthwise convolution: output channel c reads input channel c / multiplier. Constants as packed by
// packing.pack_depthwise.
struct DepthwiseParams {
  const int8_t* constants;
  Requant requant;
  int16_t in_h, in_w, in_c;
  int16_t out_h, out_w, multiplier;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t dilation_h, dilation_w;
  int16_t pad_top, pad_left;
  int16_t input_zero_point;
};

struct PoolParams {
  int16_t in_h, in_w, channels;
  int16_t out_h, out_w;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t pad_top, pad_left;
  int16_t clamp_min, clamp_max;
};

// MEAN over height and width. multiplier (Q31) and shift (TFLite's sign) already hold the division by height * width,
// as packing.mean_multiplier computes it.
struct MeanParams {
  int16_t h, w, channels;
  int16_t input_zero_point, output_zero_point;
  int32_t multiplier;
  int32_t shift;
};

// Elementwise sum of two tensors of one shape. Offsets are minus the zero points of the inputs; multipliers are Q31,
// shifts TFLite's (<= 0).
struct AddParams {
  int16_t h, w, channels;
  int16_t input1_offset, input2_offset, output_offset;
  int16_t clamp_min, clamp_max;
  int32_t input1_multiplier, input2_multiplier, output_multiplier;
  int8_t input1_shift, input2_shift, output_shift;
};

// Constant padding of height, width and channels.
struct PadParams {
  int16_t in_h, in_w, in_c;
  int16_t out_h, out_w, out_c;
  int16_t top, left, front;  // front: constant channels before the input's
  int8_t value;
};

// int8 softmax over one vector; multiplier, left_shift and diff_min as TFLite's PreprocessSoftmaxScaling gives them
// (packing.softmax_scaling).
struct SoftmaxParams {
  int16_t size;
  int32_t multiplier;
  int32_t left_shift;
  int32_t diff_min;
};

// int8 to int8 with other scale and zero point (QUANTIZE between two int8 tensors): multiplier Q31, shift TFLite's.
struct RequantizeParams {
  int16_t h, w, channels;
  int16_t input_zero_point, output_zero_point;
  int32_t multiplier;
  int32_t shift;
};

// A kernel may read up to 3 bytes past the end of a tensor (never write them): what holds tensors needs so many
// readable bytes after it. Scratch is memory of the size that packing.*_scratch_bytes gives, aligned to 4; it is free
// again when the call returns. Rows are [row_begin, row_end) of the output; the input rows that they need must be
// present in the input's view.

// In place (in and out the same view) is right for pointwise convolutions, widening and narrowing, and for views that
// differ in nothing but channel count; otherwise in and out must not overlap in what is still to be read.
void conv2d(const ConvParams& p, const View& in, const View& out, int row_begin, int row_end, void* scratch);

// In place is right with multiplier 1, all rows in one call and the output no larger than the input: out may then be
// the same memory with the same strides, or planes packed closer (out.channel_stride <= in.channel_stride,
// out.row_stride <= in.row_stride, same data).
void depthwise_conv2d(const DepthwiseParams& p, const View& in, const View& out, int row_begin, int row_end,
                      void* scratch);

// Pools are right in place under the same conditions as the depthwise convolution when the window does not reach above
// or left of the output's own corner (pad_top = pad_left = 0).
void average_pool(const PoolParams& p, const View& in, const View& out, int row_begin, int row_end);
void max_pool(const PoolParams& p, const View& in, const View& out, int row_begin, int row_end);

// out[c] = the mean of channel c; right in place.
void mean_hw(const MeanParams& p, const View& in, int8_t* out);

// out may be either input.
void add(const AddParams& p, const View& in1, const View& in2, const View& out, int row_begin, int row_end);

void pad(const PadParams& p, const View& in, const View& out, int row_begin, int row_end);

// in and out may be the same.
void softmax(const SoftmaxParams& p, const int8_t* in, int8_t* out);

// out may be the input.
void requantize(const RequantizeParams& p, const View& in, const View& out, int row_begin, int row_end);

// Copies rows between layouts: planar to planar, interleaved (HWC) to planar, planar to HWC. Memory must not overlap.
void copy_planar(int channels, int width, const View& in, const View& out, int row_begin, int row_end);
void copy_from_hwc(int channels, int width, const int8_t* in, const View& out, int row_begin, int row_end);
void copy_to_hwc(int channels, int width, const View& in, int8_t* out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_H_
