// The device's side of the link: decodes requests, answers them, runs the model. docs/protocol.md.
//
// Everything that a lost or repeated message can do is settled here: a picture is written by offset, an inference has
// an id, its result is kept. All memory is given from outside; nothing blocks but the inference itself and a bounded
// flush.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vww_bytes.h"
#include "vww_console.h"
#include "vww_engine.h"
#include "vww_frame.h"
#include "vww_messages.h"
#include "vww_tx_buffer.h"

namespace vww {

class Server;

/// What a firmware with camera pictures answers beyond the built-in requests.
class Extension {
 public:
  /// True when `frame` was one of its requests and is answered.
  virtual bool handle(Server& server, const Frame& frame) = 0;
  /// A host begins to talk, or somebody at the console takes the engine: what was begun ends.
  virtual void yield_engine() = 0;
  /// True while the engine is in use without the host's pictures; those are refused then.
  virtual bool busy() const = 0;
  /// Bytes of a camera picture, 0 for a format that cannot be taken.
  virtual uint32_t picture_bytes(uint16_t width, uint16_t height, uint8_t pixels) const = 0;
  /// The next picture comes in this format and becomes the engine's `input` as it comes.
  virtual void begin_picture(uint16_t width, uint16_t height, uint8_t pixels, int8_t* input) = 0;
  virtual void push_picture(const uint8_t* data, size_t size) = 0;

 protected:
  ~Extension() = default;
};

class Server : private LayerObserver {
 public:
  /// Bytes of a picture in one Write. Its frame is 23 bytes longer: 2.2 % of the line.
  static constexpr size_t kChunk = 1024;
  /// Writes that the host may have under way; what the port cannot hold it holds back.
  static constexpr uint8_t kWindow = 8;
  /// Results that are kept for hosts that did not get them.
  static constexpr size_t kKeptResults = 4;
  /// A frame whose next byte does not come for so long pauses (Decoder::pause).
  static constexpr uint32_t kFrameGapMs = 500;

  /// Outputs of a model that fit into one Result.
  static constexpr size_t kMaxOutputs = kChunk - 32;

  static constexpr size_t kReceiveBytes = encoded_bytes(8 + kChunk);

  struct Memory {
    /// A second input buffer, or null: without it a picture is uploaded straight into the engine, between inferences
    /// only.
    int8_t* staging;
    /// kKeptResults times the engine's outputs.
    int8_t* results;
    /// One value a layer each, both or neither.
    uint32_t* digests;
    uint32_t* ticks;
  };

  Server(Port& port, Engine& engine, const Memory& memory, Commands* commands = nullptr)
      : port_(port),
        engine_(engine),
        memory_(memory),
        tx_buffer_(port),
        decoder_(receive_, sizeof(receive_)),
        console_(commands) {}

  /// Reads what came and answers it; call it from loop().
  void service();
  /// True once the host asked for a restart and was answered.
  bool reset_requested() const { return reset_requested_; }

  TxBuffer& tx_buffer() { return tx_buffer_; }
  Engine& engine() { return engine_; }
  Port& port() { return port_; }

  // What the console's commands use.
  /// Runs the model on the picture that was uploaded last, on a gray one when there is none; returns whether it was
  /// there.
  bool infer_once(uint64_t* ticks);
  /// A picture that is typed takes the place of one that a host uploads: its input_bytes() are written here.
  int8_t* begin_typed_picture();
  /// False once a host's upload has taken the place.
  bool owns_typed_picture() const { return upload_.open && upload_.id == kTyped; }
  /// It is whole: infer_once() takes it.
  void finish_typed_picture() { upload_.received = upload_.total; }
  void request_reset() { reset_requested_ = true; }

  // What an extension uses.
  void extend(Extension& extension) { extension_ = &extension; }
  uint32_t session() const { return session_; }
  /// Answers the request `frame`. A message whose last part is `rest` may have as much of it as rest_room() says.
  template <class Message>
  void respond(const Frame& frame, const Message& message) {
    send(frame.sequence, message);
  }
  template <class Message>
  static constexpr size_t rest_room() {
    return kChunk - Message::kHeadBytes;
  }
  void refuse(const Frame& frame, uint8_t code, const char* why);
  /// The extension takes the engine's input, and what it preprocesses with: a picture that was being uploaded there is
  /// lost.
  void drop_upload();
  /// Runs the model on what engine().input() holds; a picture that was being uploaded there is lost.
  uint64_t infer_input();

  struct Counters {
    uint32_t inferences, frames, bad_frames, repeats, abandoned, console_lines;
  };
  const Counters& counters() const { return counters_; }

 private:
  // The hosts' ids begin with 1.
  static constexpr uint32_t kTyped = 0;
  struct Upload {
    uint32_t id;
    uint32_t received;
    bool open;
    bool camera;     // in a camera format, preprocessed as it comes
    uint32_t total;  // bytes
    uint32_t crc;    // of the picture's bytes so far
  };
  struct Kept {
    uint32_t id;
    uint64_t ticks;
    bool valid;
  };
  struct Request {
    uint32_t id;
    uint32_t crc;
    uint16_t sequence;
    uint8_t flags;
    bool waiting;
  };

  void receive();
  void read_text();
  void handle(const Frame& frame);
  template <class Message>
  void send(uint16_t sequence, const Message& message) {
    ByteWriter out(payload_, sizeof(payload_));
    message.pack(out);
    tx_buffer_.frame(Message::kType, sequence, payload_, out.size());
  }
  void hello(const Frame& frame);
  void begin_frame(const Frame& frame);
  void write(const Frame& frame);
  void ask_infer(const Frame& frame);
  void layers(const Frame& frame);
  void stats(const Frame& frame);
  void run_request();
  void send_result(uint16_t sequence, uint32_t id, uint8_t status, const Kept* kept);
  Kept* find_kept(uint32_t id);
  /// The picture is used up. A piece of it that was sent twice and comes now must not take the next picture's place.
  bool is_late(uint32_t id);
  uint64_t invoke(uint8_t flags);
  int8_t* upload_buffer() { return memory_.staging != nullptr ? memory_.staging : engine_.input(); }

  void rows_done(uint16_t layer, uint32_t digest, uint32_t ticks) override;
  void pause() override;

  Port& port_;
  Engine& engine_;
  Memory memory_;
  Extension* extension_ = nullptr;
  TxBuffer tx_buffer_;
  uint8_t receive_[kReceiveBytes];
  Decoder decoder_;
  Console console_;
  uint8_t payload_[kChunk];
  uint32_t session_ = 0;
  uint32_t last_byte_ms_ = 0;
  Upload upload_{};
  Request request_{};
  Kept kept_[kKeptResults] = {};
  size_t next_kept_ = 0;
  uint32_t layers_id_ = 0;
  uint8_t layers_flags_ = 0;
  uint8_t recording_ = 0;
  bool in_console_ = false;
  bool inferring_ = false;
  uint32_t inferring_id_ = 0;
  bool reset_requested_ = false;
  Counters counters_{};
};

}  // namespace vww
