// MEAN over height and width.
#ifndef VWW_NN_MEAN_H_
#define VWW_NN_MEAN_H_

#include "vww_nn.h"

namespace vww {

// MEAN over height and width. multiplier (Q31) and shift (TFLite's sign) already hold the division by height * width,
// as graph.multipliers.mean_multiplier computes it.
struct MeanParams {
  int16_t h, w, channels;
  int16_t input_zero_point, output_zero_point;
  int32_t multiplier;
  int32_t shift;
};

// out[c] = the mean of channel c; right in place.
void mean(const MeanParams& p, const View& in, int8_t* out);

}  // namespace vww

#endif  // VWW_NN_MEAN_H_
