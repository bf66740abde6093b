#pragma once
// A folder that goes with its test, and certificates in it.

#include <duplex/certificate.hpp>

#include <gtest/gtest.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace duplex::test {

class temporary_folder {
 public:
  temporary_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "duplex-net-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string path(const std::string& name) const { return (path_ / name).string(); }
  /// The path of a new file.
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

 private:
  std::filesystem::path path_;
};

/// The same certificate, a day after its end.
inline certificate expired(const certificate& of) {
  constexpr long day = 24L * 60 * 60;
  const auto open = [](const std::string& pem) {
    return std::unique_ptr<BIO, decltype(&BIO_free_all)>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                         BIO_free_all);
  };
  const std::unique_ptr<X509, decltype(&X509_free)> cert(
      PEM_read_bio_X509(open(of.certificate_pem).get(), nullptr, nullptr, nullptr), X509_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(open(of.key_pem).get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -2 * day);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), -day);
  EXPECT_GT(X509_sign(cert.get(), key.get(), EVP_sha256()), 0);

  const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), BIO_free_all);
  EXPECT_EQ(PEM_write_bio_X509(out.get(), cert.get()), 1);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return {{text, static_cast<std::size_t>(size)}, of.key_pem};
}

}  // namespace duplex::test
