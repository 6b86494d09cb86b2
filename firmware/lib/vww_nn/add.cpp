// ADD of two tensors of one shape.
#include "add.h"

#include "requant.h"

namespace vww {
namespace {

constexpr int kHeadroom = 20;  // the reference's left shift of both inputs

#if defined(__ARM_FEATURE_DSP)

// The reference scales both inputs to twice the larger scale. So the input with the larger scale is just halved, that
// is shifted by one bit less (multiplier 2^30, shift 0), and the other one's factor is at most a half.
struct Halved {
  int32_t a_base;  // what the halved input's offset amounts to
  int32_t b_base;  // the other input's offset, shifted
  int32_t b_multiplier, b_power, b_shift;
  int32_t multiplier, power;
};

bool is_half(int32_t multiplier, int shift) { return multiplier == 1 << 30 && shift == 0; }

void add_row(const AddParams& p, const Halved& h, const int8_t* a, const int8_t* b, int8_t* to) {
  for (const int8_t* const end = to + p.w; to != end;) {
    const int32_t other = *b++ * (1 << kHeadroom) + h.b_base;
    int32_t t = smmlar(other, h.b_multiplier, other);
    t = (t + (t >> 31)) << h.b_shift;
    t = smmlar(t, h.b_power, *a++ * (1 << (kHeadroom - 1)) + h.a_base);
    t = smmlar(t, h.multiplier, t);
    t = smmlar(t + (t >> 31), h.power, p.output_offset);
    *to++ = static_cast<int8_t>(clamp(t, p.clamp_min, p.clamp_max));
  }
}

#endif

}  // namespace

void add(const AddParams& p, const View& in1, const View& in2, const View& out, int row_begin, int row_end) {
  const uint32_t m1 = static_cast<uint32_t>(p.input1_multiplier) << 1, m2 = static_cast<uint32_t>(p.input2_multiplier)
                                                                            << 1;
  const uint32_t mo = static_cast<uint32_t>(p.output_multiplier) << 1;
#if defined(__ARM_FEATURE_DSP)
  const bool first_is_half = is_half(p.input1_multiplier, p.input1_shift);
  const int b_right = first_is_half ? -p.input2_shift : -p.input1_shift, right = -p.output_shift;
  const uint32_t b_multiplier = first_is_half ? m2 : m1;
  // Multipliers below 2^30 and left shifts don't come from the reference's preparation, but nothing forbids them.
  const bool fast = (first_is_half || is_half(p.input2_multiplier, p.input2_shift)) && b_right >= 1 && b_right <= 31 &&
                    right >= 2 && right <= 31 && (b_multiplier & mo) >> 31 != 0;
  const int a_offset = first_is_half ? p.input1_offset : p.input2_offset,
            b_offset = first_is_half ? p.input2_offset : p.input1_offset;
  const int b_shift = b_right == 1 ? 1 : 0;
  const Halved halved{a_offset * (1 << (kHeadroom - 1)),
                      b_offset * (1 << kHeadroom),
                      static_cast<int32_t>(b_multiplier),
                      fast ? 1 << (32 - b_right - b_shift) : 0,
                      b_shift,
                      static_cast<int32_t>(mo),
                      fast ? 1 << (32 - right) : 0};
#endif
  for (int c = 0; c < p.channels; ++c) {
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* a = row_of(in1, y) + c * in1.channel_stride;
      const int8_t* b = row_of(in2, y) + c * in2.channel_stride;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
#if defined(__ARM_FEATURE_DSP)
      if (fast) {
        first_is_half ? add_row(p, halved, a, b, to) : add_row(p, halved, b, a, to);
        continue;
      }
#endif
      for (int x = 0; x < p.w; ++x) {
        const int32_t a_scaled = scale_by((a[x] + p.input1_offset) * (1 << kHeadroom), m1, 32 + p.input1_shift);
        const int32_t b_scaled = scale_by((b[x] + p.input2_offset) * (1 << kHeadroom), m2, 32 + p.input2_shift);
        const int32_t sum = scale_by(a_scaled + b_scaled, mo, 32 + p.output_shift) + p.output_offset;
        to[x] = static_cast<int8_t>(clamp(sum, p.clamp_min, p.clamp_max));
      }
    }
  }
}

}  // namespace vww
