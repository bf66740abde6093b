#pragma once
// Sessions that servers gave us, to begin later connections with (RFC 8446, section 2.2; RFC 5077).

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>

namespace duplex::net {

/// Whom a session is with.
struct tls_peer {
  std::string name{};     // that the certificate was verified for
  std::string address{};  // that was dialed

  friend bool operator==(const tls_peer&, const tls_peer&) = default;
};

/// Those of one client context, and so of one way to verify. Thread-safe.
class tls_sessions {
 public:
  using clock = std::chrono::steady_clock;
  struct deleter {
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
  };
  using session_ptr = std::unique_ptr<SSL_SESSION, deleter>;

  struct entry {
    session_ptr session{};
    /// When the certificate was: a session that came of a resumed one has the time of the first.
    clock::time_point verified{};
  };

  static constexpr std::size_t most = 64;
  static constexpr std::size_t most_of_a_peer = 4;
  /// Certificates expire and are revoked; nothing is checked when a session is resumed.
  static constexpr std::chrono::minutes longest_use{60};

  void put(const tls_peer& peer, entry e);
  /// The newest; without a session if there is none. One of TLS 1.3 is used once (RFC 8446, appendix C.4).
  [[nodiscard]] entry take(const tls_peer& peer, clock::time_point now);

 private:
  struct kept {
    tls_peer peer;
    entry what;
  };

  std::mutex mutex_;
  std::list<kept> newest_first_;
};

/// Gives `context` its sessions. Throws `std::bad_alloc`.
void keep_sessions(SSL_CTX* context);

/// Before the handshake: resumes a session with `peer` if the context has one, and keeps those that `peer` will give.
/// The caller has `peer.name` verified. Nothing happens without `keep_sessions`.
void resume_session(SSL* ssl, const tls_peer& peer);

/// After `resume_session`: whether `size` bytes of HTTP/2 may be early data (RFC 8446, section 4.2.10). Then they can.
[[nodiscard]] bool allow_early_data(SSL* ssl, std::size_t size);

}  // namespace duplex::net
