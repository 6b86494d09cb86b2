// Sums of neighbouring bytes, for pools and means.
#ifndef VWW_NN_SUM_H_
#define VWW_NN_SUM_H_

#include "requant.h"

namespace vww {

inline int32_t sum_of(const int8_t* from, int count, int32_t sum) {
#if defined(__ARM_FEATURE_DSP)
  constexpr uint32_t kOnes = 0x00010001;
  for (; count >= 4; count -= 4, from += 4) {
    const uint32_t word = load_word(from);
    sum = smlad(sxtb16_odd(word), kOnes, smlad(sxtb16(word), kOnes, sum));
  }
#endif
  for (; count > 0; --count) sum += *from++;
  return sum;
}

}  // namespace vww

#endif  // VWW_NN_SUM_H_
