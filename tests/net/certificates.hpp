#pragma once
// Certificates and keys of every kind, made in memory.

#include <duplex/certificate.hpp>

#include <gtest/gtest.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <functional>
#include <memory>
#include <string>

namespace duplex::test {

struct openssl_deleter {
  void operator()(BIO* p) const noexcept { BIO_free_all(p); }
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(PKCS12* p) const noexcept { PKCS12_free(p); }
  void operator()(X509_EXTENSION* p) const noexcept { X509_EXTENSION_free(p); }
};
template <class T>
using openssl_ptr = std::unique_ptr<T, openssl_deleter>;

inline openssl_ptr<BIO> memory_of(const std::string& text) {
  return openssl_ptr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}
inline openssl_ptr<X509> certificate_of(const certificate& c) {
  return openssl_ptr<X509>(PEM_read_bio_X509(memory_of(c.certificate_pem).get(), nullptr, nullptr, nullptr));
}
inline openssl_ptr<EVP_PKEY> key_of(const certificate& c) {
  return openssl_ptr<EVP_PKEY>(PEM_read_bio_PrivateKey(memory_of(c.key_pem).get(), nullptr, nullptr, nullptr));
}
template <class Write>
std::string written(Write write) {
  const openssl_ptr<BIO> out(BIO_new(BIO_s_mem()));
  EXPECT_GT(write(out.get()), 0);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

/// `of` with a change, signed by `issuer`, or by itself.
inline certificate changed(const certificate& of, const std::function<void(X509*)>& change,
                           const certificate* issuer = nullptr) {
  const auto cert = certificate_of(of);
  change(cert.get());
  if (issuer) X509_set_issuer_name(cert.get(), X509_get_subject_name(certificate_of(*issuer).get()));
  EXPECT_GT(X509_sign(cert.get(), key_of(issuer ? *issuer : of).get(), EVP_sha256()), 0);
  return {written([&](BIO* to) { return PEM_write_bio_X509(to, cert.get()); }), of.key_pem};
}

/// Puts `value` in place of the extension.
inline void set_extension(X509* cert, int nid, const char* value) {
  if (const int at = X509_get_ext_by_NID(cert, nid, -1); at >= 0) {
    const openssl_ptr<X509_EXTENSION> old(X509_delete_ext(cert, at));
  }
  const openssl_ptr<X509_EXTENSION> made(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  EXPECT_EQ(X509_add_ext(cert, made.get(), -1), 1);
}

/// The key in PEM, encrypted.
inline std::string encrypted_key(const certificate& of, const std::string& password) {
  const auto key = key_of(of);
  return written([&](BIO* to) {
    return PEM_write_bio_PKCS8PrivateKey(to, key.get(), EVP_aes_256_cbc(), password.data(),
                                         static_cast<int>(password.size()), nullptr, nullptr);
  });
}

/// Both in PKCS#12. `hashed`: how often the password is for the sum; -1: there is none. `cipher`: -1: not encrypted.
inline std::string pkcs12(const certificate& of, const char* password, int hashed = 0, int cipher = 0) {
  const openssl_ptr<PKCS12> file(PKCS12_create(password, "duplex", key_of(of).get(), certificate_of(of).get(), nullptr,
                                               cipher, cipher, 0, hashed, 0));
  return written([&](BIO* to) { return i2d_PKCS12_bio(to, file.get()); });
}

}  // namespace duplex::test
