#pragma once
// -v: how the connection was made and which frames travel on it, on standard error.

#include <duplex/error.hpp>
#include <duplex/frame.hpp>
#include <duplex/h2/connection.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace duplex::tool {

/// `> [1] HEADERS end_stream, 45 bytes` and a line for each of its fields, all with `prefix` in front.
[[nodiscard]] std::string to_lines(const frame_info& info, const std::string& prefix = {});

/// `*` facts, `>` sent, `<` received, as curl marks them.
class frame_log {
 public:
  void frame(const frame_info& info);

  /// The connection stands. Frames that were seen before are shown after this.
  void connected(const h2::connection_info& info);
  /// There will be no connection; what was seen is shown.
  void failed();
  /// What is known of a connection that was not made.
  void dialed_in_vain(const h2::connection_info& info);
  /// What the message of a failure does not say.
  void explain(const failure& why);

 private:
  void write(const std::string& lines);

  using clock = std::chrono::steady_clock;

  bool holding_ = true;
  std::optional<clock::time_point> began_;  // the first frame
  bool settings_came_ = false;
  std::string held_;
};

}  // namespace duplex::tool
