// SPACE_TO_DEPTH and DEPTH_TO_SPACE.
#ifndef VWW_NN_SPACE_TO_DEPTH_H_
#define VWW_NN_SPACE_TO_DEPTH_H_

#include "vww_nn.h"

namespace vww {

// Squares of block x block pixels are block * block times shallow_c channels.
struct SpaceToDepthParams {
  int16_t block, shallow_c;
  int16_t out_w, out_c;
};

void space_to_depth(const SpaceToDepthParams& p, const View& in, const View& out, int row_begin, int row_end);
void depth_to_space(const SpaceToDepthParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_SPACE_TO_DEPTH_H_
