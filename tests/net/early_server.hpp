#pragma once
// A server that takes early data, which ours does not (RFC 8446, section 2.3): bare OpenSSL.

#include <duplex/certificate.hpp>

#include <boost/asio/ssl/context.hpp>

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace duplex::test {

/// What such servers share, and may change between two connections.
struct early_server_options {
  explicit early_server_options(const certificate& cert) {
    auto* native = context.native_handle();
    context.use_certificate_chain(boost::asio::buffer(cert.certificate_pem));
    context.use_private_key(boost::asio::buffer(cert.key_pem), boost::asio::ssl::context::pem);
    SSL_CTX_set_max_early_data(native, most);
    SSL_CTX_set_alpn_select_cb(native, choose, this);
  }
  early_server_options(const early_server_options&) = delete;
  early_server_options& operator=(const early_server_options&) = delete;
  ~early_server_options() = default;

  /// Takes no more of it.
  void refuse() { SSL_CTX_set_max_early_data(context.native_handle(), 0); }

  static constexpr std::uint32_t most = 4000;
  std::string protocol = "h2";  // that is chosen, offered or not; empty: none
  boost::asio::ssl::context context{boost::asio::ssl::context::tlsv13_server};

 private:
  static int choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char*, unsigned, void* self) {
    const auto& protocol = static_cast<early_server_options*>(self)->protocol;
    if (protocol.empty()) return SSL_TLSEXT_ERR_NOACK;
    *out = reinterpret_cast<const unsigned char*>(protocol.data());
    *size = static_cast<unsigned char>(protocol.size());
    return SSL_TLSEXT_ERR_OK;
  }
};

/// One connection, between two stretches of memory.
class early_server {
 public:
  explicit early_server(early_server_options& opts) : ssl_(SSL_new(opts.context.native_handle()), SSL_free) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
  }
  early_server(const early_server&) = delete;
  early_server& operator=(const early_server&) = delete;
  /// However it ends, OpenSSL is not to forget its sessions.
  ~early_server() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

  void feed(std::string_view cipher) {
    BIO_write(SSL_get_rbio(ssl_.get()), cipher.data(), static_cast<int>(cipher.size()));
    std::array<char, 4096> piece{};
    std::size_t n = 0;
    while (!asked_) {
      const int how = SSL_read_early_data(ssl_.get(), piece.data(), piece.size(), &n);
      if (how == SSL_READ_EARLY_DATA_ERROR) return;  // there is no more input
      early.append(piece.data(), n);
      asked_ = how == SSL_READ_EARLY_DATA_FINISH;
    }
    if (SSL_do_handshake(ssl_.get()) != 1) return;
    while (SSL_read_ex(ssl_.get(), piece.data(), piece.size(), &n) == 1) plain.append(piece.data(), n);
  }
  /// Also before the handshake is over.
  void write(std::string_view bytes) {
    std::size_t n = 0;
    const bool open = SSL_is_init_finished(ssl_.get()) == 1;
    (open ? SSL_write_ex : SSL_write_early_data)(ssl_.get(), bytes.data(), bytes.size(), &n);
  }
  /// The output, as sent.
  std::string take() {
    std::string all(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
    if (!all.empty()) BIO_read(SSL_get_wbio(ssl_.get()), all.data(), static_cast<int>(all.size()));
    return all;
  }
  [[nodiscard]] bool ended() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }

  std::string early{};  // that came before the handshake was over
  std::string plain{};  // that came afterwards

 private:
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  bool asked_ = false;  // for early data, to its end
};

}  // namespace duplex::test
