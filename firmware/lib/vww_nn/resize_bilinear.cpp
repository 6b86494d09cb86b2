// RESIZE_BILINEAR: fixed point with 10 bits behind the point, as the reference has it.
#include "resize_bilinear.h"

#include "requant.h"

namespace vww {
namespace {

constexpr int32_t kOne = 1 << 10;

// The elements before and behind a place, and the second one's weight.
struct Place {
  int32_t before, behind, weight;
};

Place place_at(int32_t at, int32_t size) {
  const int32_t before = clamp(at / kOne, 0, size - 1), behind = (at + kOne - 1) / kOne;
  return {before, behind < size ? behind : size - 1, at - before * kOne};
}

}  // namespace

void resize_bilinear(const ResizeBilinearParams& p, const View& in, const View& out, int row_begin, int row_end) {
  for (int y = row_begin; y < row_end; ++y) {
    const Place row = place_at(p.first_row + y * p.row_step, p.in_h);
    for (int c = 0; c < p.channels; ++c) {
      const int8_t* const top = row_of(in, row.before) + c * in.channel_stride;
      const int8_t* const bottom = row_of(in, row.behind) + c * in.channel_stride;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.out_w; ++x) {
        const Place column = place_at(p.first_column + x * p.column_step, p.in_w);
        const int32_t left = kOne - column.weight;
        const int32_t total = (top[column.before] * left + top[column.behind] * column.weight) * (kOne - row.weight) +
                              (bottom[column.before] * left + bottom[column.behind] * column.weight) * row.weight;
        to[x] = static_cast<int8_t>((total + (total > 0 ? kOne * kOne / 2 : -kOne * kOne / 2)) / (kOne * kOne));
      }
    }
  }
}

}  // namespace vww
