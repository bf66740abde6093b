// Pinned public keys.

#include "net/tls_pins.hpp"

#include "core/validate.hpp"

#include <duplex/error.hpp>

#include <boost/system/system_error.hpp>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>
#include <sstream>
#include <string_view>

namespace duplex::net {
namespace {

constexpr std::string_view prefix = "sha256//";
constexpr std::size_t encoded_size = 44;  // of 32 bytes

struct x509_deleter {
  void operator()(X509* cert) const noexcept { X509_free(cert); }
};
struct bytes_deleter {
  void operator()(unsigned char* bytes) const noexcept { OPENSSL_free(bytes); }
};

bool is_pin(std::string_view text) {
  if (!text.starts_with(prefix) || text.size() != prefix.size() + encoded_size || !text.ends_with('=')) return false;
  const std::string_view encoded = text.substr(prefix.size());
  std::array<unsigned char, encoded_size> decoded{};
  const auto* from = reinterpret_cast<const unsigned char*>(encoded.data());
  return EVP_DecodeBlock(decoded.data(), from, static_cast<int>(encoded.size())) == SHA256_DIGEST_LENGTH + 1;
}

}  // namespace

std::vector<std::string> parse_pins(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string pin; std::getline(in, pin, ';');) {
    if (!is_pin(pin)) {
      throw boost::system::system_error(errc::invalid_argument,
                                        "tls.pinned_keys: " + core::quoted(pin) +
                                            " is not sha256//BASE64, the hash of a public key in 44 letters of base64");
    }
    all.push_back(std::move(pin));
  }
  return all;
}

std::string pin_of_peer(const SSL* ssl) {
  const std::unique_ptr<X509, x509_deleter> cert(SSL_get1_peer_certificate(ssl));
  if (!cert) return {};
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert.get()), &der);
  const std::unique_ptr<unsigned char, bytes_deleter> owned(der);
  if (size <= 0) return {};
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  SHA256(der, static_cast<std::size_t>(size), hash.data());
  std::array<unsigned char, encoded_size + 1> encoded{};
  EVP_EncodeBlock(encoded.data(), hash.data(), SHA256_DIGEST_LENGTH);
  std::string pin(prefix);
  return pin.append(reinterpret_cast<const char*>(encoded.data()), encoded_size);
}

std::optional<std::string> check_pins(const SSL* ssl, const std::string& pins) {
  if (pins.empty()) return std::nullopt;
  const auto wanted = parse_pins(pins);
  const auto found = pin_of_peer(ssl);
  if (std::find(wanted.begin(), wanted.end(), found) != wanted.end()) return std::nullopt;
  return "its public key is " + (found.empty() ? "not there" : found) + ", and tls.pinned_keys wants " + pins;
}

}  // namespace duplex::net
