// Client certificates.

#include "net/tls_identity.hpp"

#include <duplex/error.hpp>

#include <boost/system/system_error.hpp>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace duplex::net {
namespace {

using boost::system::system_error;

struct deleter {
  void operator()(BIO* p) const noexcept { BIO_free_all(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(PKCS12* p) const noexcept { PKCS12_free(p); }
  void operator()(STACK_OF(X509) * p) const noexcept { sk_X509_pop_free(p, X509_free); }
};
template <class T>
using owned = std::unique_ptr<T, deleter>;

// The first of OpenSSL's errors is the cause, what follows is where it came through.
std::string take_errors() {
  const auto first = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(first);
  return reason ? reason : "it cannot be read";
}

[[noreturn]] void refuse(const std::string& member, const std::string& path, const std::string& why) {
  ERR_clear_error();
  throw system_error(errc::tls_failed, "tls." + member + " " + path + " cannot be used: " + why);
}

// Who knows the password. OpenSSL is in C: what the user's function throws waits until that has returned.
struct password {
  const tls_options& opts;
  std::optional<std::string> text{};
  std::exception_ptr thrown{};

  [[nodiscard]] bool is_known() const { return !opts.key_password.empty() || opts.ask_key_password; }
  const std::string& get() {
    if (!text) text = opts.key_password.empty() && opts.ask_key_password ? ask() : opts.key_password;
    return *text;
  }
  [[nodiscard]] std::string ask() const try { return opts.ask_key_password(); } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    throw system_error(errc::tls_failed, std::string("tls.ask_key_password threw: ") + e.what());
  } catch (...) {
    throw system_error(errc::tls_failed, "tls.ask_key_password threw");
  }

  // OpenSSL's own asks on the terminal.
  static int give(char* to, int room, int, void* self) noexcept {
    auto& who = *static_cast<password*>(self);
    if (!who.is_known()) return -1;
    try {
      const auto& text = who.get();
      if (text.size() > static_cast<std::size_t>(room)) return -1;
      std::copy(text.begin(), text.end(), to);
      return static_cast<int>(text.size());
    } catch (...) {
      who.thrown = std::current_exception();
      return -1;
    }
  }
};

std::string read_file(const std::string& member, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) refuse(member, path, error_code(errno, boost::system::generic_category()).message());
  std::string all;
  try {
    all.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  } catch (const std::ios_base::failure&) {  // a directory can be opened, but not read
    refuse(member, path, "it is no file");
  }
  return all;
}

owned<BIO> over(const std::string& bytes) {
  owned<BIO> bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

// DER begins with a sequence; PEM with text.
bool is_der(const std::string& bytes) {
  return bytes.starts_with('\x30') && bytes.find("-----BEGIN") == std::string::npos;
}

void check_key(SSL_CTX* context, const std::string& member, const std::string& path) {
  if (SSL_CTX_check_private_key(context) != 1) refuse(member, path, "it is not the key of the certificate");
}

void use_pem_certificates(SSL_CTX* context, const std::string& pem, const std::string& path) {
  const auto in = over(pem);
  const owned<X509> leaf(PEM_read_bio_X509_AUX(in.get(), nullptr, nullptr, nullptr));
  if (!leaf) {
    refuse("cert_file", path,
           ERR_GET_REASON(ERR_peek_error()) == PEM_R_NO_START_LINE ? "it holds no certificate, neither PEM nor PKCS#12"
                                                                   : take_errors());
  }
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) refuse("cert_file", path, take_errors());
  SSL_CTX_clear_chain_certs(context);
  for (;;) {
    const owned<X509> next(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) refuse("cert_file", path, take_errors());
  }
  ERR_clear_error();
}

void use_pem_key(SSL_CTX* context, const std::string& pem, const std::string& path, password& secret) {
  const owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(over(pem).get(), nullptr, password::give, &secret));
  if (secret.thrown) {
    ERR_clear_error();
    std::rethrow_exception(std::exchange(secret.thrown, nullptr));
  }
  if (!key) {
    const bool encrypted = pem.find("ENCRYPTED") != std::string::npos;
    if (encrypted && !secret.is_known()) refuse("key_file", path, "it is encrypted, and there is no tls.key_password");
    if (encrypted && secret.text) refuse("key_file", path, "tls.key_password is not its password");
    const bool there = pem.find("PRIVATE KEY-----") != std::string::npos;
    refuse("key_file", path, there ? take_errors() : "it holds no key");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) check_key(context, "key_file", path);
  check_key(context, "key_file", path);
  ERR_clear_error();
}

owned<PKCS12> read_pkcs12(const std::string& der, const std::string& path) {
  owned<PKCS12> file(d2i_PKCS12_bio(over(der).get(), nullptr));
  if (file) return file;
  const owned<X509> certificate(d2i_X509_bio(over(der).get(), nullptr));
  refuse("cert_file", path,
         certificate ? "it is a certificate in DER, which openssl x509 -inform DER makes PEM"
                     : "it is neither PEM nor PKCS#12");
}

void use_pkcs12(SSL_CTX* context, PKCS12* file, const std::string& path, password& secret) {
  // Without a password they have an empty one, or none; or not even a sum to tell by.
  const bool has_sum = PKCS12_mac_present(file) == 1;
  const bool open =
      has_sum ? PKCS12_verify_mac(file, nullptr, 0) == 1 || PKCS12_verify_mac(file, "", 0) == 1 : !secret.is_known();
  ERR_clear_error();
  if (!open && !secret.is_known()) refuse("cert_file", path, "it is encrypted, and there is no tls.key_password");
  const auto text = open ? std::string() : secret.get();
  if (!open && has_sum && PKCS12_verify_mac(file, text.c_str(), static_cast<int>(text.size())) != 1) {
    refuse("cert_file", path, "tls.key_password is not its password");
  }
  EVP_PKEY* key = nullptr;
  X509* cert = nullptr;
  STACK_OF(X509)* others = nullptr;
  const bool parsed = PKCS12_parse(file, text.c_str(), &key, &cert, &others) == 1;
  const owned<EVP_PKEY> owned_key(key);
  const owned<X509> owned_cert(cert);
  const owned<STACK_OF(X509)> owned_others(others);
  if (!parsed) refuse("cert_file", path, take_errors() + "; it may be of old: OpenSSL 3 does not read RC2");
  if (!key || !cert) refuse("cert_file", path, std::string("it holds no ") + (key ? "certificate" : "key"));
  if (SSL_CTX_use_cert_and_key(context, cert, key, others, 1) != 1) refuse("cert_file", path, take_errors());
  check_key(context, "cert_file", path);
}

}  // namespace

void use_identity(SSL_CTX* context, const tls_options& opts) {
  if (opts.cert_file.empty() && opts.key_file.empty()) return;
  if (opts.cert_file.empty()) throw system_error(errc::invalid_argument, "tls.key_file without tls.cert_file");
  password secret{opts};
  const auto certificates = read_file("cert_file", opts.cert_file);
  if (is_der(certificates)) {
    const auto file = read_pkcs12(certificates, opts.cert_file);
    if (!opts.key_file.empty()) {
      throw system_error(errc::invalid_argument, "tls.key_file, but tls.cert_file is PKCS#12, which has the key in it");
    }
    return use_pkcs12(context, file.get(), opts.cert_file, secret);
  }
  use_pem_certificates(context, certificates, opts.cert_file);
  if (opts.key_file.empty()) {
    if (certificates.find("PRIVATE KEY-----") == std::string::npos) {
      refuse("cert_file", opts.cert_file, "it holds no key, and there is no tls.key_file");
    }
    return use_pem_key(context, certificates, opts.cert_file, secret);
  }
  use_pem_key(context, read_file("key_file", opts.key_file), opts.key_file, secret);
}

}  // namespace duplex::net
