// Certificates and their keys.

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

[[noreturn]] void refuse(const std::string& what, const std::string& why) {
  ERR_clear_error();
  throw system_error(errc::tls_failed, what + " cannot be used: " + why);
}

// Who knows the password. OpenSSL is in C: what the user's function throws waits until that has returned.
struct password {
  const tls_options& opts;
  std::string member;
  std::optional<std::string> text{};
  std::exception_ptr thrown{};

  [[nodiscard]] bool is_known() const { return !opts.key_password.empty() || opts.ask_key_password; }
  [[nodiscard]] std::string missing() const { return "it is encrypted, and there is no " + member; }
  [[nodiscard]] std::string wrong() const { return member + " is not its password"; }
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

// And what it is called in an error.
struct named {
  std::string what{};
  std::string text{};
};

named read_file(const std::string& member, const std::string& path) {
  named file{member + " " + path};
  std::ifstream in(path, std::ios::binary);
  if (!in) refuse(file.what, error_code(errno, boost::system::generic_category()).message());
  try {
    file.text.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  } catch (const std::ios_base::failure&) {  // a directory can be opened, but not read
    refuse(file.what, "it is no file");
  }
  return file;
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

// Of a certificate, which needs none.
int no_password(char*, int, int, void*) { return -1; }

void check_key(SSL_CTX* context, const std::string& what) {
  if (SSL_CTX_check_private_key(context) != 1) refuse(what, "it is not the key of the certificate");
}

void use_pem_certificates(SSL_CTX* context, const named& pem) {
  const auto none_left = [] { return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE; };
  const auto in = over(pem.text);
  const owned<X509> leaf(PEM_read_bio_X509_AUX(in.get(), nullptr, no_password, nullptr));
  if (!leaf) {
    refuse(pem.what, none_left() ? "it holds no certificate, neither PEM nor PKCS#12" : take_errors());
  }
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) refuse(pem.what, take_errors());
  SSL_CTX_clear_chain_certs(context);
  for (;;) {
    const owned<X509> next(PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr));
    if (!next && none_left()) break;
    if (!next) refuse(pem.what, "a certificate of its chain is damaged: " + take_errors());
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) refuse(pem.what, take_errors());
  }
  ERR_clear_error();
}

void use_pem_key(SSL_CTX* context, const named& pem, password& secret) {
  const owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(over(pem.text).get(), nullptr, password::give, &secret));
  if (secret.thrown) {
    ERR_clear_error();
    std::rethrow_exception(std::exchange(secret.thrown, nullptr));
  }
  if (!key) {
    const bool encrypted = pem.text.find("ENCRYPTED") != std::string::npos;
    if (encrypted && !secret.is_known()) refuse(pem.what, secret.missing());
    if (encrypted && secret.text) refuse(pem.what, secret.wrong());
    const bool there = pem.text.find("PRIVATE KEY-----") != std::string::npos;
    refuse(pem.what, there ? take_errors() : "it holds no key");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) check_key(context, pem.what);
  check_key(context, pem.what);
  ERR_clear_error();
}

// Each hashes the password several times; usual are some thousand. Nobody could interrupt it.
bool takes_too_long(const PKCS12* file) {
  constexpr long most_iterations = 1'000'000;
  const ASN1_INTEGER* iterations = nullptr;
  PKCS12_get0_mac(nullptr, nullptr, nullptr, &iterations, file);
  if (!iterations) return false;
  const auto count = ASN1_INTEGER_get(iterations);  // -1: it does not fit
  return count < 0 || count > most_iterations;
}

bool is_password(PKCS12* file, const char* text, std::size_t size) {
  return PKCS12_verify_mac(file, text, static_cast<int>(size)) == 1;
}

owned<PKCS12> read_pkcs12(const named& der) {
  owned<PKCS12> file(d2i_PKCS12_bio(over(der.text).get(), nullptr));
  if (file) return file;
  const owned<X509> certificate(d2i_X509_bio(over(der.text).get(), nullptr));
  refuse(der.what, certificate ? "it is a certificate in DER, which openssl x509 -inform DER makes PEM"
                               : "it is neither PEM nor PKCS#12");
}

void use_pkcs12(SSL_CTX* context, const owned<PKCS12>& file, const named& der, password& secret) {
  if (takes_too_long(file.get())) refuse(der.what, "its password is hashed more than a million times");
  // Without a password they have an empty one, or none; or not even a sum to tell by.
  const bool has_sum = PKCS12_mac_present(file.get()) == 1;
  const bool open =
      has_sum ? is_password(file.get(), nullptr, 0) || is_password(file.get(), "", 0) : !secret.is_known();
  ERR_clear_error();
  if (!open && !secret.is_known()) refuse(der.what, secret.missing());
  const auto text = open ? std::string() : secret.get();
  if (!open && has_sum && !is_password(file.get(), text.data(), text.size())) refuse(der.what, secret.wrong());
  // OpenSSL 3.0 wants a sum.
  if (!has_sum) PKCS12_set_mac(file.get(), text.data(), static_cast<int>(text.size()), nullptr, 0, 1, EVP_sha256());
  EVP_PKEY* key = nullptr;
  X509* cert = nullptr;
  STACK_OF(X509)* others = nullptr;
  const bool parsed = PKCS12_parse(file.get(), text.c_str(), &key, &cert, &others) == 1;
  const owned<EVP_PKEY> owned_key(key);
  const owned<X509> owned_cert(cert);
  const owned<STACK_OF(X509)> owned_others(others);
  if (!parsed && !has_sum) refuse(der.what, open ? secret.missing() : secret.wrong());
  if (!parsed) refuse(der.what, take_errors() + "; it may be of old: OpenSSL 3 does not read RC2");
  if (!key || !cert) refuse(der.what, std::string("it holds no ") + (key ? "certificate" : "key"));
  if (SSL_CTX_use_cert_and_key(context, cert, key, others, 1) != 1) refuse(der.what, take_errors());
  check_key(context, der.what);
}

}  // namespace

void use_identity(SSL_CTX* context, const tls_options& opts, const std::string& prefix) {
  const auto cert = prefix + "cert_file";
  const auto key = prefix + "key_file";
  if (opts.cert_file.empty() && opts.key_file.empty()) return;
  if (opts.cert_file.empty()) throw system_error(errc::invalid_argument, key + " without " + cert);
  password secret{opts, prefix + "key_password"};
  const auto certificates = read_file(cert, opts.cert_file);
  if (is_der(certificates.text)) {
    const auto file = read_pkcs12(certificates);
    if (!opts.key_file.empty()) {
      throw system_error(errc::invalid_argument, key + ", but " + cert + " is PKCS#12, which has the key in it");
    }
    return use_pkcs12(context, file, certificates, secret);
  }
  use_pem_certificates(context, certificates);
  const bool both = opts.key_file.empty();
  if (both && certificates.text.find("PRIVATE KEY-----") == std::string::npos) {
    refuse(certificates.what, "it holds no key, and there is no " + key);
  }
  use_pem_key(context, both ? named{key + " " + opts.cert_file, certificates.text} : read_file(key, opts.key_file),
              secret);
}

void use_identity(SSL_CTX* context, const h2::server_certificate& of) {
  const tls_options opts{.cert_file = of.cert_file, .key_file = of.key_file, .key_password = of.key_password};
  if (of.certificate_pem.empty()) return use_identity(context, opts, "");
  password secret{opts, "key_password"};
  use_pem_certificates(context, {"certificate_pem", of.certificate_pem});
  use_pem_key(context, {"key_pem", of.key_pem}, secret);
}

}  // namespace duplex::net
