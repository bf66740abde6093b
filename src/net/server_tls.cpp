// A TLS context for each certificate of a server.

#include "net/server_tls.hpp"

#include "net/tls.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace duplex::net {
namespace {

using context_ptr = std::shared_ptr<asio::ssl::context>;
using others = std::vector<context_ptr>;

// The other contexts belong to the first one, and live as long as its last connection.
int others_index() {
  static const int index =
      SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, [](void*, void* list, CRYPTO_EX_DATA*, int, long, void*) {
        const std::unique_ptr<others> owned(static_cast<others*>(list));
      });
  return index;
}

bool is_for(SSL_CTX* context, const char* name, unsigned flags) {
  auto* cert = SSL_CTX_get0_certificate(context);
  return cert && X509_check_host(cert, name, std::strlen(name), flags, nullptr) == 1;
}

// One that is for the name as it is comes before one with a wildcard, and the first one before others.
int choose(SSL* ssl, int*, void*) {
  const auto* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  auto* first = SSL_get_SSL_CTX(ssl);
  const auto* list = static_cast<const others*>(SSL_CTX_get_ex_data(first, others_index()));
  for (const unsigned flags : {X509_CHECK_FLAG_NO_WILDCARDS, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS}) {
    if (is_for(first, name, flags)) return SSL_TLSEXT_ERR_OK;
    for (const auto& each : *list) {
      if (!is_for(each->native_handle(), name, flags)) continue;
      return SSL_set_SSL_CTX(ssl, each->native_handle()) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

context_ptr make_server_contexts(const h2::server_options& opts) {
  auto first =
      make_server_context(opts, {opts.certificate_pem, opts.key_pem, opts.cert_file, opts.key_file, opts.key_password});
  if (opts.certificates.empty()) return first;
  auto list = std::make_unique<others>();
  for (const auto& each : opts.certificates) list->push_back(make_server_context(opts, each));
  if (SSL_CTX_set_ex_data(first->native_handle(), others_index(), list.get()) != 1) throw std::bad_alloc();
  static_cast<void>(list.release());
  SSL_CTX_set_tlsext_servername_callback(first->native_handle(), choose);
  return first;
}

}  // namespace duplex::net
