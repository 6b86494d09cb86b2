// From int32 accumulators to int8, with the reference's two roundings.
#ifndef VWW_NN_REQUANT_H_
#define VWW_NN_REQUANT_H_

#include "vww_nn.h"

namespace vww {

// x * 2^left * (doubled_multiplier / 2^32) rounded half up, then divided by 2^right rounded half away from zero:
// LiteRT's MultiplyByQuantizedMultiplier with exponent = 32 + shift and doubled_multiplier = 2 * multiplier.
inline int32_t scale_by(int32_t x, uint32_t doubled_multiplier, int exponent) {
  const int left = exponent > 32 ? exponent - 32 : 0;
  const int right = exponent < 32 ? 32 - exponent : 0;
  const int32_t shifted = static_cast<int32_t>(static_cast<uint32_t>(x) << left);
  int64_t t = (static_cast<int64_t>(shifted) * static_cast<int64_t>(doubled_multiplier) + (int64_t{1} << 31)) >> 32;
  if (right > 0) t = (t + (t >> 63) + (int64_t{1} << (right - 1))) >> right;
  return static_cast<int32_t>(t);
}

inline int32_t clamp(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

inline int8_t requantize_channel(int32_t acc, const Requant& r, int channel) {
  const int32_t scaled = scale_by(acc, static_cast<uint32_t>(r.multiplier[channel]), r.exponent[channel]);
  return static_cast<int8_t>(clamp(scaled + r.output_offset, r.clamp_min, r.clamp_max));
}

inline int8_t* row_of(const View& v, int y) {
  // A whole tensor needs no division.
  return v.data + (y < v.rows ? y : y % v.rows) * v.row_stride;
}

}  // namespace vww

#endif  // VWW_NN_REQUANT_H_
