// TLS contexts and what a handshake agreed on.

#include "net/tls.hpp"

#include "core/validate.hpp"
#include "net/tls_identity.hpp"
#include "net/tls_pins.hpp"
#include "net/tls_sessions.hpp"
#include "net/tls_trust.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/system/system_error.hpp>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
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

void set_keylog(SSL_CTX* ctx, const std::string& member, const std::string& path) {
  if (path.empty()) return;
  if (!std::ofstream(path, std::ios::app)) {
    throw system_error(errc::invalid_argument, member + "keylog_file " + path + " cannot be written");
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

std::optional<std::chrono::system_clock::time_point> moment(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

int number_of(tls_version v) { return v == tls_version::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION; }

// What is wrong with the options by themselves.
void check(const tls_options& opts) {
  constexpr std::size_t longest_name = 255;  // that OpenSSL takes
  if (opts.min_version > opts.max_version) {
    throw system_error(errc::invalid_argument, "tls.min_version is above tls.max_version");
  }
  if (opts.sni && is_address(*opts.sni)) {
    throw system_error(errc::invalid_argument, "tls.sni: " + core::quoted(*opts.sni) + " is an address, and no name");
  }
  if (opts.sni && (opts.sni->size() > longest_name || opts.sni->find('\0') != std::string::npos)) {
    throw system_error(errc::invalid_argument, "tls.sni: " + core::quoted(*opts.sni) + " is no name");
  }
  (void)parse_pins(opts.pinned_keys);
}

struct x509_deleter {
  void operator()(X509* cert) const noexcept { X509_free(cert); }
};
using x509_ptr = std::unique_ptr<X509, x509_deleter>;

}  // namespace

context_ptr make_client_context(const tls_options& opts) {
  check(opts);
  auto ctx = make_context(asio::ssl::context::tls_client);
  auto* native = ctx->native_handle();
  SSL_CTX_set_min_proto_version(native, number_of(opts.min_version));
  SSL_CTX_set_max_proto_version(native, number_of(opts.max_version));
  if (opts.ca_file.empty() && opts.ca_path.empty()) trust(native, system_trust_store());
  if (!opts.ca_file.empty()) {
    load("tls.ca_file", opts.ca_file, [&](error_code& ec) { ctx->load_verify_file(opts.ca_file, ec); });
  }
  if (!opts.ca_path.empty()) {
    load("tls.ca_path", opts.ca_path, [&](error_code& ec) {
      std::error_code gone;
      if (!std::filesystem::exists(opts.ca_path, gone))
        ec = make_error_code(boost::system::errc::no_such_file_or_directory);
      if (!ec && !std::filesystem::is_directory(opts.ca_path)) {
        ec = make_error_code(boost::system::errc::not_a_directory);
      }
      if (!ec) ctx->add_verify_path(opts.ca_path, ec);
    });
  }
  ctx->set_verify_mode(opts.verify ? asio::ssl::verify_peer : asio::ssl::verify_none);
  use_identity(native, opts);
  SSL_CTX_set_alpn_protos(native, alpn_h2.data(), alpn_h2.size());
  set_keylog(native, "tls.", opts.keylog_file);
  if (opts.resume) keep_sessions(native);
  return ctx;
}

context_ptr make_server_context(const h2::server_options& opts, const h2::server_certificate& cert) {
  auto ctx = make_context(asio::ssl::context::tls_server);
  auto* native = ctx->native_handle();
  if (cert.certificate_pem.empty() && cert.cert_file.empty()) {
    throw system_error(errc::invalid_argument, "a TLS server needs certificate_pem or cert_file");
  }
  use_identity(native, cert);
  if (!opts.client_ca_file.empty()) {
    load("client_ca_file", opts.client_ca_file,
         [&](error_code& ec) { ctx->load_verify_file(opts.client_ca_file, ec); });
    ctx->set_verify_mode(opts.client_certificate_required
                             ? asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert
                             : asio::ssl::verify_peer);
    constexpr std::string_view id = "duplex";  // resumed sessions keep to servers that ask for certificates
    SSL_CTX_set_session_id_context(native, reinterpret_cast<const unsigned char*>(id.data()), id.size());
  }
  SSL_CTX_set_alpn_select_cb(native, select_h2, nullptr);
  set_keylog(native, "", opts.keylog_file);
  return ctx;
}

std::string verified_name(const tls_options& opts, const std::string& host) {
  auto name = opts.server_name.empty() ? host : opts.server_name;
  if (name.ends_with('.')) name.pop_back();  // that of the root, which certificates do not have
  return name;
}

bool prepare_client(SSL* ssl, const tls_options& opts, const std::string& host) {
  const auto name = verified_name(opts, host);
  const bool by_address = is_address(name);
  // No server name for addresses (RFC 6066, section 3), but the certificate must still name them.
  const auto sent = opts.sni.value_or(by_address ? std::string() : name);
  if (!sent.empty() && SSL_set_tlsext_host_name(ssl, sent.c_str()) != 1) return false;
  // Without a zone, which has a meaning on this machine only.
  if (by_address)
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.substr(0, name.find('%')).c_str()) == 1;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, name.c_str()) == 1;
}

void offer_http1(SSL* ssl, bool and_http2) {
  constexpr std::array<unsigned char, 12> both{2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  const auto offered = std::span(both).subspan(and_http2 ? 0 : alpn_h2.size());
  SSL_set_alpn_protos(ssl, offered.data(), static_cast<unsigned>(offered.size()));
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
  info.tls_alpn = chosen_protocol(ssl);
  if (const auto* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) info.tls_server_name = name;
  info.tls_resumed = SSL_session_reused(ssl) == 1;
  info.tls_early_data = SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_ACCEPTED;
  const x509_ptr cert(SSL_get1_peer_certificate(ssl));
  if (!cert) return;
  info.peer_certificate = name_of(X509_get_subject_name(cert.get()));
  info.certificate_issuer = name_of(X509_get_issuer_name(cert.get()));
  info.certificate_expires = moment(X509_get0_notAfter(cert.get()));
}

}  // namespace duplex::net
