// From a camera picture to the model's int8 input: colour, crop, area average, quantisation.
//
// The definition is in host/vww_deploy/pictures/preprocess.py, and this gives the same bytes: everything is integer
// arithmetic with one rounding at the end. The picture is taken as it arrives, in pieces of any length, and is never
// held: besides the input itself it needs two words for each value of one row of the input. No Arduino, no heap.
#ifndef VWW_PREPROCESS_H_
#define VWW_PREPROCESS_H_

#include <stddef.h>
#include <stdint.h>

namespace vww {

// How a pixel lies in memory. The values are part of the link's protocol and of the virtual camera's.
enum class PixelFormat : uint8_t {
  kGray8 = 1,
  kRgb565Little = 2,  // low byte first
  kRgb565Big = 3,     // high byte first, as the OV7675 sends it
  kRgb888 = 4,        // red, green, blue
};

struct CameraFormat {
  uint16_t width;
  uint16_t height;
  PixelFormat pixels;
};

// 0 for an unknown format.
uint32_t bytes_per_pixel(PixelFormat pixels);
inline uint32_t picture_bytes(const CameraFormat& camera) {
  return bytes_per_pixel(camera.pixels) * camera.width * camera.height;
}

// What the model takes, from its model card.
struct InputFormat {
  uint16_t width;
  uint16_t height;
  uint8_t channels;     // 1 gray (BT.601), 3 RGB
  bool crop;            // the largest centred part of the model's aspect ratio; else the whole picture is squashed
  const int8_t* table;  // the int8 value of each pixel value 0..255
};

enum class PreprocessError : uint8_t {
  kNone = 0,
  kCamera = 1,  // no pixels, an unknown pixel format, or so many pixels (2^24 / channel) that sums would overflow
  kInput = 2,   // no pixels, or neither 1 nor 3 channels
};

class Preprocess {
 public:
  // Words of work space for a model.
  static constexpr uint32_t work_words(uint32_t width, uint32_t channels) { return 2 * width * channels; }

  // Whether begin() would take these.
  static PreprocessError check(const CameraFormat& camera, const InputFormat& model);

  // The next bytes are a picture's first. `input` takes width * height * channels values, [y][x][channel]; `work` has
  // work_words() words.
  PreprocessError begin(const CameraFormat& camera, const InputFormat& model, int8_t* input, uint32_t* work);
  // The picture's next bytes. What follows after the picture's end is not looked at.
  void push(const uint8_t* data, size_t size);
  // The whole picture has been pushed and the input is complete.
  bool done() const { return row_ == camera_.height; }

 private:
  struct Crop {
    uint32_t width, height;
  };
  static Crop crop_of(const CameraFormat& camera, const InputFormat& model);

  void pixels(const uint8_t* data, uint32_t count);
  void across(const uint8_t* values, uint32_t count);
  void end_row();
  void emit();

  CameraFormat camera_{};
  InputFormat model_{};
  int8_t* out_ = nullptr;

  // The part of the picture that counts.
  uint32_t crop_left_ = 0, crop_top_ = 0, crop_width_ = 0, crop_height_ = 0;
  uint32_t pixel_bytes_ = 0;
  uint32_t row_ = 0, column_ = 0;  // of the picture: the next pixel
  uint8_t partial_[3] = {};        // a pixel whose last bytes are still to come
  uint32_t partial_size_ = 0;

  // Overlaps are counted in parts of a source pixel: `width` parts across, `height` parts down. An output pixel covers
  // crop_width_ parts across and crop_height_ down.
  uint32_t out_column_ = 0;  // the output pixel that sums up now, and its parts that are still to come
  uint32_t column_left_ = 0;
  uint32_t out_row_left_ = 0;
  uint32_t* across_ = nullptr;  // this source row, averaged across, times crop_width_
  uint32_t* sums_ = nullptr;    // the output row so far
};

}  // namespace vww

#endif  // VWW_PREPROCESS_H_
