#pragma once
// What `duplex serve` tells of itself: one log on standard output, as text or as JSON, and complaints on standard
// error.

#include "json.hpp"
#include "log_file.hpp"

#include <duplex/h2/server_options.hpp>

#include <boost/json/object.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace duplex::tool {

/// What the log is asked for, besides where the server listens.
struct log_settings {
  /// One object a line instead of text; with requests, clients that fail and the drain.
  bool json = false;
  /// Text: a line for each request, and for the drain.
  bool requests = false;
  bool frames = false;
  /// Clients that fail, and the drain, on standard error.
  bool verbose = false;

  [[nodiscard]] bool wants_requests() const noexcept { return json || requests; }
};

/// From any thread. Every line but those of `listening` begins with the time of the clock (UTC), or has it as `time`.
class server_log {
 public:
  /// Throws `std::system_error` if there is no thread to be had.
  explicit server_log(const log_settings& wanted);

  void listening(const std::string& url);
  void request(const h2::request_report& r);
  void frame(const h2::connection_info& client, const frame_info& f);
  void failed(const h2::connection_info& client, const failure& why);
  void drain(const h2::server_stats& now);
  /// `before`: when the drain began.
  void drained(const h2::server_stats& before, const h2::server_stats& now, std::chrono::milliseconds took);

 private:
  void write(const boost::json::object& event) { file_.write(clock_.line(event)); }
  void complain(const std::string& text);
  void tell_drain(const boost::json::object& event, const std::string& text);

  log_settings wanted_;
  log_file file_;
  std::optional<log_file> complaints_;
  json_clock clock_;
};

}  // namespace duplex::tool
