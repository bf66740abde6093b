#pragma once
// Whom a client trusts when it is not told: the authorities of the system, wherever that keeps them.

#include <boost/asio/ssl/context.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace duplex::net {

/// Files of certificates in PEM, and folders of them with hashes for names; each may be missing.
struct trust_store {
  std::vector<std::string> files{};
  std::vector<std::string> folders{};

  friend bool operator==(const trust_store&, const trust_store&) = default;
};

/// What the choice depends on.
struct trust_facts {
  std::function<std::optional<std::string>(const char*)> environment{};
  /// Whether a file, or a folder with something in it, is there.
  std::function<bool(const std::string&)> is_there{};
  /// Where OpenSSL was built to look.
  std::string usual_file{};
  std::string usual_folder{};
};

/// What `SSL_CERT_FILE` and `SSL_CERT_DIR` name, be it there or not; otherwise what OpenSSL finds; if there is nothing,
/// as with an OpenSSL that was built elsewhere, the first of the places where systems keep theirs.
[[nodiscard]] trust_store choose_trust_store(const trust_facts& facts);

/// By the facts of this process.
[[nodiscard]] trust_store system_trust_store();

/// Has `context` trust it. What is missing or no certificate is passed over, as OpenSSL does.
void trust(SSL_CTX* context, const trust_store& store);

}  // namespace duplex::net
