// The parser of the virtual camera's answers: any bytes. A picture that it takes has its whole length and no more.
#include "fuzz_port.h"
#include "virtual_camera.h"

namespace {

class CountingSink final : public vww::PictureSink {
 public:
  void take(const uint8_t* data, size_t size) override {
    for (size_t i = 0; i < size; i++) sum_ += data[i];
    bytes += size;
  }
  size_t bytes = 0;

 private:
  unsigned sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  FuzzPort port;
  vww::VirtualCamera camera(port);
  const vww::CameraMode mode{{static_cast<uint16_t>(data[0] & 15), static_cast<uint16_t>(data[1] & 15),
                              static_cast<vww::PixelFormat>(data[2] & 3)},
                             vww::TestPattern::kNone};
  port.give(data + 3, size - 3);
  vww::CameraStatus status = camera.begin(mode);
  while (status == vww::CameraStatus::kWaiting) status = camera.starting();
  check(strlen(camera.name()) < 32);
  for (int pictures = 0; pictures < 4; pictures++) {
    CountingSink sink;
    camera.request();
    do {
      status = camera.poll(sink);
    } while (status == vww::CameraStatus::kWaiting);
    check(sink.bytes <= vww::picture_bytes(mode.format));
    if (status == vww::CameraStatus::kOk) check(sink.bytes == vww::picture_bytes(mode.format));
  }
  return 0;
}
