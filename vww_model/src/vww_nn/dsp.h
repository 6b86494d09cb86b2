// Single instructions of the Arm DSP extension. ACLE has intrinsics for only some of them (none for SMMLAR or a rotated
// SXTB16), and mixing two spellings reads worse than one, so all are spelled here.
#ifndef VWW_NN_DSP_H_
#define VWW_NN_DSP_H_

#if defined(__ARM_FEATURE_DSP)

#include <stdint.h>
#include <string.h>

namespace vww {

// Bytes 0 and 2, sign-extended to a pair of int16.
inline uint32_t sxtb16(uint32_t x) {
  uint32_t r;
  asm("sxtb16 %0, %1" : "=r"(r) : "r"(x));
  return r;
}

// Bytes 1 and 3, sign-extended to a pair of int16.
inline uint32_t sxtb16_odd(uint32_t x) {
  uint32_t r;
  asm("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
  return r;
}

// Bytes 2 and 0, sign-extended to a pair of int16.
inline uint32_t sxtb16_swapped(uint32_t x) {
  uint32_t r;
  asm("sxtb16 %0, %1, ror #16" : "=r"(r) : "r"(x));
  return r;
}

// The low halves (low half of the result from a), and the high halves.
inline uint32_t pack_low(uint32_t a, uint32_t b) {
  uint32_t r;
  asm("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(a), "r"(b));
  return r;
}
inline uint32_t pack_high(uint32_t a, uint32_t b) {
  uint32_t r;
  asm("pkhtb %0, %1, %2, asr #16" : "=r"(r) : "r"(b), "r"(a));
  return r;
}

// acc + a.low * b.low + a.high * b.high, and the single products: of a's low or high half by b's low or high half.
inline int32_t smlad(uint32_t a, uint32_t b, int32_t acc) {
  int32_t r;
  asm("smlad %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
  return r;
}
inline int32_t smlabb(uint32_t a, uint32_t b, int32_t acc) {
  int32_t r;
  asm("smlabb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
  return r;
}
inline int32_t smlabt(uint32_t a, uint32_t b, int32_t acc) {
  int32_t r;
  asm("smlabt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
  return r;
}
inline int32_t smlatb(uint32_t a, uint32_t b, int32_t acc) {
  int32_t r;
  asm("smlatb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
  return r;
}
inline int32_t smlatt(uint32_t a, uint32_t b, int32_t acc) {
  int32_t r;
  asm("smlatt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
  return r;
}

// acc + a * b / 2^32, rounded half up.
inline int32_t smmlar(int32_t a, int32_t b, int32_t acc) {
  int32_t r;
  asm("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
  return r;
}

inline int32_t saturate8(int32_t x) {
  int32_t r;
  asm("ssat %0, #8, %1" : "=r"(r) : "r"(x));
  return r;
}

}  // namespace vww

#endif  // __ARM_FEATURE_DSP

#endif  // VWW_NN_DSP_H_
