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

__attribute__((noinline)) inline void multiply(const ConvParams& p, const BlockArguments& b, int pixels) {
  const int8_t* w = p.constants;
  const int pairs = static_cast<int>(b.end - b.gathered) / pixels;
  const bool combined = p.requant.kind != RequantKind::kGeneric;
  int8_t* out = b.out;
  for (int left = p.out_c; left > 0; left -= 2, out += 2 * b.channel_stride) {
    const int8_t* const scales = w + 8 + pairs * 4;
    const bool fused = combined && (load_int32(scales) | load_int32(scales + 4)) >= 0;
    for (int i = 0; i < pixels; ++i) {
      const Sums sums = sum_up(w + 8, scales, b.gathered + i, pixels, combined, {load_int32(w), load_word(w + 4)});
      // What belongs to the second channel is 256 times its sum and, with the fused form, an offset.
      const uint32_t first = static_cast<uint32_t>(sums.first);
      const uint32_t second = combined ? sums.second - first : sums.second;
      int32_t values[2] = {sums.first, static_cast<int32_t>(second) >> (combined ? 8 : 0)};
      if (fused) {
        values[0] = static_cast<int32_t>(first << 8 | first >> 24);
        values[1] = static_cast<int32_t>(second);
      }
      int8_t* to = out + i;
      for (int c = 0; c < 2 && c < left; ++c, to += b.channel_stride) {
        const int32_t multiplier = load_int32(scales + 4 * c);
        *to = fused ? requantize_fused(values[c], multiplier, p.requant)
                    : requantize(values[c], {multiplier, scales[8 + c]}, p.requant);
      }
    }
    w = scales + (fused ? 8 : 12);
  }
}

using Assembly = void (*)(const int8_t* constants, const BlockArguments* arguments);

#if defined(__ARM_FEATURE_DSP)

// The assembly for blocks of so many pixels, null where there is none.
inline Assembly assembly_for(const Requant& r, int pixels) {
  if (r.kind == RequantKind::kGeneric || pixels < 3) return nullptr;
  return pixels == 4 ? multiply4 : multiply3;
}

#else

inline Assembly assembly_for(const Requant& /*r*/, int /*pixels*/) { return nullptr; }

#endif

inline void multiply_block(const ConvParams& p, const BlockArguments& b, int pixels, Assembly assembly) {
  if (assembly == nullptr) return multiply(p, b, pixels);
  assembly(p.constants, &b);
  if (p.requant.kind == RequantKind::kSaturate) return;
  int8_t* out = b.out;
  for (int c = 0; c < p.out_c; ++c, out += b.channel_stride)
    for (int i = 0; i < pixels; ++i)
      out[i] = static_cast<int8_t>(clamp(out[i], p.requant.clamp_min, p.requant.clamp_max));
}

}  // namespace vww

#endif  // VWW_NN_CONV2D_MULTIPLY_H_
