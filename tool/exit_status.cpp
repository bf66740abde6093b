// What the program ends with: the statuses of curl, and the errors that lead to them.

#include "exit_status.hpp"

#include "flag_names.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace duplex::tool {
namespace {

// The status of an error of one stream, and of one that took the connection with it.
struct row {
  errc error;
  exit_status of_stream;
  exit_status of_connection;
};

using enum exit_status;

constexpr std::array table{
    row{errc::closed, stream, stream},
    row{errc::send_closed, send, send},
    row{errc::timeout, timeout, timeout},
    row{errc::keepalive_timeout, lost, lost},
    row{errc::stream_reset, stream, stream},
    row{errc::refused, stream, stream},
    row{errc::goaway, http2, http2},
    row{errc::connection_lost, lost, lost},
    row{errc::protocol_error, stream, http2},
    row{errc::protocol_not_negotiated, http2, http2},
    row{errc::resolve_failed, resolve, resolve},
    row{errc::connect_failed, connect, connect},
    row{errc::proxy_failed, proxy, proxy},
    row{errc::tls_failed, tls, tls},
    row{errc::certificate_invalid, certificate, certificate},
    row{errc::recv_buffer_overflow, stream, stream},
    row{errc::limit_exceeded, stream, http2},
    row{errc::invalid_argument, usage, usage},
    row{errc::recv_busy, usage, usage},
    row{errc::active_mode, usage, usage},
    row{errc::would_deadlock, usage, usage},
    row{errc::canceled, stream, stream},
    row{errc::out_of_memory, http2, http2},
};

// The library names the culprit first.
bool blames_url(const std::optional<failure>& why) {
  return why && (why->message.starts_with("URL") || why->message.starts_with("path"));
}

bool blames_proxy(const std::optional<failure>& why) {
  return why && why->message.starts_with("cannot resolve the proxy");
}

bool blames_interface(const std::optional<failure>& why) {
  return why && why->message.starts_with("option tcp.local_address ");
}

bool blames_pins(const std::optional<failure>& why) {
  return why && why->message.find(", and tls.pinned_keys wants ") != std::string::npos;
}

}  // namespace

exit_status status_of(error_code ec, const std::optional<failure>& why, operation tried) {
  if (ec.category() != error_category()) return tried == operation::open ? connect : lost;
  const auto found = std::find_if(table.begin(), table.end(), [ec](const row& r) { return ec == r.error; });
  if (found == table.end()) return lost;
  if (found->error == errc::invalid_argument && blames_url(why)) return url;
  if (found->error == errc::resolve_failed && blames_proxy(why)) return resolve_proxy;
  if (found->error == errc::connect_failed && blames_interface(why)) return interface;
  if (found->error == errc::certificate_invalid && blames_pins(why)) return pinned;
  if (found->error == errc::connection_lost && tried == operation::send) return send;
  return why && why->scope == scope::connection ? found->of_connection : found->of_stream;
}

problem::problem(exit_status status, std::string name, std::string message)
    : status_(status), name_(std::move(name)), message_(std::move(message)) {}

problem::problem(error_code ec, const std::optional<failure>& why, operation tried, const std::string& context)
    : status_(status_of(ec, why, tried)),
      name_(ec.category() == error_category() ? to_string(static_cast<errc>(ec.value())) : "system"),
      message_(context) {
  // A time-out or a misuse is the operation's own; the stream may have failed earlier, of something else.
  const bool explained = why && why->code == ec && !why->message.empty();
  if (explained) {
    message_ += with_flags(why->message);
    why_ = why;
  } else if (ec == errc::timeout && tried == operation::recv) {
    message_ += "no message came in time; --recv-timeout bounds the wait";
  } else {
    message_ += ec.message();
  }
}

problem problem::usage(std::string message) { return {exit_status::usage, "usage", std::move(message)}; }

problem problem::signalled(int number, const std::string& name) {
  const auto status = static_cast<exit_status>(static_cast<int>(exit_status::signal) + number);
  problem out(status, "interrupted", "ended by " + name);
  out.quiet_ = true;
  return out;
}

problem problem::broken_pipe() {
  problem out(write, "write_failed", "nobody reads the output any more");
  out.quiet_ = true;
  return out;
}

}  // namespace duplex::tool
