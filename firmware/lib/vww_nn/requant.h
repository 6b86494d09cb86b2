// From int32 accumulators to int8: with the reference's two roundings, or by one multiplication.
#ifndef VWW_NN_REQUANT_H_
#define VWW_NN_REQUANT_H_

#include <string.h>

#include "dsp.h"
#include "vww_nn.h"

namespace vww {

// x * 2^left * (doubled_multiplier / 2^32) rounded half up, then divided by 2^right rounded half away from zero:
// LiteRT's MultiplyByQuantizedMultiplier with exponent = 32 + shift and doubled_multiplier = 2 * multiplier.
inline int32_t scale_by(int32_t x, uint32_t doubled_multiplier, int exponent) {
  const int left = exponent > 32 ? exponent - 32 : 0;
  const int right = exponent < 32 ? 32 - exponent : 0;
  const int32_t shifted = static_cast<int32_t>(static_cast<uint32_t>(x) << left);
  const int64_t product = static_cast<int64_t>(shifted) * static_cast<int64_t>(doubled_multiplier);
  const int32_t t = static_cast<int32_t>((product + (int64_t{1} << 31)) >> 32);
  const int32_t mask = static_cast<int32_t>((uint32_t{1} << right) - 1);
  return (t >> right) + ((t & mask) > (mask >> 1) + (t < 0));
}

// The same with a single rounding, half up.
inline int32_t scale_once(int32_t x, uint32_t doubled_multiplier, int exponent) {
  const int right = 64 - exponent;
  const int64_t product = static_cast<int64_t>(x) * static_cast<int64_t>(doubled_multiplier);
  return static_cast<int32_t>((product + (int64_t{1} << (right - 1))) >> right);
}

inline int32_t clamp(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

// One output channel's scaling.
struct ChannelScale {
  int32_t multiplier;  // twice the Q31 multiplier, as a word
  int32_t exponent;
};

// gcc would give every file a copy with arguments of its own.
#if defined(__clang__)
#define VWW_ONE_COPY __attribute__((noinline))
#else
#define VWW_ONE_COPY __attribute__((noinline, noclone))
#endif

// Rare, now that most channels have the fused form: one copy is enough.
VWW_ONE_COPY inline int8_t requantize(int32_t acc, ChannelScale s, const Requant& r) {
  const uint32_t multiplier = static_cast<uint32_t>(s.multiplier);
  const int32_t scaled =
      r.rounds_once ? scale_once(acc, multiplier, s.exponent) : scale_by(acc, multiplier, s.exponent);
  return static_cast<int8_t>(clamp(scaled + r.output_offset, r.clamp_min, r.clamp_max));
}

#undef VWW_ONE_COPY

// The fused form: one multiplication where the compiler has proved that it gives the same bytes for every sum that can
// occur (vww_deploy.compiler.kernels.fused_scaling tells how). `scaled` is 256 times the sum, and an offset.
inline int32_t high_product(int32_t a, int32_t b) {
#if defined(__ARM_ARCH_6M__)
  // Without a long multiplication, by halves; the compiler would call __muldi3, which takes 55 instructions.
  const int32_t a_low = a & 0xffff, a_high = a >> 16, b_low = b & 0xffff, b_high = b >> 16;
  const uint32_t low = static_cast<uint32_t>(a_low) * static_cast<uint32_t>(b_low) >> 16;
  const int32_t middle = a_high * b_low + static_cast<int32_t>(low);
  return a_high * b_high + (middle >> 16) + ((a_low * b_high + (middle & 0xffff)) >> 16);
#else
  return static_cast<int32_t>(static_cast<int64_t>(a) * b >> 32);
#endif
}
inline int32_t rounding_offset(const Requant& r) { return r.output_offset * 512 + 256; }
inline int8_t requantize_fused(int32_t scaled, int32_t multiplier, const Requant& r) {
  const int32_t product = high_product(scaled, multiplier);
  return static_cast<int8_t>(clamp((product + rounding_offset(r)) >> 9, r.clamp_min, r.clamp_max));
}

// A little-endian word at any address: a plain LDR where the core allows it to be unaligned. Others (ARMv6-M, RV32IMC)
// gather it from bytes: what lies at a multiple of 4 is read by load_aligned.
inline uint32_t load_word(const int8_t* p) {
  uint32_t r;
  memcpy(&r, p, 4);
  return r;
}
inline int32_t load_int32(const int8_t* p) {
  int32_t r;
  memcpy(&r, p, 4);
  return r;
}

inline int32_t load_aligned(const int8_t* p) {
  int32_t r;
  memcpy(&r, __builtin_assume_aligned(p, 4), 4);
  return r;
}

inline int8_t* row_of(const View& v, int y) {
  // A whole tensor needs no division.
  return v.data + (y < v.rows ? y : y % v.rows) * v.row_stride;
}

}  // namespace vww

#endif  // VWW_NN_REQUANT_H_
