// A self-signed certificate in memory (RFC 5280).

#include <duplex/certificate.hpp>

#include <duplex/error.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/system/system_error.hpp>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>

namespace duplex {
namespace {

struct deleter {
  void operator()(BIO* p) const noexcept { BIO_free_all(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(X509_EXTENSION* p) const noexcept { X509_EXTENSION_free(p); }
};
template <class T>
using owned = std::unique_ptr<T, deleter>;

template <class T>
T* checked(T* p) {
  if (!p) throw boost::system::system_error(errc::tls_failed, "OpenSSL could not make a certificate");
  return p;
}

void check(int ok) {
  if (ok <= 0) throw boost::system::system_error(errc::tls_failed, "OpenSSL could not make a certificate");
}

void add_extension(X509* cert, int nid, const std::string& value) {
  X509V3_CTX ctx{};
  X509V3_set_ctx(&ctx, cert, cert, nullptr, nullptr, 0);
  const owned<X509_EXTENSION> extension(checked(X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str())));
  check(X509_add_ext(cert, extension.get(), -1));
}

std::string subject_alt_names(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) {
    error_code not_an_address;
    boost::asio::ip::make_address(name, not_an_address);
    if (!list.empty()) list += ",";
    list += (not_an_address ? "DNS:" : "IP:") + name;
  }
  return list;
}

template <class Write>
std::string to_pem(Write write) {
  const owned<BIO> bio(checked(BIO_new(BIO_s_mem())));
  check(write(bio.get()));
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

certificate make_self_signed(const std::vector<std::string>& names) {
  constexpr long day = 24L * 60 * 60;
  constexpr long valid_days = 30;
  const owned<EVP_PKEY> key(checked(EVP_EC_gen("P-256")));
  const owned<X509> cert(checked(X509_new()));
  check(X509_set_version(cert.get(), X509_VERSION_3));

  std::uint64_t serial = 0;
  check(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial));
  check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), serial >> 1U));
  // A day back, for clocks that are not in step.
  checked(X509_gmtime_adj(X509_getm_notBefore(cert.get()), -day));
  checked(X509_gmtime_adj(X509_getm_notAfter(cert.get()), valid_days * day));

  const std::string common_name = names.empty() ? "duplex" : names.front();
  auto* subject = X509_get_subject_name(cert.get());
  check(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0));
  check(X509_set_issuer_name(cert.get(), subject));
  check(X509_set_pubkey(cert.get(), key.get()));
  add_extension(cert.get(), NID_basic_constraints, "critical,CA:TRUE");
  if (!names.empty()) add_extension(cert.get(), NID_subject_alt_name, subject_alt_names(names));
  check(X509_sign(cert.get(), key.get(), EVP_sha256()));

  return {to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, cert.get()); }), to_pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace duplex
