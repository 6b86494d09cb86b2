// Copies between layouts.
#ifndef VWW_NN_COPY_H_
#define VWW_NN_COPY_H_

#include "vww_nn.h"

namespace vww {

// Copies rows between layouts: planar to planar, interleaved (HWC) to planar, planar to HWC. Memory must not overlap.
void copy_planar(int channels, int width, const View& in, const View& out, int row_begin, int row_end);
void copy_from_hwc(int channels, int width, const int8_t* in, const View& out, int row_begin, int row_end);
void copy_to_hwc(int channels, int width, const View& in, int8_t* out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_COPY_H_
