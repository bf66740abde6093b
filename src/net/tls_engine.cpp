// OpenSSL between two stretches of memory.

#include "net/tls_engine.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/system/system_error.hpp>

#include <openssl/err.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string_view>
#include <utility>

namespace duplex::net {
namespace {

namespace sys = boost::system;

// A record can be used when its last byte is here. While the congestion window is small, a record of 16 KiB takes
// round trips; one that fits into a segment takes none.
constexpr std::size_t small_record = 1400;
constexpr std::size_t small_phase = std::size_t{64} * 1024;

// A handshake message costs whoever reads it far more than its sender, and may have an answer. A handshake has a dozen;
// afterwards so many bytes of data earn another one.
constexpr std::size_t most_messages = 100;
constexpr std::size_t data_per_message = 4096;

constexpr std::size_t record_overhead = 64;  // more than any cipher takes
constexpr std::size_t full_record = SSL3_RT_MAX_PLAIN_LENGTH;

// OpenSSL's error queue is the thread's: what others left there must not be taken for ours, nor ours for theirs.
class clean_error_queue {
 public:
  clean_error_queue() noexcept { clear(); }
  clean_error_queue(const clean_error_queue&) = delete;
  clean_error_queue& operator=(const clean_error_queue&) = delete;
  ~clean_error_queue() { clear(); }

 private:
  static void clear() noexcept {
    if (ERR_peek_error() != 0) ERR_clear_error();  // looking is cheaper
  }
};

void give_back(std::string& memory) noexcept { std::string().swap(memory); }  // `= {}` would keep it

error_code first_error() noexcept { return {static_cast<int>(ERR_get_error()), asio::error::get_ssl_category()}; }

}  // namespace

// Shared, because a session of static storage may outlive what is static here.
std::shared_ptr<BIO_METHOD> tls_engine::bio_method() {
  static const auto method = [] {
    std::shared_ptr<BIO_METHOD> m(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "duplex"), BIO_meth_free);
    if (!m) return m;
    BIO_meth_set_read_ex(m.get(), take_input);
    BIO_meth_set_write_ex(m.get(), put_output);
    BIO_meth_set_ctrl(m.get(), [](BIO*, int what, long, void*) -> long { return what == BIO_CTRL_FLUSH ? 1 : 0; });
    return m;
  }();
  return method;
}

tls_engine::tls_engine(std::shared_ptr<asio::ssl::context> context, role as)
    : context_(std::move(context)),
      method_(bio_method()),
      ssl_(SSL_new(context_->native_handle())),
      small_left_(small_phase) {
  auto* bio = ssl_ && method_ ? BIO_new(method_.get()) : nullptr;
  if (!bio) throw sys::system_error(first_error(), "TLS session");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  auto* ssl = ssl_.get();
  SSL_set_bio(ssl, bio, bio);
  SSL_set_msg_callback(ssl, on_message);
  SSL_set_msg_callback_arg(ssl, this);
  SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS);  // after every record; rest() does it when it is worth it
  SSL_set_mode(ssl, SSL_MODE_AUTO_RETRY);         // WANT_READ means that the input is used up
  SSL_set_read_ahead(ssl, 0);                     // the input is in memory already; reading ahead would move it about
  if (as == asio::ssl::stream_base::client) {
    SSL_set_connect_state(ssl);
  } else {
    SSL_set_accept_state(ssl);
  }
}

int tls_engine::take_input(BIO* bio, char* to, std::size_t size, std::size_t* taken) {
  auto& input = static_cast<tls_engine*>(BIO_get_data(bio))->input_;
  BIO_clear_retry_flags(bio);
  *taken = std::min(size, input.size());
  if (*taken == 0) {
    BIO_set_retry_read(bio);  // at the end too: OpenSSL would answer the peer's FIN with an alert
    return 0;
  }
  std::memcpy(to, input.data(), *taken);
  input += *taken;
  return 1;
}

int tls_engine::put_output(BIO* bio, const char* from, std::size_t size, std::size_t* put) {
  BIO_clear_retry_flags(bio);
  *put = 0;
  try {
    static_cast<tls_engine*>(BIO_get_data(bio))->pending_.append(from, size);
  } catch (...) {
    return 0;  // no memory
  }
  *put = size;
  return 1;
}

// Without input OpenSSL's loops end, and `without_input` says why.
void tls_engine::on_message(int sent, int, int type, const void*, std::size_t, SSL*, void* self) {
  if (sent != 0 || type != SSL3_RT_HANDSHAKE) return;
  auto& engine = *static_cast<tls_engine*>(self);
  engine.unearned_ += data_per_message;
  if (engine.unearned_ > most_messages * data_per_message) engine.fail(errc::limit_exceeded);
}

void tls_engine::feed(asio::const_buffer cipher) noexcept {
  assert(hungry() && !ended_);
  give_back(kept_);
  input_ = failed_ ? asio::const_buffer{} : cipher;
}

void tls_engine::keep() {
  if (hungry()) return give_back(kept_);
  if (!kept_.empty()) return;  // what is left is of kept_ already
  kept_.assign(static_cast<const char*>(input_.data()), input_.size());
  input_ = asio::buffer(kept_);
}

error_code tls_engine::fail(error_code ec) noexcept {
  input_ = {};
  return failed_ = ec;
}

error_code tls_engine::without_input() const noexcept {
  if (failed_) return failed_;
  if ((SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0) return asio::error::eof;
  return ended_ ? asio::ssl::error::stream_truncated : error_code(asio::error::would_block);
}

error_code tls_engine::outcome(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_NONE:
      return {};
    case SSL_ERROR_WANT_READ:
      return without_input();
    case SSL_ERROR_ZERO_RETURN:
      input_ = {};  // nothing counts behind close_notify
      return asio::error::eof;
    case SSL_ERROR_SSL:
      return fail(first_error());
    case SSL_ERROR_SYSCALL:  // only put_output fails
      return fail(sys::errc::make_error_code(sys::errc::not_enough_memory));
    default:
      return fail(asio::ssl::error::unexpected_result);
  }
}

error_code tls_engine::handshake() {
  if (failed_) return failed_;
  const clean_error_queue guard;
  const auto ec = outcome(SSL_do_handshake(ssl_.get()));
  if (ec == asio::error::eof) return fail(asio::ssl::error::stream_truncated);  // anybody can say close_notify so early
  if (!ec && SSL_get_early_data_status(ssl_.get()) != SSL_EARLY_DATA_ACCEPTED) give_back(early_);
  return ec;
}

void tls_engine::write_early(std::string bytes) {
  const clean_error_queue guard;
  early_ = std::move(bytes);
  std::size_t n = 0;
  (void)outcome(SSL_write_early_data(ssl_.get(), early_.data(), early_.size(), &n));
}

// Of what is to be written, so much has arrived.
std::size_t tls_engine::skip_early(asio::const_buffer from, error_code& ec) {
  const auto n = std::min(from.size(), early_.size());
  if (std::memcmp(from.data(), early_.data(), n) != 0) {
    ec = fail(asio::error::invalid_argument);  // the peer has had something else
    return 0;
  }
  early_.erase(0, n);
  return n;
}

std::size_t tls_engine::read(asio::mutable_buffer to, error_code& ec) {
  ec = failed_;
  if (ec) return 0;
  const clean_error_queue guard;
  auto* ssl = ssl_.get();
  std::size_t got = 0;
  while (to.size() > 0 && !ec) {
    if (hungry() && SSL_pending(ssl) == 0) {
      ec = without_input();
      break;
    }
    std::size_t n = 0;
    ec = outcome(SSL_read_ex(ssl, to.data(), to.size(), &n));
    to += n;
    got += n;
    unearned_ -= std::min(unearned_, n);
  }
  if (got > 0) ec = {};  // the next call says it again
  return got;
}

std::size_t tls_engine::write(asio::const_buffer from, error_code& ec) {
  ec = failed_;
  if (ec) return 0;
  auto* ssl = ssl_.get();
  if ((SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) != 0) {
    ec = asio::error::shut_down;
    return 0;
  }
  std::size_t done = 0;
  if (!early_.empty()) {
    done = skip_early(from, ec);
    from += done;
    if (ec || from.size() == 0) return done;
  }
  const clean_error_queue guard;
  const auto most_records = std::min(from.size(), small_left_) / small_record + from.size() / full_record + 2;
  pending_.reserve(pending_.size() + from.size() + most_records * record_overhead);
  while (from.size() > 0) {
    const auto piece = small_left_ > 0 ? std::min(from.size(), small_record) : from.size();
    std::size_t n = 0;
    ec = outcome(SSL_write_ex(ssl, from.data(), piece, &n));
    if (ec) break;  // and n is 0: the output never blocks, so a write is whole or not begun
    from += n;
    done += n;
    small_left_ -= std::min(small_left_, n);
  }
  return done;
}

void tls_engine::shutdown() {
  auto* ssl = ssl_.get();
  if (failed_ || SSL_in_init(ssl) == 1 || (SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) != 0) return;
  const clean_error_queue guard;
  SSL_shutdown(ssl);
}

asio::const_buffer tls_engine::output() noexcept {
  if (sending_.empty()) std::swap(sending_, pending_);
  return asio::buffer(sending_) + sent_;
}

void tls_engine::sent(std::size_t n) noexcept {
  assert(n <= sending_.size() - sent_);
  sent_ += n;
  if (sent_ < sending_.size()) return;
  sent_ = 0;
  sending_.clear();
  if (!pending_.empty()) return;
  std::swap(sending_, pending_);  // so that one of the two grows, unless both are in use
}

void tls_engine::lend_output(std::string memory) noexcept {
  assert(drained());
  pending_ = std::move(memory);
  pending_.clear();
}

std::string tls_engine::take_output() noexcept {
  assert(drained());
  give_back(sending_);
  return std::exchange(pending_, {});
}

void tls_engine::rest() {
  small_left_ = small_phase;
  // OpenSSL before 3.0.14 frees what it still needs behind a record's head, or with plaintext left (CVE-2024-4741).
  auto* ssl = ssl_.get();
  const bool between_records = SSL_rstate_string(ssl) == std::string_view("RH");
  if (between_records && SSL_pending(ssl) == 0) SSL_free_buffers(ssl);
}

}  // namespace duplex::net
