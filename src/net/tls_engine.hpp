#pragma once
// TLS as a state machine over memory (RFC 8446, RFC 5246): ciphertext is fed to it and taken from it. No socket, no
// clock.

#include <duplex/error.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream_base.hpp>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>

namespace duplex::net {

namespace asio = boost::asio;

/// One end of a TLS connection, for one thread at a time. Errors are OpenSSL's, in the category in which asio::ssl
/// reports them, or `limit_exceeded` of a peer that sends handshake messages without end; and final: once a call
/// failed, so do all. An alert that tells the peer why may be in the output.
class tls_engine {
 public:
  using role = asio::ssl::stream_base::handshake_type;

  /// Throws `boost::system::system_error` if OpenSSL cannot make a session.
  tls_engine(std::shared_ptr<asio::ssl::context> context, role as);
  tls_engine(const tls_engine&) = delete;
  tls_engine& operator=(const tls_engine&) = delete;
  ~tls_engine() = default;

  [[nodiscard]] SSL* native_handle() const noexcept { return ssl_.get(); }

  /// Lends ciphertext that arrived, only when `hungry`. It is used until the engine is hungry again, or until `keep`.
  void feed(asio::const_buffer cipher) noexcept;
  /// The peer's FIN: nothing more is fed.
  void feed_end() noexcept { ended_ = true; }
  /// All that was fed has been taken, or is of no use behind an end. Plaintext may be left to read all the same.
  [[nodiscard]] bool hungry() const noexcept { return input_.size() == 0; }
  /// Copies what is left of the lent bytes, so that their memory is the caller's again.
  void keep();

  /// As far as the input goes: none if the handshake is over, `would_block` if it needs more input,
  /// `stream_truncated` (of asio::ssl::error) if there is no more, or the peer has said close_notify instead. There may
  /// be output in each case.
  [[nodiscard]] error_code handshake();

  /// Client, before the first `handshake`: sends `bytes` as early data (RFC 8446, section 2.3), for which there is a
  /// session. They are what `write` is given first: what the server took is not sent again, what it did not is. An
  /// error is the handshake's.
  void write_early(std::string bytes);

  /// Plaintext, as much as there is and fits. Less than fits only if the input is used up, so the next call would
  /// block. Without any, `ec` is `would_block`, `asio::error::eof` behind the peer's close_notify, or
  /// `stream_truncated` at the end without one. Both ends leave `write` usable. What came before an error is returned
  /// first. Answers, as to a KeyUpdate, go to the output.
  [[nodiscard]] std::size_t read(asio::mutable_buffer to, error_code& ec);

  /// No plaintext follows, whatever is fed: the next `read` that finds none left says why.
  [[nodiscard]] bool over() const noexcept {
    return failed_ || (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }

  /// Encrypts to the output and returns how much; less than all only with an error. `would_block`: the first part of a
  /// handshake message is here (a session ticket in two records); the rest can be written when `read` has had more
  /// input. `shut_down` behind `shutdown`.
  [[nodiscard]] std::size_t write(asio::const_buffer from, error_code& ec);

  /// Appends close_notify, once. Reading goes on. Nothing where there is none to send: before the end of the handshake,
  /// when it failed, and when `write` would block.
  void shutdown();

  /// What to send next, as long as not `drained`. Stays where it is until all of it was `sent`, whatever is called
  /// meanwhile; what is written meanwhile comes behind it.
  [[nodiscard]] asio::const_buffer output() noexcept;
  /// So much of `output` was sent.
  void sent(std::size_t n) noexcept;
  [[nodiscard]] bool drained() const noexcept { return sent_ == sending_.size() && pending_.empty(); }

  /// While `drained`: memory for the output, and the memory back, so that an idle connection needs none.
  void lend_output(std::string memory) noexcept;
  [[nodiscard]] std::string take_output() noexcept;

  /// Nothing has moved for a while (some 25 ms or more): gives back OpenSSL's buffers if nothing is in them,
  /// about 34 KiB, and begins with small records again.
  void rest();

 private:
  struct deleter {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  };

  static std::shared_ptr<BIO_METHOD> bio_method();
  static int take_input(BIO* bio, char* to, std::size_t size, std::size_t* taken);
  static int put_output(BIO* bio, const char* from, std::size_t size, std::size_t* put);
  static void on_message(int sent, int version, int type, const void* message, std::size_t size, SSL* ssl, void* self);

  [[nodiscard]] error_code without_input() const noexcept;
  error_code outcome(int result);
  error_code fail(error_code ec) noexcept;
  std::size_t skip_early(asio::const_buffer from, error_code& ec);

  std::shared_ptr<asio::ssl::context> context_;
  std::shared_ptr<BIO_METHOD> method_;
  std::unique_ptr<SSL, deleter> ssl_;

  asio::const_buffer input_;  // lent, or of kept_
  std::string kept_;
  bool ended_ = false;

  std::string pending_;  // appended to
  std::string sending_;  // lent by output()
  std::size_t sent_ = 0;
  std::string early_;  // that the server may take, or took, and `write` was not given

  std::size_t unearned_ = 0;  // bytes of data that the peer's handshake messages are ahead of
  std::size_t small_left_;    // plaintext to go in small records
  error_code failed_;
};

}  // namespace duplex::net
