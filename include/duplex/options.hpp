#pragma once
// What can be set on a connection or a stream. Every bound has a safe default.

#include <duplex/error.hpp>
#include <duplex/frame.hpp>
#include <duplex/limits.hpp>
#include <duplex/message.hpp>
#include <duplex/resolver.hpp>
#include <duplex/shared_function.hpp>

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace duplex {

/// Who reopens the stream's receive window (RFC 9113, section 5.2).
enum class flow_control : std::uint8_t {
  /// Delivering a message returns its bytes.
  automatic,
  /// `stream::consume` returns them.
  manual,
};

/// Whether messages are pushed to a handler instead of waiting for `recv`.
enum class active : std::uint8_t {
  off,
  /// One message, then `off`.
  once,
  on,
};

/// Receives what `recv` would have returned, or the final error once.
using active_handler = std::function<void(error_code, message)>;

enum class tls_version { v1_2, v1_3 };

/// TLS of a client. Certificates and host names are verified unless `verify` is false.
struct tls_options {
  /// PEM file of the trusted authorities, and folder of PEM files with the names that `openssl rehash` gives. Both
  /// empty: the system's, which `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment replace.
  std::string ca_file{};
  std::string ca_path{};
  bool verify = true;
  /// The client's certificate chain and key, for mutual TLS. PEM files, or one PEM file with both; or a PKCS#12 file,
  /// told by its content, with both.
  std::string cert_file{};
  std::string key_file{};
  /// The password of the key, or of the PKCS#12 file, if it is encrypted.
  std::string key_password{};
  /// Asked for it instead, if there is need of one: when the files are read, that is by the first dial and when one has
  /// changed. On the connection's executor, perhaps by several dials at once. What it throws fails the dial
  /// with `tls_failed`.
  shared_function<std::string()> ask_key_password{};
  /// The name to verify, and to send (SNI); empty: the URL's host.
  std::string server_name{};
  /// Another name to send than the one that is verified; empty: none. There is none for an IP address (RFC 6066,
  /// section 3).
  std::optional<std::string> sni{};
  /// `sha256//BASE64;sha256//BASE64...`: SHA-256 of the public keys (SubjectPublicKeyInfo; RFC 7469, section 2.4) of
  /// which the peer's certificate must have one. It is asked of every connection, also of one without `verify`, and of
  /// one that resumes a session. Empty: any.
  std::string pinned_keys{};
  tls_version min_version = tls_version::v1_2;
  tls_version max_version = tls_version::v1_3;
  /// Session secrets are appended here in the NSS key log format (for Wireshark).
  std::string keylog_file{};
  /// Later connections on the same `execution_context` with all of this the same, to the same host, resume the session
  /// of an earlier one (RFC 8446, section 2.2): a shorter handshake, whose certificate was verified within the hour.
  bool resume = true;

  /// By every member: connections are shared only where all of it is the same. Functions are the same if one is a copy
  /// of the other.
  friend auto operator<=>(const tls_options&, const tls_options&) = default;
};

/// The TCP socket of a client. Its small frames leave at once (TCP_NODELAY), always.
struct tcp_options {
  /// The silence after which the kernel probes the peer, and the time between probes, in whole seconds, rounded up
  /// (SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL). None: never. `options::keepalive_time` asks the peer's HTTP/2
  /// instead, and through proxies.
  std::optional<std::chrono::milliseconds> keepalive{};
  /// How long what was sent may be without the peer's acknowledgement before the kernel ends the connection
  /// (TCP_USER_TIMEOUT; RFC 5482). None: what the system does. On systems without it no address can be connected to.
  std::optional<std::chrono::milliseconds> user_timeout{};
  /// The IP address to dial from; empty: the system chooses. Addresses of the other family cannot be reached then.
  std::string local_address{};

  friend auto operator<=>(const tcp_options&, const tcp_options&) = default;
};

/// A proxy between a client and the origin.
struct proxy_options {
  /// `[http|https|socks5|socks5h://][user[:password]@]host[:port]`: asked for a tunnel by CONNECT (RFC 9110, section
  /// 9.3.6) or SOCKS 5 (RFC 1928), with names resolved here (`socks5`) or there (`socks5h`). User and password are
  /// percent-encoded. Without a scheme `http`; the port is 1080 unless it is there, 443 with `https`. Empty: none.
  ///
  /// Unset: what the environment says, by the rules of curl: `https_proxy`, `HTTPS_PROXY`, or `http_proxy` for
  /// `http` URLs, then `all_proxy` and `ALL_PROXY`; not for hosts in `no_proxy` or `NO_PROXY`, and never for
  /// `localhost` and loopback addresses.
  std::optional<std::string> url{};
  /// Hosts that are dialed directly: names, with all below them, addresses and networks (`10.0.0.0/8`), separated by
  /// commas or spaces; `*` is every host. Unset: none, if `url` is set; otherwise what the environment says.
  std::optional<std::string> except{};
  /// Sent with CONNECT.
  fields headers{};
  /// Offers HTTP/2 to a proxy of the scheme `https`, beside HTTP/1.1: if it chooses that, the tunnel is a stream (RFC
  /// 9113, section 8.5).
  bool http2 = false;
  /// TLS with a proxy of the scheme `https`.
  tls_options tls{};
};

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
  /// How long a blocking `send` waits for room, an `async_send` for the peer to grant window for more of it (see
  /// `min_rate`), and the connection for a peer that reads nothing at all.
  duration send_timeout{30000};
  /// A deadline on the whole stream, from the call that opens it, with dialing and waiting for a place, until it is
  /// over; on a server from its request. Then it is reset with CANCEL, and whoever reads gets what had arrived and then
  /// `errc::timeout`. None: streams may live for ever.
  std::optional<duration> max_time{};
  /// How many bytes a second a peer must move at least while it holds us up; slower is no progress. With DATA of ours
  /// that lacks its window so many count over `send_timeout`, 2 GiB at most: a WINDOW_UPDATE of one byte gives no new
  /// time. On a server also with a frame that the client began, after five seconds. A stream on which neither side has
  /// anything under way may be silent for ever. 0: a single byte is progress enough, and a frame may take for ever.
  std::size_t min_rate = 240;
  /// How long an orderly close waits for the peer before the transport is closed; longer while the peer takes what it
  /// was sent, for `send_timeout` at most. As long a server that shuts down waits for the answer to its first GOAWAY.
  duration close_timeout{1000};
  /// How long the peer may take to acknowledge our SETTINGS (RFC 9113, section 6.5.3). Then the connection ends with
  /// GOAWAY (SETTINGS_TIMEOUT) and `errc::timeout`.
  duration settings_timeout{10000};
  /// How long the peer may take for a header section that it began. Then the connection ends with GOAWAY
  /// (ENHANCE_YOUR_CALM) and `errc::timeout`.
  duration header_timeout{10000};

  /// Silence of the peer after which it is sent a PING, while streams are open; none: never. Any byte of the peer's
  /// ends a silence, and a stream that opens after a long one has the PING sent at once. Without it a peer that went
  /// away without a word is noticed by nobody who only waits.
  ///
  /// Off, because servers count PINGs as abuse: gRPC's end the connection with GOAWAY (ENHANCE_YOUR_CALM,
  /// `too_many_pings`) for more than one in five minutes, unless they are told otherwise. Agree with the server; not
  /// much below a minute is good advice. Told so, `h2::client` doubles it for its later connections to that origin.
  std::optional<duration> keepalive_time{};
  /// How long the peer may take to answer that PING, by anything. Then the connection and all its streams fail with
  /// `errc::keepalive_timeout`.
  duration keepalive_timeout{20000};
  /// Also without open streams.
  bool keepalive_without_streams = false;

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
  /// Bytes that blocking sends may leave behind unsent; no more than 4 GiB.
  std::size_t send_buffer = std::size_t{1} << 20;
  /// Size of one received field section: names, values and 32 bytes a field (RFC 9113, section 10.5.1).
  std::size_t max_header_bytes = std::size_t{64} << 10;
  std::size_t max_header_fields = 200;
  /// How many opens may wait for the peer's limit of streams (RFC 9113, section 5.1.2); each for `connect_timeout`.
  std::size_t max_pending_streams = 1000;
  /// How many 1xx replies a stream may bring; together they may be as large as `max_header_bytes`.
  std::size_t max_informational = 100;
  /// How often the peer may do what costs it little.
  peer_limits limits{};

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
  /// Asked for the addresses of hosts, also of a proxy, instead of the system. `h2::client` shares connections between
  /// opens whose resolvers are copies of each other.
  resolve_function resolver{};
  tcp_options tcp{};
  proxy_options proxy{};

  /// Called with every frame sent or received, in order, on the connection's executor; on a connection that was opened
  /// without one a little later. For logs. What it throws is treated as what any handler throws (`h2::stream`). On a
  /// server it does not count; see `h2::server_options::on_frame`.
  frame_handler on_frame{};
};

}  // namespace duplex
