#pragma once
// How what happens on the stream looks on standard output.

#include "exit_status.hpp"
#include "json.hpp"
#include "stats.hpp"

#include <duplex/h2/connection.hpp>
#include <duplex/message.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace duplex::tool {

/// Turns messages into bytes to print; an empty string is nothing to print.
class printer {
 public:
  enum class style {
    /// The payload.
    body,
    /// Heads and trailers as well, as `curl -i` shows them.
    heads,
    /// One JSON object a line for each event.
    json,
    /// The same without payloads, only their sizes.
    json_sizes,
  };

  explicit printer(style chosen) : style_(chosen) {}

  [[nodiscard]] bool is_json() const noexcept { return style_ == style::json || style_ == style::json_sizes; }

  [[nodiscard]] std::string opened(std::int32_t stream_id, const h2::connection_info& info) const;
  /// Takes the payload out of `m` where it is printed as it is.
  [[nodiscard]] std::string received(message& m);
  [[nodiscard]] std::string pong(std::chrono::microseconds round_trip) const;
  [[nodiscard]] std::string stats(const snapshot& now) const;
  [[nodiscard]] std::string failed(const problem& why) const;

 private:
  std::string as_json(const message& m) const;
  std::string as_text(message& m);

  style style_;
  json_clock clock_;
  // With heads: whether the trailers would begin in the middle of a line.
  bool in_line_ = false;
};

}  // namespace duplex::tool
