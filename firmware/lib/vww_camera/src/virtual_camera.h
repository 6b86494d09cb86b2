// The virtual board's camera: a second UART, at whose other end vww_deploy.boards.camera_feed sends pictures.
//
// The board asks, the camera answers, as with registers and VSYNC; docs/camera.md has the bytes. Byte-fed, without I/O
// of its own, so that tests and fuzzers run it on the host.
#pragma once

#include "vww_camera.h"
#include "vww_tx_buffer.h"

namespace vww {

class VirtualCamera final : public Camera {
 public:
  // A running camera says who it is at once; the rest of the time is for a busy host.
  static constexpr uint32_t kIdentifyMs = 500;
  // A camera that was just exchanged for another may not have heard the first time.
  static constexpr int kIdentifyTries = 3;
  // Before it answers, a camera ends the picture that it was sending.
  static constexpr uint32_t kLongestIdentifyMs = 10000;
  // The slowest camera sends one picture a second, and the request may come just after one began.
  static constexpr uint32_t kFirstByteMs = 2500;
  // Inside a picture bytes follow one another; a pause this long is a camera that was taken away.
  static constexpr uint32_t kGapMs = 1000;

  explicit VirtualCamera(Port& port) : port_(port) {}

  CameraStatus begin(const CameraMode& mode) override;
  CameraStatus starting() override;
  void request() override;
  CameraStatus poll(PictureSink& sink) override;
  const char* name() const override { return name_.text; }

 private:
  // Keeps what the camera says about itself.
  struct Name final : public PictureSink {
    void take(const uint8_t* data, size_t size) override;
    char text[32] = {};
    size_t size = 0;
  };

  enum class Kind : uint8_t { kIdentify = 1, kPicture = 2 };
  enum class State : uint8_t { kHeader, kPayload, kCrc, kSkip };

  void ask(Kind kind);
  CameraStatus receive(PictureSink& sink);
  CameraStatus header();
  CameraStatus feed(uint8_t byte, PictureSink& sink);

  Port& port_;
  CameraMode mode_{};
  Name name_;
  uint32_t begun_ms_ = 0;
  int tries_ = 0;

  Kind asked_ = Kind::kIdentify;
  uint16_t sequence_ = 0;
  State state_ = State::kHeader;
  uint8_t header_[12] = {};
  uint32_t header_size_ = 0;
  uint32_t left_ = 0;  // bytes of payload, CRC or skipped answer still to come
  uint32_t crc_ = 0;
  uint32_t crc_received_ = 0;
  uint8_t piece_[256] = {};
  uint32_t piece_size_ = 0;
  bool started_ = false;
  uint32_t last_ms_ = 0;
};

}  // namespace vww
