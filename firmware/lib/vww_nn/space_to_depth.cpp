// SPACE_TO_DEPTH and DEPTH_TO_SPACE.
#include "space_to_depth.h"

#include "requant.h"

namespace vww {

void space_to_depth(const SpaceToDepthParams& p, const View& in, const View& out, int row_begin, int row_end) {
  for (int c = 0; c < p.out_c; ++c) {
    const int pixel = c / p.shallow_c, down = pixel / p.block, across = pixel % p.block;
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* from = row_of(in, y * p.block + down) + c % p.shallow_c * in.channel_stride + across;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.out_w; ++x, from += p.block) to[x] = *from;
    }
  }
}

void depth_to_space(const SpaceToDepthParams& p, const View& in, const View& out, int row_begin, int row_end) {
  for (int c = 0; c < p.out_c; ++c) {
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* const row = row_of(in, y / p.block) + (y % p.block * p.block * p.shallow_c + c) * in.channel_stride;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int across = 0; across < p.block; ++across) {
        const int8_t* from = row + across * p.shallow_c * in.channel_stride;
        for (int x = across; x < p.out_w; x += p.block) to[x] = *from++;
      }
    }
  }
}

}  // namespace vww
