// Where the system's authorities are looked for.

#include "net/tls_trust.hpp"

#include "net/tls_contexts.hpp"
#include "peers.hpp"

#include <cstdlib>
#include <map>
#include <set>

namespace duplex::test {
namespace {

using net::trust_store;
using ::testing::HasSubstr;

struct machine {
  std::set<std::string> has{};
  std::map<std::string, std::string> environment{};
  std::string usual_file = "/usr/lib/ssl/cert.pem";
  std::string usual_folder = "/usr/lib/ssl/certs";

  [[nodiscard]] trust_store chosen() const {
    return net::choose_trust_store({
        .environment =
            [this](const char* name) {
              const auto at = environment.find(name);
              return at == environment.end() ? std::nullopt : std::optional(at->second);
            },
        .is_there = [this](const std::string& path) { return has.count(path) > 0; },
        .usual_file = usual_file,
        .usual_folder = usual_folder,
    });
  }
};

TEST(trust_store_of, debian_is_where_its_openssl_looks) {
  const machine m{{"/usr/lib/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"}};
  EXPECT_EQ(m.chosen(), (trust_store{{"/usr/lib/ssl/cert.pem"}, {"/usr/lib/ssl/certs"}}));
}

TEST(trust_store_of, another_system_is_found_by_an_openssl_that_was_built_elsewhere) {
  const std::map<std::string, std::string> files{
      {"debian, arch, alpine", "/etc/ssl/certs/ca-certificates.crt"},
      {"fedora", "/etc/pki/tls/certs/ca-bundle.crt"},
      {"fedora without the link", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"},
      {"opensuse", "/etc/ssl/ca-bundle.pem"},
      {"macos, alpine, openbsd", "/etc/ssl/cert.pem"},
      {"homebrew", "/opt/homebrew/etc/openssl@3/cert.pem"},
      {"homebrew on x86", "/usr/local/etc/openssl@3/cert.pem"},
      {"freebsd", "/usr/local/share/certs/ca-root-nss.crt"},
  };
  for (const auto& [system, file] : files) {
    const machine m{{file}, {}, "/usr/local/ssl/cert.pem", "/usr/local/ssl/certs"};
    EXPECT_EQ(m.chosen(), (trust_store{{file}, {}})) << system;
  }
}

TEST(trust_store_of, a_system_with_a_folder_alone_is_the_folder) {
  const machine m{{"/etc/ssl/certs"}, {}, "/usr/local/ssl/cert.pem", "/usr/local/ssl/certs"};
  EXPECT_EQ(m.chosen(), (trust_store{{}, {"/etc/ssl/certs"}}));
}

TEST(trust_store_of, a_system_without_one_is_where_openssl_looks) {
  EXPECT_EQ(machine{}.chosen(), (trust_store{{"/usr/lib/ssl/cert.pem"}, {"/usr/lib/ssl/certs"}}));
}

TEST(trust_store_of, the_environment_counts_before_everything_else) {
  machine m{{"/usr/lib/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"}};
  m.environment = {{"SSL_CERT_FILE", "/mine.pem"}};
  EXPECT_EQ(m.chosen(), (trust_store{{"/mine.pem"}, {"/usr/lib/ssl/certs"}}));
  m.environment = {{"SSL_CERT_DIR", "/mine:/yours"}};
  EXPECT_EQ(m.chosen(), (trust_store{{"/usr/lib/ssl/cert.pem"}, {"/mine", "/yours"}}));
  m.environment = {{"SSL_CERT_FILE", "/mine.pem"}, {"SSL_CERT_DIR", ""}};
  EXPECT_EQ(m.chosen(), (trust_store{{"/mine.pem"}, {}}));
}

// As `openssl rehash` names it.
std::string hashed_name(const certificate& cert) {
  std::array<char, 16> name{};
  const auto bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>(
      BIO_new_mem_buf(cert.certificate_pem.data(), static_cast<int>(cert.certificate_pem.size())), BIO_free_all);
  const std::unique_ptr<X509, decltype(&X509_free)> x509(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                         X509_free);
  std::snprintf(name.data(), name.size(), "%08lx.0", X509_subject_name_hash(x509.get()));
  return name.data();
}

class trusted_folder : public ::testing::Test {
 protected:
  trusted_folder() { (void)folder_.write(hashed_name(cert_), cert_.certificate_pem); }

  temporary_folder folder_;
  asio::io_context io_;
  certificate cert_ = make_self_signed();
  tls_peer peer_{io_, {.cert = cert_}};
};

TEST_F(trusted_folder, of_ca_path_vouches_for_a_server) {
  options opts;
  opts.tls.ca_path = folder_.path("");
  EXPECT_EQ(name(open_now(io_, peer_.url(), opts).ec), "ok");
  const temporary_folder other;
  opts.tls.ca_path = other.path("");
  const auto s = open_now(io_, peer_.url(), opts);
  EXPECT_EQ(name(s.ec), "certificate_invalid");
  EXPECT_THAT(s.message, HasSubstr("its authority is not in tls.ca_path " + opts.tls.ca_path));
}

TEST_F(trusted_folder, of_the_environment_vouches_for_a_server) {
  ::setenv("SSL_CERT_DIR", folder_.path("").c_str(), 1);
  EXPECT_EQ(name(open_now(io_, peer_.url()).ec), "ok");
  ::unsetenv("SSL_CERT_DIR");
  EXPECT_EQ(name(open_now(io_, peer_.url()).ec), "certificate_invalid");
}

TEST_F(trusted_folder, of_ca_path_has_to_be_one) {
  options opts;
  opts.tls.ca_path = folder_.path("no-such-folder");
  const auto s = open_now(io_, peer_.url(), opts);
  EXPECT_EQ(name(s.ec), "tls_failed");
  EXPECT_THAT(s.message, HasSubstr("tls.ca_path " + opts.tls.ca_path + " cannot be used"));
}

}  // namespace
}  // namespace duplex::test
