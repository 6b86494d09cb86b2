// The text console: lines that somebody types in a serial monitor.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vww {

class Server;

/// More commands than the built-in ones.
class Commands {
 public:
  /// `line` without its end; `end` is the character that ended it, '\n' or '%'. True when the line was one of these
  /// commands.
  virtual bool run(Server& server, const char* line, char end) = 0;

 protected:
  ~Commands() = default;
};

class Console {
 public:
  /// The longest line kept (MLPerf's longest command has 65 characters); what is beyond is dropped.
  static constexpr size_t kLine = 96;

  explicit Console(Commands* more) : more_(more) {}

  /// Takes typed characters; a whole line runs its command. Returns the lines that ended.
  uint32_t feed(Server& server, const uint8_t* text, size_t size);

 private:
  void run(Server& server, char end);

  Commands* more_;
  char line_[kLine + 1];
  size_t size_ = 0;
};

/// Decimal digits of `value` into `out` (21 bytes), which is returned.
char* decimal(uint64_t value, char* out);
char* signed_decimal(int64_t value, char* out);

}  // namespace vww
