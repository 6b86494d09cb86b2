// CONV_2D, as a matrix product: the windows of a few output pixels are gathered as pairs of int16 ("taps" k, k + 1),
// then multiplied with every output channel's weights. The same code serves pointwise convolutions, whose windows are
// columns of channels.
//
// Order of the taps (compiler/kernels/conv2d.py knows it too): a planar input has for each kernel position its channels
// in pairs, an odd last one alone; an interleaved input has for each kernel row its kernel_w * in_c bytes in groups of
// four as pairs (0, 2), (1, 3), and a rest of one to three bytes as (0, -), (0, 1) or (0, 2), (1, -). What pairs lack
// is zero, with a zero weight.
//
// Constants, for each pair of output channels c0, c1 (a missing one all zero): two words of biases b0, b1 with the
// input's zero point folded in, the weights, two words of multipliers and, where the scaling is not fused, 32 +
// TFLite's shifts (two bytes) and two bytes of nothing. Weights are words, one for each pair of taps (k, k + 1).
//
// Requantisation kGeneric has in them the bytes (c0 k, c1 k, c0 k + 1, c1 k + 1), and doubled multipliers. Otherwise
// they are two int16, c0 + 256 * c1 for each tap, and the second bias is likewise b0 + 256 * b1: one multiplication by
// such a word sums up for both channels, and what belongs to c1 is left when the sum for c0 (whose weights are the low
// bytes) is taken away; that saves widening c1's weights.
//
// Then the sign of the multipliers tells whether this pair of channels is scaled by the fused form (requant.h). Doubled
// multipliers are negative as words, fused ones are not. A fused pair has c0's offset in the highest byte of its sum
// (and so in both biases): rotated by a byte that is 256 * s0 + offset, or one less where s0 is negative. c1's offset
// lies in the second bias, and is left beside 256 * s1.
//
// Where two neighbours do not fit one word, or the scaling of a few channels is beyond the fast form, the constants are
// in runs: a word with twice the number of channels, then their pairs, of which only the last one may lack a channel.
// One is added to the word unless the run is stored and scaled as kGeneric has it.
#include "conv2d.h"

#include "conv2d_gather.h"
#include "conv2d_multiply.h"

namespace vww {
namespace {

constexpr int kPixels = 4;  // output pixels in a block, at most (compiler/kernels/conv2d.py knows it too)

// How many of the n pixels left in a row the next block takes: four, but threes where that leaves no ones and twos.
int block_pixels(int n) { return n > 4 && n <= 9 && n % 4 != 0 ? 3 : n < kPixels ? n : kPixels; }

int pairs_of_taps(const ConvParams& p) {
  if (!p.input_is_hwc) return p.kernel_h * p.kernel_w * ((p.in_c + 1) / 2);
  return p.kernel_h * ((p.kernel_w * p.in_c + 1) / 2);
}

}  // namespace

void conv2d(const ConvParams& p, const View& in, const View& out, int row_begin, int row_end, void* scratch) {
  uint32_t* const gathered = static_cast<uint32_t*>(scratch);
  const int pairs = pairs_of_taps(p);
  const bool pointwise = p.kernel_h * p.kernel_w * p.stride_h * p.stride_w == 1 && !p.input_is_hwc &&
                         p.in_h == p.out_h && p.in_w == p.out_w;  // else it pads
  int width = p.out_w;
  if (pointwise && in.row_stride == width && out.row_stride == width && in.rows >= row_end && out.rows >= row_end) {
    // Rows without gaps: one long row.
    width *= row_end - row_begin;
    row_end = row_begin + 1;
  }
  BlockArguments block{gathered, nullptr, 0, rounding_offset(p.requant), nullptr, out.channel_stride, p.out_c};
  int pixels = 0;
  Assembly assembly = nullptr;
  for (int y = row_begin; y < row_end; ++y) {
    int8_t* const row = row_of(out, y);
    const int8_t* const from = pointwise ? row_of(in, y) : nullptr;
    for (int x = 0; x < width; x += pixels) {
      const int next = block_pixels(width - x);
      if (next != pixels) {
        pixels = next;
        block.end = gathered + pairs * pixels;
        block.entry = entry_bytes(pixels, pairs);
        assembly = p.in_runs || p.requant.kind == RequantKind::kClamp ? nullptr : assembly_for(p.requant, pixels);
      }
      if (pointwise) {
        gather_columns(from + x, in.channel_stride, p.in_c, pixels, gathered);
      } else if (p.input_is_hwc) {
        gather_interleaved(p, in, y, x, pixels, gathered);
      } else {
        gather_planar(p, in, y, x, pixels, gathered);
      }
      block.out = row + x;
      if (assembly != nullptr) {
        assembly(p.constants, &block);
      } else {
        multiply_runs(p, block, pixels);
      }
    }
  }
}

}  // namespace vww
