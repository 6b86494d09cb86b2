// Camera pictures: those that the host streams, and the live mode, in which the board looks for itself. docs/camera.md.
//
// capture -> preprocess -> inference, one shot after another; the host asks for what came of it. A host that reads
// pictures slowly gets fewer of them; results never wait for it.
#pragma once

#include "vww_camera.h"
#include "vww_server.h"

namespace vww {

/// A port that counts the time spent sending.
class TimedPort final : public Port {
 public:
  TimedPort(Port& port, uint32_t (*microseconds)()) : port_(port), microseconds_(microseconds) {}

  int read() override { return port_.read(); }
  size_t write(const uint8_t* data, size_t size) override {
    const uint32_t start = microseconds_();
    const size_t written = port_.write(data, size);
    sent_us_ += microseconds_() - start;
    return written;
  }
  uint32_t milliseconds() override { return port_.milliseconds(); }
  uint32_t sent_us() const { return sent_us_; }

 private:
  Port& port_;
  uint32_t (*microseconds_)();
  uint32_t sent_us_ = 0;
};

class Live final : public Extension, private PictureSink {
 public:
  /// A camera that gave no picture is asked again after so long.
  static constexpr uint32_t kRetryMs = 500;

  struct Memory {
    /// Preprocess::work_words() words.
    uint32_t* work;
    /// Where pictures wait for the host; may have no bytes.
    uint8_t* held;
    size_t held_bytes;
  };

  Live(Engine& engine, TimedPort& port, uint32_t (*microseconds)(), const Memory& memory);
  /// Without one, or with null, only the host's pictures are preprocessed.
  void attach(Camera* camera) { camera_ = camera; }

  /// Goes on with the live mode; call it from loop(). At most one shot.
  void step(Server& server);

  bool handle(Server& server, const Frame& frame) override;
  void yield_engine() override { stop(); }
  bool busy() const override { return running_; }
  uint32_t picture_bytes(uint16_t width, uint16_t height, uint8_t pixels) const override;
  void begin_picture(uint16_t width, uint16_t height, uint8_t pixels, int8_t* input) override;
  void push_picture(const uint8_t* data, size_t size) override { preprocess_.push(data, size); }

 private:
  /// A picture's way through the board.
  struct Shot {
    uint32_t number;
    uint32_t capture_us, preprocess_us, inference_us, transmit_us;
    uint64_t ticks;
  };
  static constexpr size_t kMaxOutputs = 64;

  void prepare(Server& server, const Frame& frame);
  void open(Server& server, const Frame& frame);
  void set(Server& server, const Frame& frame);
  void poll(Server& server, const Frame& frame);
  void read(Server& server, const Frame& frame);

  void take(const uint8_t* data, size_t size) override;
  void begin_shot();
  void finish_shot(Server& server);
  void stop();
  InputFormat input_format() const;
  uint8_t possible(uint8_t keep) const;
  size_t outputs() const;

  Camera* camera_ = nullptr;
  Engine& engine_;
  TimedPort& port_;
  uint32_t (*microseconds_)();
  Memory memory_;

  Preprocess preprocess_;
  bool crop_ = false;
  int8_t table_[256];

  CameraMode mode_{};
  CameraStatus opened_ = CameraStatus::kNoCamera;
  uint32_t opening_ = 0;
  bool answered_opening_ = false;

  bool running_ = false;
  uint32_t interval_ms_ = 0;
  uint8_t keep_ = 0;

  bool capturing_ = false;
  bool keeping_ = false;  // this shot's pictures go to memory_.held
  bool due_now_ = false;
  CameraStatus status_ = CameraStatus::kOk;
  uint32_t begun_ms_ = 0;
  uint32_t pause_ms_ = 0;
  uint32_t begun_us_ = 0;
  uint32_t raw_size_ = 0;
  uint32_t sent_before_us_ = 0;
  uint32_t failures_ = 0;
  uint32_t drops_ = 0;
  uint32_t next_number_ = 1;

  Shot current_{};
  Shot newest_{};
  int8_t newest_outputs_[kMaxOutputs];
  Shot held_{};  // number 0: nothing is held
  int8_t held_outputs_[kMaxOutputs];
  uint8_t held_keep_ = 0;
};

}  // namespace vww
