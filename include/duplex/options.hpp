#pragma once
// What can be set on a connection or a stream. Every bound has a safe default.

#include <duplex/error.hpp>
#include <duplex/frame.hpp>
#include <duplex/message.hpp>

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>

namespace duplex {

/// Who reopens the stream's receive window (RFC 9113, section 5.2).
enum class flow_control {
  /// Delivering a message returns its bytes.
  automatic,
  /// `stream::consume` returns them.
  manual,
};

/// Whether messages are pushed to a handler instead of waiting for `recv`.
enum class active {
  off,
  /// One message, then `off`.
  once,
  on,
};

/// Receives what `recv` would have returned, or the final error once.
using active_handler = std::function<void(error_code, message)>;

/// No bound.
inline constexpr std::size_t infinity = std::numeric_limits<std::size_t>::max();

/// TLS of a client. Certificates and host names are verified unless `verify` is false; TLS 1.2 is the least.
struct tls_options {
  /// PEM file of the trusted authorities; empty: the system's.
  std::string ca_file{};
  bool verify = true;
  /// PEM files of the client's certificate chain and key, for mutual TLS.
  std::string cert_file{};
  std::string key_file{};
  /// The name to send (SNI) and to verify; empty: the URL's host.
  std::string server_name{};
  /// Session secrets are appended here in the NSS key log format (for Wireshark).
  std::string keylog_file{};
  /// Later connections on the same `execution_context` with all of this the same, to the same host, resume the session
  /// of an earlier one (RFC 8446, section 2.2): a shorter handshake, whose certificate was verified within the hour.
  bool resume = true;

  /// By every member: connections are shared only where all of it is the same.
  friend auto operator<=>(const tls_options&, const tls_options&) = default;
};

/// Which addresses a name may resolve to.
enum class address_family { any, v4, v6 };

/// How a server should share a connection among its responses (RFC 9218, section 4).
struct priority {
  /// 0, the most urgent, to 7.
  std::uint8_t urgency = 3;
  /// Whether a part of it is of use, so that it may take turns with others of the same urgency.
  bool incremental = false;
};

/// Options of a client's stream and its dedicated connection. Durations and sizes out of range are refused with
/// `errc::invalid_argument`, naming the member.
struct options {
  using duration = std::chrono::milliseconds;

  /// Resolving, connecting and the TLS handshake together; on a connection that is there, the wait for a stream.
  duration connect_timeout{8000};
  /// How long a `recv` waits unless it is told otherwise; none: without end.
  std::optional<duration> recv_timeout{};
  /// How long a blocking `send` waits for room, or an `async_send` for its next byte to be framed.
  duration send_timeout{30000};
  /// How long an orderly close waits for the peer before the transport is closed.
  duration close_timeout{1000};

  flow_control flow = flow_control::automatic;
  /// With `on` or `once`: messages go to `on_message` from the start.
  duplex::active active = duplex::active::off;
  active_handler on_message{};

  /// Bytes offered to the peer on a stream (RFC 9113, section 6.9.2), 0 to 2^31-1. None: 64 KiB at first, and more
  /// while what arrives is read and the path could carry more in a round trip, up to `connection_window` and
  /// `max_recv_buffer`, and as long as the windows of all streams fit into `max_connection_buffer`.
  std::optional<std::size_t> stream_window{};
  /// Bytes offered to the peer on all streams together, 65,535 to 2^31-1.
  std::size_t connection_window = std::size_t{16} << 20;
  /// Cap on decoded, unread bytes of a stream; beyond it the stream is reset. `infinity` for none.
  std::size_t max_recv_buffer = std::size_t{64} << 20;
  /// Cap on the unread bytes of all streams of a connection; beyond it the stream with most of them is reset, and its
  /// unread bytes are dropped.
  std::size_t max_connection_buffer = std::size_t{256} << 20;
  /// Bytes that blocking sends may leave behind unsent.
  std::size_t send_buffer = std::size_t{1} << 20;
  /// Size of one received field section: names, values and 32 bytes a field (RFC 9113, section 10.5.1).
  std::size_t max_header_bytes = std::size_t{64} << 10;
  std::size_t max_header_fields = 200;
  /// How many opens may wait for the peer's limit of streams (RFC 9113, section 5.1.2); each for `connect_timeout`.
  std::size_t max_pending_streams = 1000;
  /// How many 1xx replies a stream may bring.
  std::size_t max_informational = 100;

  /// Sent as the `priority` field; none: the server decides.
  std::optional<duplex::priority> priority{};

  /// Deliver 1xx replies instead of dropping them.
  bool informational = false;

  tls_options tls{};

  /// Dial this `host:port` instead of the URL's; the request and the certificate check keep the URL's host.
  std::string connect_to{};
  /// Dial this Unix domain socket instead.
  std::string unix_socket{};
  address_family family = address_family::any;

  /// Called with every frame sent or received, in order, on the connection's executor; on a connection that was opened
  /// without one a little later. For logs; it must not throw.
  frame_handler on_frame{};
};

}  // namespace duplex
