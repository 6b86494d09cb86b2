// The Tiny Machine Learning Kit's camera, an OV7675 on the Nano 33 BLE, through the library Arduino_OV767X
// (GPL-2.0-only; not part of this project, PlatformIO fetches it for the environments that name it).
//
// That library's readFrame() masks interrupts and waits for the camera's sync lines for ever. So before every picture
// this driver asks the sensor's identity over the control bus and looks whether the sync lines move, each with a limit
// in time.
#pragma once

#if defined(VWW_CAMERA_OV7675)

#include "vww_camera.h"

namespace vww {

class Ov7675Camera final : public Camera {
 public:
  // QCIF at two bytes a pixel; the library fills whole pictures only.
  static constexpr size_t kPictureBytes = 176 * 144 * 2;
  // Two and a half pictures at five a second, when looking for a line that moves.
  static constexpr uint32_t kSyncMs = 500;

  CameraStatus begin(const CameraMode& mode) override;
  CameraStatus starting() override { return running_ ? CameraStatus::kOk : CameraStatus::kNoCamera; }
  void request() override {}
  CameraStatus poll(PictureSink& sink) override;
  const char* name() const override { return running_ ? "OV7675" : ""; }

 private:
  bool answers() const;

  CameraMode mode_{};
  bool running_ = false;
};

}  // namespace vww

#endif  // VWW_CAMERA_OV7675
