// The sessions of a client context, which owns them, by peer.

#include "net/tls_sessions.hpp"

#include <ctime>
#include <iterator>
#include <new>
#include <string_view>
#include <utility>

namespace duplex::net {
namespace {

// Of one connection: for whom to keep the sessions that it is given.
struct connecting {
  tls_peer peer;
  tls_sessions::clock::time_point verified;
};

template <class T>
void destroy(void*, void* value, CRYPTO_EX_DATA*, int, long, void*) {
  const std::unique_ptr<T> owned(static_cast<T*>(value));
}
int sessions_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, destroy<tls_sessions>);
  return index;
}
int connecting_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, destroy<connecting>);
  return index;
}

tls_sessions* sessions_of(const SSL* ssl) {
  return static_cast<tls_sessions*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessions_index()));
}

tls_sessions::session_ptr share(SSL_SESSION* session) {
  SSL_SESSION_up_ref(session);
  return tls_sessions::session_ptr(session);
}

// With the handshake in TLS 1.2, with each ticket behind it in TLS 1.3. Returns whether OpenSSL's share is ours.
int on_new_session(SSL* ssl, SSL_SESSION* session) {
  const auto* of = static_cast<const connecting*>(SSL_get_ex_data(ssl, connecting_index()));
  if (!of) return 0;
  const auto verified = SSL_session_reused(ssl) == 1 ? of->verified : tls_sessions::clock::now();
  try {
    sessions_of(ssl)->put(of->peer, {share(session), verified});
  } catch (const std::bad_alloc&) {
    return 0;  // the next handshake is a full one
  }
  return 0;
}

}  // namespace

void tls_sessions::put(const tls_peer& peer, entry e) {
  std::list<kept> one;  // made, and what goes destroyed, without the lock
  std::list<kept> gone;
  one.push_back({peer, std::move(e)});
  const std::lock_guard lock(mutex_);
  newest_first_.splice(newest_first_.begin(), one);
  std::size_t of_peer = 0;
  for (auto at = newest_first_.begin(); at != newest_first_.end();) {
    const auto here = at++;
    if (here->peer == peer && ++of_peer > most_of_a_peer) gone.splice(gone.end(), newest_first_, here);
  }
  if (newest_first_.size() > most) gone.splice(gone.end(), newest_first_, std::prev(newest_first_.end()));
}

tls_sessions::entry tls_sessions::take(const tls_peer& peer, clock::time_point now) {
  std::list<kept> gone;
  const std::lock_guard lock(mutex_);
  for (auto at = newest_first_.begin(); at != newest_first_.end();) {
    const auto here = at++;
    if (here->peer != peer) continue;
    auto* session = here->what.session.get();
    const bool usable = SSL_SESSION_is_resumable(session) == 1 && now - here->what.verified < longest_use;
    if (usable && SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION) {
      return {share(session), here->what.verified};
    }
    gone.splice(gone.end(), newest_first_, here);
    if (usable) return std::move(gone.back().what);
  }
  return {};
}

void keep_sessions(SSL_CTX* context) {
  auto sessions = std::make_unique<tls_sessions>();
  if (SSL_CTX_set_ex_data(context, sessions_index(), sessions.get()) != 1) throw std::bad_alloc();
  (void)sessions.release();  // to the context
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
}

void resume_session(SSL* ssl, const tls_peer& peer) {
  auto* sessions = sessions_of(ssl);
  if (!sessions) return;
  const auto [session, verified] = sessions->take(peer, tls_sessions::clock::now());
  auto of = std::make_unique<connecting>(connecting{peer, verified});
  if (SSL_set_ex_data(ssl, connecting_index(), of.get()) != 1) throw std::bad_alloc();
  (void)of.release();  // to the connection
  if (session) SSL_set_session(ssl, session.get());
}

bool allow_early_data(SSL* ssl, std::size_t size) {
  auto* session = SSL_get_session(ssl);
  if (!session || size > SSL_SESSION_get_max_early_data(session)) return false;
  const unsigned char* protocol = nullptr;
  std::size_t length = 0;
  SSL_SESSION_get0_alpn_selected(session, &protocol, &length);
  if (std::string_view(reinterpret_cast<const char*>(protocol), length) != "h2") return false;
  // OpenSSL leaves a ticket that is too old out, but not the early data that belongs to it.
  const auto age = std::time(nullptr) - SSL_SESSION_get_time(session);
  if (age < 0 || static_cast<unsigned long>(age) >= SSL_SESSION_get_ticket_lifetime_hint(session)) return false;
  // A connection that breaks takes its sessions with it, on any thread. Without one OpenSSL fails on early data.
  const tls_sessions::session_ptr own(SSL_SESSION_dup(session));
  return own && SSL_SESSION_is_resumable(own.get()) == 1 && SSL_set_session(ssl, own.get()) == 1;
}

}  // namespace duplex::net
