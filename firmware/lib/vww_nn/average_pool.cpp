// AVERAGE_POOL_2D: the mean of the window's part that lies inside the input, rounded half away from zero.
#include "average_pool.h"

#include "requant.h"
#include "sum.h"

namespace vww {

namespace {

int8_t mean_of(int32_t sum, int32_t count, const PoolParams& p) {
  sum += p.offset * count;
  const int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count - p.offset;
  return static_cast<int8_t>(clamp(mean, p.clamp_min, p.clamp_max));
}

}  // namespace

void average_pool(const PoolParams& p, const View& in, const View& out, int row_begin, int row_end) {
  // One window over whole planes without gaps.
  const bool whole = p.out_h == 1 && p.out_w == 1 && row_begin < row_end && p.kernel_h - p.pad_top >= p.in_h &&
                     p.kernel_w - p.pad_left >= p.in_w && in.row_stride == p.in_w && in.rows >= p.in_h;
  const int8_t* plane = in.data;
  for (int c = 0; c < p.channels; ++c, plane += in.channel_stride) {
    if (whole) {
      out.data[c * out.channel_stride] = mean_of(sum_of(plane, p.in_h * p.in_w, 0), p.in_h * p.in_w, p);
      continue;
    }
    for (int y = row_begin; y < row_end; ++y) {
      const int top = y * p.stride_h - p.pad_top;
      const int y0 = top < 0 ? 0 : top;
      const int y1 = top + p.kernel_h < p.in_h ? top + p.kernel_h : p.in_h;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.out_w; ++x) {
        const int left = x * p.stride_w - p.pad_left;
        const int x0 = left < 0 ? 0 : left;
        const int x1 = left + p.kernel_w < p.in_w ? left + p.kernel_w : p.in_w;
        int32_t sum = 0;
        for (int iy = y0; iy < y1; ++iy) sum = sum_of(plane + (row_of(in, iy) - in.data) + x0, x1 - x0, sum);
        to[x] = mean_of(sum, (y1 - y0) * (x1 - x0), p);
      }
    }
  }
}

}  // namespace vww
