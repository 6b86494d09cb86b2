#include "camera.h"

#include <Arduino.h>

#if defined(VWW_CAMERA_VIRTUAL)

#include <virtual_camera.h>

namespace {

/// The second UART; the camera at its other end is a program on the host.
class CameraPort final : public vww::Port {
 public:
  int read() override { return Serial1.read(); }
  size_t write(const uint8_t* data, size_t size) override { return Serial1.write(data, size); }
  uint32_t milliseconds() override { return millis(); }
};

CameraPort camera_port;
vww::VirtualCamera camera(camera_port);

}  // namespace

vww::Camera* board_camera() {
  Serial1.begin(115200);
  return &camera;
}

#elif defined(VWW_CAMERA_OV7675)

#include <ov7675_camera.h>

namespace {
vww::Ov7675Camera camera;
}

vww::Camera* board_camera() { return &camera; }

#else

vww::Camera* board_camera() { return nullptr; }

#endif
