// Cameras behind one interface: say what you are, give a picture, never hang.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vww_preprocess.h"

namespace vww {

// The values are part of the link's protocol.
enum class CameraStatus : uint8_t {
  kOk = 0,
  kNoCamera = 1,     // nothing answers on the camera's control bus
  kUnsupported = 2,  // this camera has no such picture size or pixel format, or this board no memory for it
  kNoFrame = 3,      // the camera answers, but no picture begins: a sync line or the clock is not connected
  kTorn = 4,         // a picture began and did not end as it should
  kWaiting = 5,      // not there yet
};

// As the OV7670's and the OV7675's register numbers them.
enum class TestPattern : uint8_t {
  kNone = 0,
  kWalkingOne = 1,  // byte k is 1 << (k % 8): shows data lines that are swapped, stuck or joined
  kBars = 2,        // white, yellow, cyan, green, magenta, red, blue, black
};

struct CameraMode {
  CameraFormat format;
  TestPattern pattern;
};

// Takes a picture in pieces, from its first byte to its last.
class PictureSink {
 public:
  virtual void take(const uint8_t* data, size_t size) = 0;

 protected:
  ~PictureSink() = default;
};

class Camera {
 public:
  // Looks whether the camera is there, and sets it up. kWaiting: ask starting() until it says what came of it. A camera
  // that can only be waited for may stay inside as long as it needs to start, and no longer.
  virtual CameraStatus begin(const CameraMode& mode) = 0;
  virtual CameraStatus starting() = 0;
  // Asks for the next picture that begins from now on.
  virtual void request() = 0;
  // What came of it: kWaiting, until it is kOk and the sink has the whole picture, or anything else and the picture is
  // lost. A camera whose pins must be watched may stay inside until the picture is over.
  virtual CameraStatus poll(PictureSink& sink) = 0;
  // What answered, for people; "" before it did.
  virtual const char* name() const = 0;

 protected:
  ~Camera() = default;
};

}  // namespace vww
