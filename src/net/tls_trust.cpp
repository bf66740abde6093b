// Authorities of Debian, Fedora, Alpine, openSUSE, the BSDs and macOS.

#include "net/tls_trust.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>

namespace duplex::net {
namespace {

constexpr std::array known_files{
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Gentoo, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",                   // Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Fedora, where that is a link to
    "/etc/ssl/ca-bundle.pem",                             // openSUSE
    "/etc/ssl/cert.pem",                                  // macOS, OpenBSD, FreeBSD, Alpine
    "/opt/homebrew/etc/openssl@3/cert.pem",               // Homebrew on arm64
    "/usr/local/etc/openssl@3/cert.pem",                  // Homebrew on x86
    "/usr/local/share/certs/ca-root-nss.crt",             // FreeBSD
};
constexpr std::array known_folders{"/etc/ssl/certs", "/etc/pki/tls/certs", "/var/ssl/certs"};

std::vector<std::string> split(const std::string& folders) {
  std::vector<std::string> all;
  std::istringstream in(folders);
  for (std::string folder; std::getline(in, folder, ':');) {
    if (!folder.empty()) all.push_back(folder);
  }
  return all;
}

// Programs with more rights than their user do not take it from the user's environment.
std::optional<std::string> secure_environment(const char* name) {
#ifdef __GLIBC__
  const char* value = ::secure_getenv(name);
#else
  const char* value = std::getenv(name);
#endif
  return value ? std::optional<std::string>(value) : std::nullopt;
}

bool is_file_or_filled_folder(const std::string& path) {
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec)) return !std::filesystem::is_empty(path, ec) && !ec;
  return std::filesystem::exists(path, ec);
}

}  // namespace

trust_store choose_trust_store(const trust_facts& facts) {
  const auto file = facts.environment(X509_get_default_cert_file_env());
  const auto folders = facts.environment(X509_get_default_cert_dir_env());
  // One of them leaves the other where it was.
  trust_store usual{{file.value_or(facts.usual_file)}, split(folders.value_or(facts.usual_folder))};
  const auto some = [&](const auto& list) { return std::any_of(list.begin(), list.end(), facts.is_there); };
  if (file || folders || some(usual.files) || some(usual.folders)) return usual;
  for (const std::string known : known_files) {
    if (facts.is_there(known)) return {{known}, {}};
  }
  for (const std::string known : known_folders) {
    if (facts.is_there(known)) return {{}, {known}};
  }
  return usual;
}

trust_store system_trust_store() {
  return choose_trust_store({.environment = secure_environment,
                             .is_there = is_file_or_filled_folder,
                             .usual_file = X509_get_default_cert_file(),
                             .usual_folder = X509_get_default_cert_dir()});
}

void trust(SSL_CTX* context, const trust_store& store) {
  for (const auto& file : store.files) SSL_CTX_load_verify_file(context, file.c_str());
  for (const auto& folder : store.folders) SSL_CTX_load_verify_dir(context, folder.c_str());
  ERR_clear_error();
}

}  // namespace duplex::net
