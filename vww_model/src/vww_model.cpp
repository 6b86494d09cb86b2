// mine: written by vww-deploy 0.1.0. Do not edit.
#include "vww_model.h"

#include "vww_nn/lookup.h"

namespace {

alignas(4) int8_t g_arena[20];

alignas(4) const int8_t kTable0[] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -2, -2, -2, -3, -3, -3, -3, -3, -4, -4, -4, -4, -4, -4, -4, -3, -3, -3,
    -3, -3, -2, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18,
    19, 20, 22, 23, 24, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81,
    82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111,
    112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
};

const vww::LookupParams kLayer0 = {
    /*table=*/kTable0, /*w=*/4, /*channels=*/1};

const vww::View kView0 = {g_arena + 0, 4, 4, 4};

void report(vww_model_hook hook, void *context, int layer, const vww::View &view, int channels, int width, int height,
            int row_begin, int row_end) {
  if (row_begin >= row_end) return;
  const vww_model_rows rows = {layer,    view.data, view.channel_stride, view.row_stride, view.rows,
                               channels, width,     height,              row_begin,       row_end};
  hook(context, &rows);
}

template <bool kHooked>
void invoke([[maybe_unused]] vww_model_hook hook, [[maybe_unused]] void *context) {
  vww::lookup(kLayer0, kView0, kView0, 0, 4);
  if constexpr (kHooked) report(hook, context, 0, kView0, 1, 4, 4, 0, 4);
}

}  // namespace

int8_t *vww_model_input(void) { return g_arena + 0; }

void vww_model_invoke(void) { invoke<false>(nullptr, nullptr); }

const int8_t *vww_model_output(void) { return g_arena + 0; }

void vww_model_invoke_hooked(vww_model_hook hook, void *context) { invoke<true>(hook, context); }
