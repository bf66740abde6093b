#include "link.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace bench {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }
[[noreturn]] void fail_tls(const std::string& what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  throw std::runtime_error(what + ": " + text);
}

void no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int select_h2(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in, unsigned in_length,
              void*) {
  static const unsigned char h2[] = {2, 'h', '2'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, length, h2, sizeof h2, in, in_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

tls_context make_context(const SSL_METHOD* method) {
  tls_context context(SSL_CTX_new(method));
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  return context;
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* last = static_cast<tls_session*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  last->reset(session);
  return 1;  // it is ours now
}

void watch(int epoll, int operation, int fd, bool for_write) {
  epoll_event e{};
  e.events = for_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (epoll_ctl(epoll, operation, fd, &e) != 0) fail("epoll_ctl");
}

}  // namespace

unique_fd::~unique_fd() {
  if (fd_ >= 0) ::close(fd_);
}

tls_context client_context(const std::string& ca_file, std::string_view alpn) {
  auto context = make_context(TLS_client_method());
  if (SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) != 1) fail_tls(ca_file);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (!alpn.empty()) {
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                            static_cast<unsigned>(alpn.size()));
  }
  return context;
}

tls_context server_context(const std::string& cert_file, const std::string& key_file) {
  auto context = make_context(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context.get(), cert_file.c_str()) != 1) fail_tls(cert_file);
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1) fail_tls(key_file);
  SSL_CTX_set_alpn_select_cb(context.get(), select_h2, nullptr);
  return context;
}

void resume_sessions(SSL_CTX* context, tls_session& last) {
  SSL_CTX_set_app_data(context, &last);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
}

link link::dial(std::uint16_t port, SSL_CTX* context) {
  unique_fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
  link l(std::move(socket), nullptr);
  if (context) {
    l.ssl_.reset(SSL_new(context));
    SSL_set_fd(l.ssl_.get(), l.fd());
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(l.ssl_.get()), "127.0.0.1");
    const auto* last = static_cast<tls_session*>(SSL_CTX_get_app_data(context));
    const bool resumes = last && *last;
    if (resumes) SSL_set_session(l.ssl_.get(), last->get());
    if (SSL_connect(l.ssl_.get()) != 1) fail_tls("TLS handshake");
    if (resumes && SSL_session_reused(l.ssl_.get()) != 1) throw std::runtime_error("the TLS session was not resumed");
  }
  return l;
}

link::link(unique_fd socket, SSL_CTX* context) : socket_(std::move(socket)) {
  no_delay(fd());
  if (!context) return;
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), fd());
  SSL_set_accept_state(ssl_.get());
}

void link::set_blocking(bool on) {
  const int flags = fcntl(fd(), F_GETFL);
  fcntl(fd(), F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
  epoll_ = unique_fd(on ? -1 : epoll_create1(EPOLL_CLOEXEC));
  watched_for_write_ = false;
  if (!on) watch(epoll_.get(), EPOLL_CTL_ADD, fd(), false);
}

bool link::established() {
  if (!ssl_ || SSL_is_init_finished(ssl_.get())) return true;
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) return true;
  if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) fail_tls("TLS handshake");
  return false;
}

std::optional<std::size_t> link::read(char* to, std::size_t size) {
  if (!ssl_) {
    const auto n = ::recv(fd(), to, size, 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN || errno == EINTR) return std::nullopt;
    if (errno == ECONNRESET) return 0;
    fail("read");
  }
  std::size_t n = 0;
  ERR_clear_error();
  const int done = SSL_read_ex(ssl_.get(), to, size, &n);
  if (done == 1) return n;
  switch (SSL_get_error(ssl_.get(), done)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return std::nullopt;
    case SSL_ERROR_ZERO_RETURN:
    case SSL_ERROR_SYSCALL:
      return 0;
    default:
      // A peer that goes away without close_notify has ended as well.
      if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return 0;
      fail_tls("read");
  }
}

std::size_t link::write(std::string_view bytes) {
  if (bytes.empty()) return 0;
  if (!ssl_) {
    const auto n = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN || errno == EINTR) return 0;
    fail("write");
  }
  std::size_t n = 0;
  ERR_clear_error();
  const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
  if (done == 1) return n;
  const int error = SSL_get_error(ssl_.get(), done);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
  if (error == SSL_ERROR_SYSCALL) fail("write");
  fail_tls("write");
}

void link::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = write(bytes);
    if (n == 0) wait(true);
    bytes.remove_prefix(n);
  }
}

void link::read_all(char* to, std::size_t size) {
  bool ready = pending();
  for (std::size_t got = 0; got < size;) {
    if (!ready) wait(false);
    const auto n = read(to + got, size - got);
    if (n && *n == 0) throw std::runtime_error("the server ended the connection");
    got += n.value_or(0);
    ready = n.has_value();
  }
}

void link::wait(bool for_write) {
  if (epoll_.get() < 0) return;  // the call on the socket will
  if (for_write != watched_for_write_) watch(epoll_.get(), EPOLL_CTL_MOD, fd(), for_write);
  watched_for_write_ = for_write;
  epoll_event e{};
  if (epoll_wait(epoll_.get(), &e, 1, -1) < 0 && errno != EINTR) fail("epoll_wait");
}

}  // namespace bench
