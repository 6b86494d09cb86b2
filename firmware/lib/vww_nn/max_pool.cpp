// MAX_POOL_2D.
#include "max_pool.h"

#include "requant.h"

namespace vww {
namespace {

#if defined(__ARM_FEATURE_DSP)

// Byte by byte the larger one.
uint32_t max_bytes(uint32_t a, uint32_t b) {
  uint32_t r;
  asm("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(r) : "r"(a), "r"(b));
  return r;
}

// Pairs of columns of two rows; `outputs` is even.
void max_2x2(const int8_t* top, const int8_t* bottom, int outputs, const PoolParams& p, int8_t* to) {
  for (int x = 0; x < outputs; x += 2, top += 4, bottom += 4) {
    const uint32_t both = max_bytes(load_word(top), load_word(bottom));
    const uint32_t best = max_bytes(both, both >> 8);
    to[x] = static_cast<int8_t>(clamp(static_cast<int8_t>(best), p.clamp_min, p.clamp_max));
    to[x + 1] = static_cast<int8_t>(clamp(static_cast<int8_t>(best >> 16), p.clamp_min, p.clamp_max));
  }
}

#endif

}  // namespace

void max_pool(const PoolParams& p, const View& in, const View& out, int row_begin, int row_end) {
#if defined(__ARM_FEATURE_DSP)
  const bool two_by_two = p.kernel_h == 2 && p.kernel_w == 2 && p.stride_w == 2 && p.pad_left == 0;
#endif
  for (int c = 0; c < p.channels; ++c) {
    for (int y = row_begin; y < row_end; ++y) {
      const int top = y * p.stride_h - p.pad_top;
      const int y0 = top < 0 ? 0 : top;
      const int y1 = top + p.kernel_h < p.in_h ? top + p.kernel_h : p.in_h;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      int x = 0;
#if defined(__ARM_FEATURE_DSP)
      if (two_by_two && y1 - y0 == 2) {
        const int whole = p.out_w * 2 <= p.in_w ? p.out_w : p.in_w / 2;
        x = whole / 2 * 2;
        max_2x2(row_of(in, y0) + c * in.channel_stride, row_of(in, y0 + 1) + c * in.channel_stride, x, p, to);
      }
#endif
      for (; x < p.out_w; ++x) {
        const int left = x * p.stride_w - p.pad_left;
        const int x0 = left < 0 ? 0 : left;
        const int x1 = left + p.kernel_w < p.in_w ? left + p.kernel_w : p.in_w;
        int32_t best = -128;
        for (int iy = y0; iy < y1; ++iy) {
          const int8_t* row = row_of(in, iy) + c * in.channel_stride;
          for (int ix = x0; ix < x1; ++ix) best = row[ix] > best ? row[ix] : best;
        }
        to[x] = static_cast<int8_t>(clamp(best, p.clamp_min, p.clamp_max));
      }
    }
  }
}

}  // namespace vww
