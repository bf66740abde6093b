#pragma once
// Errors: `errc` says what happened, `failure` says who, where, and whether a retry is safe.

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace duplex {

using error_code = boost::system::error_code;

/// What went wrong. Convertible to `error_code`.
enum class errc {
  /// Read after `done`, or any use after `close`.
  closed = 1,
  /// Send after `fin` or trailers.
  send_closed,
  /// `recv`, `send` or connect took longer than allowed.
  timeout,
  /// A keepalive PING was not answered.
  keepalive_timeout,
  /// RST_STREAM came from the peer; its code is in `failure`.
  stream_reset,
  /// The peer did not process the request: a retry is safe.
  refused,
  /// The connection ended by GOAWAY for a stream that it covers.
  goaway,
  /// End of file, TCP reset, TLS truncation or another transport error.
  connection_lost,
  /// The peer broke HTTP/2.
  protocol_error,
  /// ALPN or the preface is not h2.
  protocol_not_negotiated,
  resolve_failed,
  connect_failed,
  proxy_failed,
  tls_failed,
  certificate_invalid,
  /// More unread bytes than `options::max_recv_buffer`.
  recv_buffer_overflow,
  /// A local bound was hit.
  limit_exceeded,
  /// Bad URL, method, path, field or option; nothing was sent.
  invalid_argument,
  /// `recv` while another `recv` waits.
  recv_busy,
  /// `recv` while messages go to the active handler.
  active_mode,
  /// A blocking call on a thread that runs the connection.
  would_deadlock,
  /// A cancellation slot fired, or `close` came under a pending operation.
  canceled,
  /// There was no memory left: the connection has ended.
  out_of_memory,
};

/// The category of `errc`, named `duplex`.
[[nodiscard]] const boost::system::error_category& error_category() noexcept;

[[nodiscard]] error_code make_error_code(errc e) noexcept;

/// The identifier of `e` as written above (`stream_reset`), for logs and JSON.
[[nodiscard]] std::string_view to_string(errc e) noexcept;

/// Who failed.
enum class origin { local, peer, network };
[[nodiscard]] std::string_view to_string(origin o) noexcept;

/// What failed: one stream, or the connection and all its streams.
enum class scope { stream, connection };
[[nodiscard]] std::string_view to_string(scope s) noexcept;

/// Everything known about why a stream or a connection failed. A value; it does not change once set.
struct failure {
  error_code code{};
  /// One sentence for a person.
  std::string message{};
  duplex::origin origin = origin::local;
  duplex::scope scope = scope::stream;
  /// The code of RST_STREAM or GOAWAY (RFC 9113, section 7), if one was involved.
  std::optional<std::uint32_t> http2_code{};
  /// The last stream id of the peer's GOAWAY, if there was one.
  std::optional<std::int32_t> last_stream_id{};
  /// The debug data of the peer's GOAWAY.
  std::string debug_data{};
  /// Payload bytes of this stream that were framed before it failed.
  std::uint64_t bytes_sent = 0;
  /// True only if the peer cannot have processed the request.
  bool retry_safe = false;
};

}  // namespace duplex

template <>
struct boost::system::is_error_code_enum<duplex::errc> : std::true_type {};
