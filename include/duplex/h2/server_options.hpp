#pragma once
// What can be set on a server.

#include <duplex/frame.hpp>
#include <duplex/h2/connection.hpp>
#include <duplex/h2/listener.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace duplex::h2 {

/// Called with what a client did wrong, and who it is.
using failure_handler = std::function<void(const connection_info&, const failure&)>;

/// Called with a frame that was sent or received, and on which connection.
using connection_frame_handler = std::function<void(const connection_info&, const frame_info&)>;

/// One request that is over, for an access log. What it refers to lives as long as the call.
struct request_report {
  const connection_info& client;
  /// Of its stream; with `client.id` there is no other such request.
  std::int32_t stream_id = 0;
  const request& head;
  /// Of the response; 0 if none was sent.
  int status = 0;
  /// Payload.
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  /// From the whole request head until the stream was over.
  std::chrono::microseconds duration{};
  /// Why the stream failed; null if it did not.
  const failure* why = nullptr;
};
using request_report_handler = std::function<void(const request_report&)>;

/// A certificate chain and its key: PEM text; or files, PEM, of which one may hold both, or PKCS#12, told by its
/// content, with both.
struct server_certificate {
  std::string certificate_pem{};
  std::string key_pem{};
  std::string cert_file{};
  std::string key_file{};
  /// The password of the key, or of the PKCS#12 file, if it is encrypted. Nobody is asked for it.
  std::string key_password{};
};

/// Options of a server and its connections.
struct server_options {
  using duration = std::chrono::milliseconds;

  /// The address to listen on; port 0 picks a free one.
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  /// Listen on these instead.
  std::vector<listener> listeners{};
  /// Lets several servers, in one process or in several of the same user, listen on the same address and port; the
  /// kernel spreads the connections (SO_REUSEPORT).
  bool reuse_port = false;

  /// Cleartext with prior knowledge instead of TLS.
  bool cleartext = false;
  /// As in `server_certificate`. TLS without a certificate is refused.
  std::string certificate_pem{};
  std::string key_pem{};
  std::string cert_file{};
  std::string key_file{};
  std::string key_password{};
  /// Others. Each client gets the one whose names (subjectAltName) have the name that it asks for by SNI (RFC 6066,
  /// section 3), one that has it as it is before one that has it by a wildcard; the one above if none has.
  std::vector<server_certificate> certificates{};
  /// PEM file of the authorities that may sign clients' certificates; set: clients are asked for one (mutual TLS).
  std::string client_ca_file{};
  /// With `client_ca_file`: whether a client that has none is turned away. A wrong one always is.
  bool client_certificate_required = true;
  std::string keylog_file{};

  /// TLS handshake and the client's preface.
  duration handshake_timeout{10000};
  /// How long a connection may be without streams. Then it is told GOAWAY (NO_ERROR) and closed; a client opens another
  /// when it needs one. None: for ever, and idle clients may fill `max_connections`.
  std::optional<duration> idle_timeout{600000};
  /// Connections at the same time; above it they wait to be accepted.
  std::size_t max_connections = 10000;
  /// Of these, from one IP address; more are closed at once. No bound, because behind a proxy all come from one.
  std::size_t max_connections_per_address = infinity;
  /// Connections that wait at each TCP listener, less where the system allows less (`net.core.somaxconn`); a client
  /// beyond it tries again after a second, and later. Those who came and have left again wait as well, and each costs
  /// its time: a longer line takes a larger crowd, a shorter one is over sooner. An inherited listener keeps its own;
  /// at a Unix socket, where clients beyond it fail, it is what the system allows.
  std::size_t backlog = 512;
  /// Streams that a connection may have at the same time (RFC 9113, section 5.1.2).
  std::uint32_t max_concurrent_streams = 100;
  /// Requests under way on all connections together; more are reset with REFUSED_STREAM, which is safe to retry
  /// (RFC 9113, section 8.7).
  std::size_t max_streams = 100000;
  /// Takes extended CONNECT, and says so (RFC 8441, section 3): `request::protocol` is not empty then.
  bool extended_connect = false;
  /// Options of each stream: windows, buffers, flow control and time-outs. Client-only members do not count, nor does
  /// `on_frame`: there is one here that says whose frame it is.
  options stream{.max_header_bytes = std::size_t{16} << 10, .max_header_fields = 100};

  /// Told of what no request handler is told of, for logs: why a connection failed (once), and why a request failed
  /// that was never handed over (`scope::stream`), malformed or above a limit.
  ///
  /// A connection fails when its TLS handshake does, when the client does not speak HTTP/2 or breaks its rules, goes
  /// above one of `options::limits`, is too late (handshake, preface, SETTINGS, frames, keepalive), is one too many of
  /// its address, or is lost while it has streams. It has not failed when a client goes away that has none, with GOAWAY
  /// or without, nor when it hangs up before it said a word; nor when the server ends it.
  ///
  /// Called on the connection's executor: never for one connection at the same time, but for several if threads share
  /// the context. It must not block. What it throws is dropped.
  failure_handler on_failure{};
  /// Told of every request that was handed over, when its stream is over. Called as above. Until then the head is kept
  /// a second time.
  request_report_handler on_request_done{};
  /// Told of every frame of every connection, in order: before what it leads to, and a stream's last one before
  /// `on_request_done`. Called as above. Frames are put into words only if this is set, which costs more than the rest
  /// of their way.
  connection_frame_handler on_frame{};
};

/// A server at one moment, and what it has done so far.
struct server_stats {
  /// Now. A connection in its TLS handshake is one.
  std::size_t connections = 0;
  std::size_t streams = 0;
  /// So far. Those that failed are what `on_failure` tells of; refused are those above `max_connections_per_address`.
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_failed = 0;
  std::uint64_t connections_refused = 0;
  /// Handed over; over; those of them that failed; and refused, above `max_streams`.
  std::uint64_t requests = 0;
  std::uint64_t requests_done = 0;
  std::uint64_t requests_failed = 0;
  std::uint64_t requests_refused = 0;
  /// Payload of all requests, also of those that are under way, up to the last time that their connection had something
  /// to do.
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
};

}  // namespace duplex::h2
