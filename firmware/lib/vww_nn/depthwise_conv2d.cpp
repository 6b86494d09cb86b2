// DEPTHWISE_CONV_2D, channel by channel: the rows that a window needs are copied to scratch, padded and widened to
// int16, and the output is computed from there; so it may overwrite the input.
//
// Constants, for each output channel and without gaps: the bias with the input's zero point folded in (int32), a
// multiplier (a word), the weights (kernel_h * kernel_w bytes), an exponent (a byte). An exponent of 0 tells that the
// scaling is fused (requant.h): then the first word is 256 times the bias and the offset. Otherwise the multiplier is
// the doubled Q31 one, the exponent 32 + TFLite's shift.
#include "depthwise_conv2d.h"

#include "depthwise_conv2d_assembly.h"
#include "depthwise_conv2d_dsp.h"
#include "depthwise_conv2d_portable.h"

namespace vww {
namespace {

__attribute__((noinline)) void any_kernel(const DepthwiseParams& p, const View& in, const View& out, const Channel& c,
                                          int row_begin, int row_end, void* scratch) {
  const Window window(p, scratch);
  const Scaling scaling(p, c.record);
#if defined(__ARM_FEATURE_DSP)
  const bool wide = is_wide(p);
  if (wide) fill_table(p, c.record + 8, window);
#endif
  int next = row_begin * p.stride_h;  // the next input row to copy, counted from the padding's first
  for (int y = row_begin; y < row_end; ++y) {
    const int top = y * p.stride_h;
    if (next < top) next = top;
    for (; next < top + window.span; ++next) copy_row(p, in, c, next - p.pad_top, window.row(next), window.width);
    int8_t* const to = c.out + (row_of(out, y) - out.data);
#if defined(__ARM_FEATURE_DSP)
    if (wide) {
      compute_row(p, window, c, top, to);
      continue;
    }
#endif
#if !defined(__ARM_FEATURE_DSP)
    if (p.kernel_w == 3 && p.dilation_w == 1) {
      compute_row_plainly<3>(p, window, c, scaling, top, to);
      continue;
    }
#endif
    compute_row_plainly<0>(p, window, c, scaling, top, to);
  }
}

}  // namespace

void depthwise_conv2d(const DepthwiseParams& p, const View& in, const View& out, int row_begin, int row_end,
                      void* scratch) {
  const int record_bytes = p.kernel_h * p.kernel_w + 9;
  Channel c{p.constants, in.data, out.data};
#if defined(__ARM_FEATURE_DSP)
  Chunk chunks[kMostChunks];
  const bool common = is_common(p) && row_begin < row_end && plan_chunks(p, in, out, row_begin, row_end, chunks);
  Planes planes;
  if (common) {
    const int words = (p.in_w + 3) / 4, edge = p.in_w + p.pad_left;
    const uint32_t zero = static_cast<uint32_t>(p.input_zero_point);
    planes.in_channel_stride = in.channel_stride;
    planes.out_channel_stride = out.channel_stride;
    planes.in_gap = in.row_stride - 4 * words;
    planes.words = words;
    planes.edge = edge / 2 * kWordBytes + edge % 2 * 2;
    planes.rounding_offset = rounding_offset(p.requant);
    planes.pad_left = p.pad_left;
    planes.zero = static_cast<int32_t>(pack_low(zero, zero));
    planes.quads = p.out_w / 4 * 4;
    planes.tail = p.out_w % 4;
    planes.out_gap = out.row_stride - p.out_w;
    planes.stride = p.stride_w;
    planes.chunks = chunks;
    planes.scratch = static_cast<uint32_t*>(scratch);
    fill_borders(p, row_begin, row_end, planes);
  }
#endif
  for (int channel = 0; channel < p.in_c; ++channel, c.in += in.channel_stride) {
    for (int i = 0; i < p.multiplier; ++i, c.out += out.channel_stride, c.record += record_bytes) {
#if defined(__ARM_FEATURE_DSP)
      if (common) {
        planes.record = c.record;
        planes.in = c.in;
        planes.out = c.out;
        planes.channels = p.in_c - channel;
        const int done = planes.channels - compute_planes(&planes);
        if (p.requant.kind != RequantKind::kSaturate) clamp_planes(p, out, c.out, done, row_begin, row_end);
        channel += done;
        c.in += done * in.channel_stride;
        c.out += done * out.channel_stride;
        c.record += done * record_bytes;
        if (channel >= p.in_c) return;
      }
#endif
      any_kernel(p, in, out, c, row_begin, row_end, scratch);
#if defined(__ARM_FEATURE_DSP)
      if (common) fill_borders(p, row_begin, row_end, planes);
#endif
    }
  }
}

}  // namespace vww
