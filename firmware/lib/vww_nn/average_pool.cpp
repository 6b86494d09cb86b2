// AVERAGE_POOL_2D: the mean of the window's part that lies inside the input, rounded half away from zero.
#include "average_pool.h"

#include "requant.h"

namespace vww {

void average_pool(const PoolParams& p, const View& in, const View& out, int row_begin, int row_end) {
  for (int c = 0; c < p.channels; ++c) {
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
        for (int iy = y0; iy < y1; ++iy) {
          const int8_t* row = row_of(in, iy) + c * in.channel_stride;
          for (int ix = x0; ix < x1; ++ix) sum += row[ix];
        }
        const int32_t count = (y1 - y0) * (x1 - x0);
        sum += p.offset * count;
        const int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count - p.offset;
        to[x] = static_cast<int8_t>(clamp(mean, p.clamp_min, p.clamp_max));
      }
    }
  }
}

}  // namespace vww
