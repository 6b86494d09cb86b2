#include "vww_preprocess.h"

#include <string.h>

namespace vww {

namespace {

// Pixels that are decoded at a time where the picture's format is not the model's.
constexpr uint32_t kBlock = 32;

uint8_t luma(uint32_t red, uint32_t green, uint32_t blue) {
  return static_cast<uint8_t>((19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16);
}

// Five and six bits become eight by repeating the upper ones, so that 0 stays 0 and the largest becomes 255.
uint32_t widen5(uint32_t value) { return (value << 3) | (value >> 2); }
uint32_t widen6(uint32_t value) { return (value << 2) | (value >> 4); }

uint8_t* put(uint8_t* out, uint32_t channels, uint32_t red, uint32_t green, uint32_t blue) {
  if (channels == 1) {
    *out++ = luma(red, green, blue);
    return out;
  }
  *out++ = static_cast<uint8_t>(red);
  *out++ = static_cast<uint8_t>(green);
  *out++ = static_cast<uint8_t>(blue);
  return out;
}

// `count` pixels as 8-bit values of 1 or 3 channels.
void decode(PixelFormat format, const uint8_t* data, uint32_t count, uint32_t channels, uint8_t* out) {
  switch (format) {
    case PixelFormat::kGray8:
      for (; count > 0; count--, data++) {
        for (uint32_t c = 0; c < channels; c++) *out++ = *data;
      }
      break;
    case PixelFormat::kRgb565Little:
    case PixelFormat::kRgb565Big: {
      const uint32_t high = format == PixelFormat::kRgb565Big ? 0 : 1;
      for (; count > 0; count--, data += 2) {
        const uint32_t pixel = (static_cast<uint32_t>(data[high]) << 8) | data[1 - high];
        out = put(out, channels, widen5(pixel >> 11), widen6((pixel >> 5) & 63u), widen5(pixel & 31u));
      }
      break;
    }
    case PixelFormat::kRgb888:
      for (; count > 0; count--, data += 3) out = put(out, channels, data[0], data[1], data[2]);
      break;
  }
}

uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

}  // namespace

uint32_t bytes_per_pixel(PixelFormat pixels) {
  switch (pixels) {
    case PixelFormat::kGray8:
      return 1;
    case PixelFormat::kRgb565Little:
    case PixelFormat::kRgb565Big:
      return 2;
    case PixelFormat::kRgb888:
      return 3;
  }
  return 0;
}

Preprocess::Crop Preprocess::crop_of(const CameraFormat& camera, const InputFormat& model) {
  Crop crop{camera.width, camera.height};
  if (!model.crop) return crop;
  const uint32_t wide = static_cast<uint32_t>(camera.width) * model.height;
  const uint32_t high = static_cast<uint32_t>(camera.height) * model.width;
  if (wide > high) {
    crop.width = high / model.height;
    if (crop.width == 0) crop.width = 1;
  } else {
    crop.height = wide / model.width;
    if (crop.height == 0) crop.height = 1;
  }
  return crop;
}

PreprocessError Preprocess::check(const CameraFormat& camera, const InputFormat& model) {
  if (bytes_per_pixel(camera.pixels) == 0 || camera.width == 0 || camera.height == 0) return PreprocessError::kCamera;
  if (model.width == 0 || model.height == 0 || (model.channels != 1 && model.channels != 3)) {
    return PreprocessError::kInput;
  }
  // An output pixel's sum is at most 255 * area, and half the area is added to it.
  const Crop crop = crop_of(camera, model);
  if (static_cast<uint64_t>(crop.width) * crop.height >= (1u << 24)) return PreprocessError::kCamera;
  return PreprocessError::kNone;
}

PreprocessError Preprocess::begin(const CameraFormat& camera, const InputFormat& model, int8_t* input, uint32_t* work) {
  camera_ = camera;
  model_ = model;
  out_ = input;
  row_ = camera.height;  // done, until everything is known to be right
  const PreprocessError error = check(camera, model);
  if (error != PreprocessError::kNone) return error;
  pixel_bytes_ = bytes_per_pixel(camera.pixels);
  const Crop crop = crop_of(camera, model);
  crop_width_ = crop.width;
  crop_height_ = crop.height;
  crop_left_ = (camera.width - crop_width_) / 2;
  crop_top_ = (camera.height - crop_height_) / 2;

  row_ = 0;
  column_ = 0;
  partial_size_ = 0;
  out_column_ = 0;
  column_left_ = crop_width_;
  out_row_left_ = crop_height_;
  const uint32_t values = static_cast<uint32_t>(model.width) * model.channels;
  across_ = work;
  sums_ = work + values;
  memset(work, 0, 2 * values * sizeof(work[0]));
  return PreprocessError::kNone;
}

void Preprocess::push(const uint8_t* data, size_t size) {
  while (size > 0 && !done()) {
    if (partial_size_ > 0 || size < pixel_bytes_) {
      partial_[partial_size_++] = *data++;
      size--;
      if (partial_size_ < pixel_bytes_) continue;
      partial_size_ = 0;
      pixels(partial_, 1);
      continue;
    }
    const size_t whole = size / pixel_bytes_;
    const uint32_t rest = camera_.width - column_;
    const uint32_t count = whole < rest ? static_cast<uint32_t>(whole) : rest;
    pixels(data, count);
    data += count * pixel_bytes_;
    size -= count * pixel_bytes_;
  }
}

// Pixels of one row.
void Preprocess::pixels(const uint8_t* data, uint32_t count) {
  const uint32_t first = column_;
  column_ += count;
  if (row_ - crop_top_ < crop_height_) {  // unsigned: rows above are far above crop_height_, too
    const uint32_t begin = first > crop_left_ ? first : crop_left_;
    const uint32_t end = least(column_, crop_left_ + crop_width_);
    if (begin < end) {
      data += (begin - first) * pixel_bytes_;
      uint32_t left = end - begin;
      if (pixel_bytes_ == 1 && model_.channels == 1) {
        across(data, left);
      } else {
        uint8_t values[3 * kBlock];
        while (left > 0) {
          const uint32_t block = least(left, kBlock);
          decode(camera_.pixels, data, block, model_.channels, values);
          across(values, block);
          data += block * pixel_bytes_;
          left -= block;
        }
      }
    }
  }
  if (column_ == camera_.width) {
    column_ = 0;
    if (row_ - crop_top_ < crop_height_) end_row();
    row_++;
  }
}

// Adds decoded pixels to the output pixels that they overlap.
void Preprocess::across(const uint8_t* values, uint32_t count) {
  const uint32_t channels = model_.channels;
  const uint32_t parts = model_.width;
  const uint32_t crop_width = crop_width_;
  uint32_t at = out_column_;
  uint32_t column_left = column_left_;
  for (uint32_t channel = 0; channel < channels; channel++) {
    const uint8_t* value = values + channel;
    const uint8_t* const end = value + count * channels;
    uint32_t* target = across_ + out_column_ * channels + channel;
    at = out_column_;
    column_left = column_left_;
    uint32_t sum = *target;
    for (; value != end; value += channels) {
      uint32_t rest = parts;
      while (rest >= column_left) {
        *target = sum + *value * column_left;
        rest -= column_left;
        column_left = crop_width;
        at++;
        if (at == parts) break;
        target += channels;
        sum = 0;
      }
      if (at == parts) break;
      sum += *value * rest;
      column_left -= rest;
    }
    if (at < parts) *target = sum;
  }
  out_column_ = at;
  column_left_ = column_left;
}

// Adds the row, averaged across, to the output rows that it overlaps.
void Preprocess::end_row() {
  const uint32_t values = static_cast<uint32_t>(model_.width) * model_.channels;
  // Local, so that the compiler need not expect these to change with every value that is written.
  const uint32_t* const across = across_;
  uint32_t* const sums = sums_;
  uint32_t rest = model_.height;
  while (rest > 0) {
    const uint32_t overlap = least(rest, out_row_left_);
    for (uint32_t i = 0; i < values; i++) sums[i] += across[i] * overlap;
    rest -= overlap;
    out_row_left_ -= overlap;
    if (out_row_left_ == 0) emit();
  }
  memset(across_, 0, values * sizeof(across_[0]));
  out_column_ = 0;
  column_left_ = crop_width_;
}

// The output row is complete: its averages, rounded half up, as the model's values.
void Preprocess::emit() {
  const uint32_t values = static_cast<uint32_t>(model_.width) * model_.channels;
  const uint32_t area = crop_width_ * crop_height_;
  const int8_t* const table = model_.table;
  uint32_t* const sums = sums_;
  int8_t* const out = out_;
  for (uint32_t i = 0; i < values; i++) {
    out[i] = table[(sums[i] + area / 2) / area];
    sums[i] = 0;
  }
  out_ += values;
  out_row_left_ = crop_height_;
}

}  // namespace vww
