#pragma once
// What travels on a stream, as values (RFC 9113, section 8.1).

#include <duplex/fields.hpp>

#include <string>
#include <string_view>
#include <variant>

namespace duplex {

/// A request head. On a client it is what to open; on a server it is what arrived.
struct request {
  /// Any token; `POST` unless said.
  std::string method = "POST";
  /// An absolute URL with the scheme `https` (TLS, ALPN `h2`) or `http` (cleartext with prior knowledge). The host may
  /// be in any script (UTF-8, RFC 5891), or an IPv6 address with a zone (`[fe80::1%25eth0]`); a user and password
  /// become an `authorization` field (Basic, RFC 7617) unless there is one; a fragment is dropped.
  std::string url{};
  /// Regular fields. `host` becomes `:authority`; pseudo-fields and connection-specific fields are refused.
  fields headers{};
  /// The `:protocol` of an extended CONNECT (RFC 8441), or empty. A client's open of one waits for the server's
  /// SETTINGS, and fails with `errc::protocol_not_negotiated` if they do not offer it.
  std::string protocol{};
  /// Safe to be sent as early data of TLS 1.3 (0-RTT; RFC 8446, section 2.3; RFC 8470): whoever copies it on its way
  /// can have the server do it again. Only for `GET`, `HEAD` and `OPTIONS`, and without a body: the head ends our side
  /// of the stream. It leaves with the handshake if a connection is dialed for it and the session of an earlier one
  /// allows it; otherwise as ever. A server that does not like it answers 425 (Too Early): then repeat it without this.
  bool early_data = false;

  /// The part of `url` before `://`.
  [[nodiscard]] std::string_view scheme() const noexcept;
  /// Host and port as written in `url`, without user and password.
  [[nodiscard]] std::string_view authority() const noexcept;
  /// Path and query of `url` as written, `/` when there is none.
  [[nodiscard]] std::string path() const;

  friend bool operator==(const request&, const request&) = default;
};

/// A 1xx reply that precedes the response (RFC 9110, section 15.2). Delivered only if `options::informational`.
struct informational {
  int status = 0;
  fields headers{};

  friend bool operator==(const informational&, const informational&) = default;
};

/// The response head: a final status and its fields.
struct response {
  int status = 0;
  fields headers{};

  friend bool operator==(const response&, const response&) = default;
};

/// A piece of the body. Boundaries carry no meaning; it is never empty.
struct data {
  std::string bytes{};

  friend bool operator==(const data&, const data&) = default;
};

/// The trailing fields.
struct trailers {
  fields headers{};

  friend bool operator==(const trailers&, const trailers&) = default;
};

/// The peer has finished its side. After it, `recv` fails with `errc::closed` for ever.
struct done {
  friend bool operator==(const done&, const done&) = default;
};

/// What `recv` delivers, in this order: informational*, response, data*, trailers?, done.
/// On a server the head is the `request` given to the handler, and data is what comes first.
using message = std::variant<response, data, trailers, done, informational>;

}  // namespace duplex
