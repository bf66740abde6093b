#pragma once
// How what happens on the stream looks on standard output.

#include "exit_status.hpp"
#include "json.hpp"
#include "stats.hpp"

#include <duplex/h2/connection.hpp>
#include <duplex/message.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
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

  /// One that shares its output with others: each event says whose it is, and text comes in whole lines.
  [[nodiscard]] printer one_of_several(std::string url) const;

  [[nodiscard]] bool is_json() const noexcept { return style_ == style::json || style_ == style::json_sizes; }

  [[nodiscard]] std::string opened(std::int32_t stream_id, const h2::connection_info& info);
  /// Takes the payload out of `m` where it is printed as it is.
  [[nodiscard]] std::string received(message& m);
  [[nodiscard]] std::string pong(std::chrono::microseconds round_trip) const;
  [[nodiscard]] std::string stats(const snapshot& now) const;
  /// `in_vain`: what is known of the connection, if it was not made.
  [[nodiscard]] std::string failed(const problem& why, const std::optional<h2::connection_info>& in_vain = {});

 private:
  std::string as_json(const message& m) const;
  std::string as_text(message& m);
  std::string whole_lines(const std::string& bytes);
  std::string line(boost::json::object event) const;

  style style_;
  json_clock clock_;
  // With heads: whether the trailers would begin in the middle of a line.
  bool in_line_ = false;
  // Of one of several: whose it is, and the line that has not ended yet.
  std::string url_;
  std::int32_t stream_id_ = 0;
  std::string held_;
};

}  // namespace duplex::tool
