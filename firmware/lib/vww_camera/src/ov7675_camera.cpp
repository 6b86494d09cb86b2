#include "ov7675_camera.h"

#if defined(VWW_CAMERA_OV7675)

// clang-format off
// Before Arduino.h, whose macro abs() breaks this header of GCC 12, which the core's Wire.h needs.
#include <chrono>
// clang-format on

#include <Arduino.h>
#include <Arduino_OV767X.h>
#include <Wire.h>

namespace vww {

namespace {

// The sensor's address on the control bus, and the registers that say what it is (PID 0x76, VER 0x73).
constexpr uint8_t kAddress = 0x21;
constexpr uint8_t kProductRegister = 0x0A;
constexpr uint8_t kProduct = 0x76;

// The rates that the library has for the Nano 33 BLE are 1 and 5 pictures a second.
constexpr int kPicturesPerSecond = 5;

// Not a member: an object that is not all zeros lies in flash, too, buffer and all.
uint8_t picture[Ov7675Camera::kPictureBytes];

// True when the pin changes its level twice before the time is over.
bool moves(int pin, uint32_t limit_ms) {
  const uint32_t start = millis();
  int level = digitalRead(pin);
  int changes = 0;
  while (millis() - start < limit_ms) {
    const int now = digitalRead(pin);
    if (now != level && ++changes == 2) return true;
    level = now;
  }
  return false;
}

}  // namespace

CameraStatus Ov7675Camera::begin(const CameraMode& mode) {
  mode_ = mode;
  int size;
  if (mode.format.width == 176 && mode.format.height == 144) {
    size = QCIF;
  } else if (mode.format.width == 160 && mode.format.height == 120) {
    size = QQVGA;
  } else {
    return CameraStatus::kUnsupported;
  }
  int format;
  if (mode.format.pixels == PixelFormat::kGray8) {
    format = GRAYSCALE;
  } else if (mode.format.pixels == PixelFormat::kRgb565Big || mode.format.pixels == PixelFormat::kRgb565Little) {
    // The bytes come as they come; the picture's name says how they are read, should one of the two be wrong.
    format = RGB565;
  } else {
    return CameraStatus::kUnsupported;
  }
  // The sensor answers only while it gets its clock, which the library's begin() starts. It takes a second, and returns
  // 0 when nothing answers. Only a begin() that succeeded may be ended: the library frees its state in end().
  if (running_) ::Camera.end();
  running_ = ::Camera.begin(size, format, kPicturesPerSecond, OV7675) != 0;
  if (!running_) return CameraStatus::kNoCamera;
  if (mode.pattern == TestPattern::kNone) {
    ::Camera.noTestPattern();
  } else {
    ::Camera.testPattern(static_cast<int>(mode.pattern));
  }
  const bool synchronous = moves(OV7670_VSYNC, kSyncMs) && moves(OV7670_HREF, kSyncMs) && moves(OV7670_PLK, kSyncMs);
  return synchronous ? CameraStatus::kOk : CameraStatus::kNoFrame;
}

CameraStatus Ov7675Camera::poll(PictureSink& sink) {
  if (!running_ || !answers()) return CameraStatus::kNoCamera;
  // Not VSYNC: waiting for its pulse here would mean to miss the picture that it begins. begin() has seen it.
  if (!moves(OV7670_HREF, kSyncMs) || !moves(OV7670_PLK, kSyncMs)) return CameraStatus::kNoFrame;
  ::Camera.readFrame(picture);
  sink.take(picture, picture_bytes(mode_.format));
  return CameraStatus::kOk;
}

bool Ov7675Camera::answers() const {
  Wire.beginTransmission(kAddress);
  Wire.write(kProductRegister);
  if (Wire.endTransmission() != 0) return false;
  if (Wire.requestFrom(kAddress, static_cast<uint8_t>(1)) != 1) return false;
  return Wire.read() == kProduct;
}

}  // namespace vww

#endif  // VWW_CAMERA_OV7675
