// TLS contexts and what a handshake said.

#include "net/tls.hpp"

#include "net/tls_sessions.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/system/system_error.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

namespace duplex::net {
namespace {

using context_ptr = std::shared_ptr<asio::ssl::context>;
using boost::system::system_error;

constexpr std::array<unsigned char, 3> alpn_h2{2, 'h', '2'};
// RFC 9113, section 9.2.2: forward secrecy and an AEAD.
constexpr const char* tls12_ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

// The key log of one context, appended to by every connection that uses it. OpenSSL calls from one thread per
// connection; a line is one write to a file opened for appending, so lines do not mix.
int keylog_index() {
  static const int index =
      SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, [](void*, void* path, CRYPTO_EX_DATA*, int, long, void*) {
        const std::unique_ptr<std::string> owned(static_cast<std::string*>(path));
      });
  return index;
}

void set_keylog(SSL_CTX* ctx, const std::string& path) {
  if (path.empty()) return;
  if (!std::ofstream(path, std::ios::app)) {
    throw system_error(errc::invalid_argument, "keylog_file " + path + " cannot be written");
  }
  SSL_CTX_set_ex_data(ctx, keylog_index(), std::make_unique<std::string>(path).release());
  SSL_CTX_set_keylog_callback(ctx, [](const SSL* ssl, const char* line) {
    const auto* file = static_cast<std::string*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keylog_index()));
    std::ofstream(*file, std::ios::app) << std::string(line) + "\n" << std::flush;
  });
}

context_ptr make_context(asio::ssl::context::method method) {
  auto ctx = std::make_shared<asio::ssl::context>(method);
  auto* native = ctx->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(native, tls12_ciphers);
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  return ctx;
}

template <class Function>
void load(std::string_view member, const std::string& path, Function f) {
  error_code ec;
  f(ec);
  if (!ec) return;
  throw system_error(errc::tls_failed, std::string(member) + " " + path + " cannot be used: " + ec.message());
}

void use_files(asio::ssl::context& ctx, const std::string& cert_file, const std::string& key_file) {
  if (cert_file.empty() && key_file.empty()) return;
  if (cert_file.empty()) throw system_error(errc::invalid_argument, "key_file without cert_file");
  load("cert_file", cert_file, [&](error_code& ec) { ctx.use_certificate_chain_file(cert_file, ec); });
  const auto& key = key_file.empty() ? cert_file : key_file;  // one PEM file may hold both
  load("key_file", key, [&](error_code& ec) { ctx.use_private_key_file(key, asio::ssl::context::pem, ec); });
}

int select_h2(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
              void*) {
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size, alpn_h2.data(), alpn_h2.size(), in, in_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool is_address(const std::string& host) {
  error_code ec;
  asio::ip::make_address(host, ec);
  return !ec;
}

std::string name_of(const X509_NAME* name) {
  std::array<char, 256> text{};
  X509_NAME_oneline(name, text.data(), static_cast<int>(text.size()));
  return text.data();
}

struct x509_deleter {
  void operator()(X509* cert) const noexcept { X509_free(cert); }
};
using x509_ptr = std::unique_ptr<X509, x509_deleter>;

}  // namespace

context_ptr make_client_context(const tls_options& opts) {
  auto ctx = make_context(asio::ssl::context::tls_client);
  auto* native = ctx->native_handle();
  if (opts.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(native);
  } else {
    load("ca_file", opts.ca_file, [&](error_code& ec) { ctx->load_verify_file(opts.ca_file, ec); });
  }
  ctx->set_verify_mode(opts.verify ? asio::ssl::verify_peer : asio::ssl::verify_none);
  use_files(*ctx, opts.cert_file, opts.key_file);
  SSL_CTX_set_alpn_protos(native, alpn_h2.data(), alpn_h2.size());
  set_keylog(native, opts.keylog_file);
  if (opts.resume) keep_sessions(native);
  return ctx;
}

context_ptr make_server_context(const h2::server_options& opts) {
  auto ctx = make_context(asio::ssl::context::tls_server);
  auto* native = ctx->native_handle();
  if (!opts.certificate_pem.empty()) {
    load("certificate_pem", "", [&](error_code& ec) {
      ctx->use_certificate_chain(asio::buffer(opts.certificate_pem), ec);
      if (!ec) ctx->use_private_key(asio::buffer(opts.key_pem), asio::ssl::context::pem, ec);
    });
  } else if (!opts.cert_file.empty()) {
    use_files(*ctx, opts.cert_file, opts.key_file);
  } else {
    throw system_error(errc::invalid_argument, "a TLS server needs certificate_pem or cert_file");
  }
  if (!opts.client_ca_file.empty()) {
    load("client_ca_file", opts.client_ca_file,
         [&](error_code& ec) { ctx->load_verify_file(opts.client_ca_file, ec); });
    ctx->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    constexpr std::string_view id = "duplex";  // resumed sessions keep to servers that ask for certificates
    SSL_CTX_set_session_id_context(native, reinterpret_cast<const unsigned char*>(id.data()), id.size());
  }
  SSL_CTX_set_alpn_select_cb(native, select_h2, nullptr);
  set_keylog(native, opts.keylog_file);
  return ctx;
}

const std::string& verified_name(const tls_options& opts, const std::string& host) {
  return opts.server_name.empty() ? host : opts.server_name;
}

bool prepare_client(SSL* ssl, const tls_options& opts, const std::string& host) {
  const auto& name = verified_name(opts, host);
  if (is_address(name)) {
    // No server name for addresses (RFC 6066, section 3), but the certificate must still name it; without a zone,
    // which has a meaning on this machine only.
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.substr(0, name.find('%')).c_str()) == 1;
  }
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 && SSL_set1_host(ssl, name.c_str()) == 1;
}

failure explain_handshake(SSL* ssl, error_code ec, const std::string& host) {
  failure why;
  why.scope = scope::connection;
  why.origin = origin::peer;
  why.retry_safe = true;
  const auto verdict = SSL_get_verify_result(ssl);
  const bool by_engine = ec.category() == asio::error::get_ssl_category();
  const auto reason = by_engine ? ERR_GET_REASON(static_cast<unsigned long>(ec.value())) : 0;
  if (verdict != X509_V_OK && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    why.code = errc::certificate_invalid;
    why.origin = origin::local;
    why.message = "the certificate of " + host + " is not valid: " + X509_verify_cert_error_string(verdict);
    // The peer's certificate is the session's only once it was found valid; the chain is there before.
    const auto* chain = SSL_get_peer_cert_chain(ssl);
    if (chain && sk_X509_num(chain) > 0) {
      const auto* cert = sk_X509_value(chain, 0);
      why.message +=
          "; subject " + name_of(X509_get_subject_name(cert)) + ", issuer " + name_of(X509_get_issuer_name(cert));
    }
  } else if (reason == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL) {
    why.code = errc::protocol_not_negotiated;
    why.message = "the server has no protocol in common: it refused ALPN h2";
  } else {
    why.code = errc::tls_failed;
    why.origin = by_engine ? origin::peer : origin::network;
    why.message = "TLS handshake with " + host + " failed: " + ec.message();
  }
  return why;
}

std::string chosen_protocol(const SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

void describe_session(const SSL* ssl, h2::connection_info& info) {
  info.tls_version = SSL_get_version(ssl);
  info.tls_cipher = SSL_get_cipher_name(ssl);
  info.tls_resumed = SSL_session_reused(ssl) == 1;
  const x509_ptr cert(SSL_get1_peer_certificate(ssl));
  if (cert) info.peer_certificate = name_of(X509_get_subject_name(cert.get()));
}

}  // namespace duplex::net
