// A block of gathered pixels by all output channels: in C++ for every core, and what has assembly goes there.
#ifndef VWW_NN_CONV2D_MULTIPLY_H_
#define VWW_NN_CONV2D_MULTIPLY_H_

#include "conv2d.h"
#include "conv2d_assembly.h"
#include "requant.h"

namespace vww {

// The sums for two channels and one pixel.
struct Sums {
  int32_t first;
  uint32_t second;  // of combined weights it may leave 32 bits on the way
};

// `pairs` words of weights by one pixel, whose words lie `spacing` apart.
inline Sums sum_up(const int8_t* w, const int8_t* end, const uint32_t* x, int spacing, bool combined, Sums acc) {
  for (; w != end; w += 4, x += spacing) {
    const uint32_t word = load_word(w);
#if defined(__ARM_FEATURE_DSP)
    acc.first = smlad(*x, sxtb16(word), acc.first);
    acc.second = static_cast<uint32_t>(smlad(*x, combined ? word : sxtb16_odd(word), static_cast<int32_t>(acc.second)));
#else
    const int low = static_cast<int16_t>(*x & 0xffffu), high = static_cast<int16_t>(*x >> 16);
    acc.first += w[0] * low + w[2] * high;
    acc.second += static_cast<uint32_t>((combined ? static_cast<int16_t>(word & 0xffffu) : w[1]) * low);
    acc.second += static_cast<uint32_t>((combined ? static_cast<int16_t>(word >> 16) : w[3]) * high);
#endif
  }
  return acc;
}

inline void multiply(const ConvParams& p, const BlockArguments& b, int pixels) {
  const int8_t* w = p.constants;
  const int pairs = static_cast<int>(b.end - b.gathered) / pixels;
  const bool combined = p.requant.kind != RequantKind::kGeneric;
  int8_t* out = b.out;
  for (int left = p.out_c; left > 0; left -= 2, out += 2 * b.channel_stride) {
    const int8_t* const scales = w + 8 + pairs * 4;
    const int32_t multiplier0 = load_int32(scales), multiplier1 = load_int32(scales + 4);
    const bool fused = combined && (multiplier0 | multiplier1) >= 0;
    for (int i = 0; i < pixels; ++i) {
      const Sums sums = sum_up(w + 8, scales, b.gathered + i, pixels, combined, {load_int32(w), load_word(w + 4)});
      const uint32_t first = static_cast<uint32_t>(sums.first), rest = combined ? sums.second - first : sums.second;
      if (fused) {
        const int32_t scaled = static_cast<int32_t>(first << 8 | first >> 24);
        out[i] = requantize_fused(scaled, multiplier0, p.requant);
        if (left > 1) out[b.channel_stride + i] = requantize_fused(static_cast<int32_t>(rest), multiplier1, p.requant);
      } else {
        const int32_t second = static_cast<int32_t>(rest) >> (combined ? 8 : 0);
        out[i] = requantize(sums.first, {multiplier0, scales[8]}, p.requant);
        if (left > 1) out[b.channel_stride + i] = requantize(second, {multiplier1, scales[9]}, p.requant);
      }
    }
    w = scales + (fused ? 8 : 12);
  }
}

#if defined(__ARM_FEATURE_DSP)

inline void multiply_block(const ConvParams& p, const BlockArguments& b, int pixels) {
  if (pixels < 3 || p.requant.kind == RequantKind::kGeneric) return multiply(p, b, pixels);
  if (pixels == 4) {
    multiply4(p.constants, &b);
  } else {
    multiply3(p.constants, &b);
  }
  if (p.requant.kind == RequantKind::kClamp) {
    int8_t* out = b.out;
    for (int c = 0; c < p.out_c; ++c, out += b.channel_stride)
      for (int i = 0; i < pixels; ++i)
        out[i] = static_cast<int8_t>(clamp(out[i], p.requant.clamp_min, p.requant.clamp_max));
  }
}

#else

inline void multiply_block(const ConvParams& p, const BlockArguments& b, int pixels) { multiply(p, b, pixels); }

#endif

}  // namespace vww

#endif  // VWW_NN_CONV2D_MULTIPLY_H_
