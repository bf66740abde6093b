#pragma once
// The client's side of an HTTP/1.1 CONNECT (RFC 9110, section 9.3.6; RFC 9112), with Basic authentication (RFC 7617).
// The reply is read byte by byte: what follows it is the other end's already.

#include "net/proxy_step.hpp"

#include <duplex/fields.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace duplex::net {

/// `Basic` and what follows it.
[[nodiscard]] std::string basic_credentials(const std::string& user, const std::string& password);

/// Why a final reply to CONNECT connects nobody, for a person; empty if it does. `authenticate`: its
/// Proxy-Authenticate.
[[nodiscard]] std::string refusal_of(int status, const std::string& reason, const std::string& authenticate);

class http_connect {
 public:
  static constexpr std::size_t largest_reply = std::size_t{16} << 10;  // with the 1xx before it

  /// `authority` is `host:port`; `extra` has been checked.
  http_connect(const std::string& authority, const fields& extra);

  [[nodiscard]] proxy_step begin();
  [[nodiscard]] proxy_step feed(std::string_view bytes);

 private:
  std::string request_;
  std::string head_;       // of the reply, so far
  std::size_t taken_ = 0;  // of all replies
};

}  // namespace duplex::net
