// SOFTMAX in fixed point: e^x by a polynomial on (-1/4, 0] and a product of constants, one reciprocal by Newton's
// iteration.
#include "softmax.h"

#include "requant.h"

namespace vww {
namespace {

// Fixed-point numbers here are int32 with a stated number of integer bits: Qm has m integer and 31 - m fractional bits.

int32_t saturate(int64_t x) { return static_cast<int32_t>(x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x); }

// The product of two fractions: Qa by Qb is Q(a + b). Rounded half up, like the reference's doubling high multiply.
int32_t multiply(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  return static_cast<int32_t>((static_cast<int64_t>(a) * b + (int64_t{1} << 30)) >> 31);
}

int32_t divide_by_power(int32_t x, int exponent) {  // rounded half away from zero
  return static_cast<int32_t>((static_cast<int64_t>(x) + (x >> 31) + (int64_t{1} << (exponent - 1))) >> exponent);
}

// e^a for a in [-1/4, 0), Q0 to Q0: the Taylor series around -1/8.
int32_t exp_small(int32_t a) {
  constexpr int32_t kExpMinusEighth = 1895147668, kThird = 715827883;
  const int32_t x = a + (1 << 28);
  const int32_t x2 = multiply(x, x);
  const int32_t x3 = multiply(x2, x);
  const int32_t x4 = multiply(x2, x2);
  const int32_t tail = divide_by_power(multiply(divide_by_power(x4, 2) + x3, kThird) + x2, 1);
  return saturate(static_cast<int64_t>(kExpMinusEighth) + multiply(kExpMinusEighth, x + tail));
}

// e^a for a <= 0, Q5 to Q0.
int32_t exp_negative(int32_t a) {
  if (a == 0) return INT32_MAX;
  constexpr int kFraction = 26;
  constexpr int32_t kQuarter = 1 << (kFraction - 2);
  constexpr int32_t kPower[] = {1672461947, 1302514674, 790015084, 290630308,
                                39332535,   720401,     242};  // e^-(1/4), e^-(1/2), ... e^-16
  const int32_t small = (a & (kQuarter - 1)) - kQuarter;
  int32_t result = exp_small(small * 32);
  const int32_t rest = small - a;
  for (int i = 0; i < 7; ++i)
    if (rest & (1 << (kFraction - 2 + i))) result = multiply(result, kPower[i]);
  return result;
}

// 1 / (1 + a) for a in [0, 1), Q0 to Q0.
int32_t reciprocal_of_one_plus(int32_t a) {
  constexpr int32_t k48Over17 = 1515870810, kMinus32Over17 = -1010580540, kOneQ2 = 1 << 29;
  const int32_t half = static_cast<int32_t>((static_cast<int64_t>(a) + INT32_MAX + 1) / 2);
  int32_t x = k48Over17 + multiply(half, kMinus32Over17);
  for (int i = 0; i < 3; ++i) x += saturate(static_cast<int64_t>(multiply(x, kOneQ2 - multiply(half, x))) * 4);
  return saturate(static_cast<int64_t>(x) * 2);
}

// One vector, whose elements are in_stride and out_stride apart. Inlined, so that a stride of 1 costs nothing.
__attribute__((always_inline)) inline void softmax_of(const SoftmaxParams& p, const int8_t* in, int in_stride,
                                                      int8_t* out, int out_stride) {
  constexpr int kSumIntegerBits = 12;
  int32_t largest = -128;
  for (int i = 0; i < p.size; ++i) largest = in[i * in_stride] > largest ? in[i * in_stride] : largest;
  const auto exponential = [&](int32_t difference) {
    return exp_negative(
        multiply(static_cast<int32_t>(static_cast<uint32_t>(difference) << p.left_shift), p.multiplier));
  };

  int32_t sum = 0;
  for (int i = 0; i < p.size; ++i) {
    const int32_t difference = in[i * in_stride] - largest;
    if (difference >= p.diff_min) sum += divide_by_power(exponential(difference), kSumIntegerBits);
  }
  int headroom = 0;
  while (static_cast<int32_t>(static_cast<uint32_t>(sum) << headroom) > 0) ++headroom;
  const int32_t scale =
      reciprocal_of_one_plus(static_cast<int32_t>((static_cast<uint32_t>(sum) << headroom) - (1u << 31)));
  const int exponent = kSumIntegerBits - headroom + 31 - 8;

  for (int i = 0; i < p.size; ++i) {
    const int32_t difference = in[i * in_stride] - largest;
    int32_t value = -128;
    if (difference >= p.diff_min) value += divide_by_power(multiply(scale, exponential(difference)), exponent);
    out[i * out_stride] = static_cast<int8_t>(clamp(value, -128, 127));
  }
}

}  // namespace

void softmax(const SoftmaxParams& p, const int8_t* in, int8_t* out) { softmax_of(p, in, 1, out, 1); }

void softmax_map(const SoftmaxParams& p, const View& in, const View& out, int row_begin, int row_end) {
  for (int y = row_begin; y < row_end; ++y)
    for (int x = 0; x < p.w; ++x)
      softmax_of(p, row_of(in, y) + x, in.channel_stride, row_of(out, y) + x, out.channel_stride);
}

}  // namespace vww
