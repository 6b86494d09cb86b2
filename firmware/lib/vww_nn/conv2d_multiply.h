// A block of gathered pixels by all output channels: in C++ for every core, and what has assembly goes there.
#ifndef VWW_NN_CONV2D_MULTIPLY_H_
#define VWW_NN_CONV2D_MULTIPLY_H_

#include "conv2d.h"
#include "conv2d_assembly.h"
#include "requant.h"

namespace vww {

// The sums for two channels and one pixel, which may leave 32 bits on the way.
struct Sums {
  uint32_t first, second;
};

inline uint32_t product(int32_t a, int32_t b) { return static_cast<uint32_t>(a * b); }

// Words of weights by one pixel, whose words' stride is `spacing`.
template <bool combined>
inline Sums sum_up(const int8_t* w, const int8_t* end, const uint32_t* x, int spacing, Sums acc) {
#if defined(__ARM_FEATURE_DSP)
#pragma GCC unroll 2
#endif
  for (; w != end; w += 4, x += spacing) {
    const int32_t word = load_aligned(w);
#if defined(__ARM_FEATURE_DSP)
    const uint32_t both = static_cast<uint32_t>(word);
    acc.first = static_cast<uint32_t>(smlad(*x, sxtb16(both), static_cast<int32_t>(acc.first)));
    acc.second = static_cast<uint32_t>(smlad(*x, combined ? both : sxtb16_odd(both), static_cast<int32_t>(acc.second)));
#else
    const int32_t low = static_cast<int16_t>(*x), high = static_cast<int32_t>(*x) >> 16, upper = word >> 16;
    acc.first += product(static_cast<int8_t>(word), low);
    acc.second += product(combined ? static_cast<int16_t>(word) : w[1], low);
    acc.first += product(static_cast<int8_t>(upper), high);
    acc.second += product(combined ? upper : w[3], high);
#endif
  }
  return acc;
}

// The end of the channels' constants, which begin at w.
__attribute__((noinline)) inline const int8_t* multiply(const int8_t* w, const BlockArguments& b, const Requant& r,
                                                        int pixels, int combined) {
  const int pairs = static_cast<int>(b.end - b.gathered) / pixels;
  int8_t* out = b.out;
  for (int left = b.channels; left > 0; left -= 2, out += 2 * b.channel_stride) {
    const int8_t* const scales = w + 8 + pairs * 4;
    const bool fused = combined && (load_aligned(scales) | load_aligned(scales + 4)) >= 0;
    for (int i = 0; i < pixels; ++i) {
      const Sums start{static_cast<uint32_t>(load_aligned(w)), static_cast<uint32_t>(load_aligned(w + 4))};
      const uint32_t* const x = b.gathered + i;
      const Sums sums =
          combined ? sum_up<true>(w + 8, scales, x, pixels, start) : sum_up<false>(w + 8, scales, x, pixels, start);
      // What belongs to the second channel is 256 times its sum and, with the fused form, an offset.
      const uint32_t first = sums.first;
      const uint32_t second = combined ? sums.second - first : sums.second;
      int32_t values[2] = {static_cast<int32_t>(first), static_cast<int32_t>(second) >> (combined ? 8 : 0)};
      if (fused) {
        values[0] = static_cast<int32_t>(first << 8 | first >> 24);
        values[1] = static_cast<int32_t>(second);
      }
      int8_t* to = out + i;
      for (int c = 0; c < 2 && c < left; ++c, to += b.channel_stride) {
        const int32_t multiplier = load_aligned(scales + 4 * c);
        *to =
            fused ? requantize_fused(values[c], multiplier, r) : requantize(values[c], {multiplier, scales[8 + c]}, r);
      }
    }
    w = scales + (fused ? 8 : 12);
  }
  return w;
}

using Assembly = const int8_t* (*)(const int8_t* constants, const BlockArguments* arguments);

#if defined(__ARM_FEATURE_DSP)

// The assembly for blocks of so many pixels, null where there is none.
inline Assembly assembly_for(const Requant& r, int pixels) {
  if (r.kind == RequantKind::kGeneric || pixels < 3) return nullptr;
  return pixels == 4 ? multiply4 : multiply3;
}

#else

inline Assembly assembly_for(const Requant& /*r*/, int /*pixels*/) { return nullptr; }

#endif

// What the assembly cannot do in one go: layers in runs, the general path, clamps, blocks of one or two pixels. Leaves
// b.out behind the block, and b.channels as the last run has it.
__attribute__((noinline)) inline void multiply_runs(const ConvParams& p, BlockArguments& b, int pixels) {
  const Assembly assembly = assembly_for(p.requant, pixels);
  const int8_t* w = p.constants;
  int combined = p.requant.kind != RequantKind::kGeneric;
  int8_t* out = b.out;
  for (int left = p.out_c; left > 0; left -= b.channels, b.out += b.channels * b.channel_stride) {
    if (p.in_runs) {
      b.channels = load_aligned(w) >> 1;
      combined = load_aligned(w) & 1;
      w += 4;
    }
    w = combined && assembly != nullptr ? assembly(w, &b) : multiply(w, b, p.requant, pixels, combined);
  }
  if (assembly == nullptr || p.requant.kind == RequantKind::kSaturate) return;
  for (; out != b.out; out += b.channel_stride)
    for (int i = 0; i < pixels; ++i)
      out[i] = static_cast<int8_t>(clamp(out[i], p.requant.clamp_min, p.requant.clamp_max));
}

}  // namespace vww

#endif  // VWW_NN_CONV2D_MULTIPLY_H_
