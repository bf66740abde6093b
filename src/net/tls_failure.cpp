// OpenSSL's errors and verdicts, told.

#include "net/tls_failure.hpp"

#include "core/validate.hpp"
#include "net/tls.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <string_view>

namespace duplex::net {
namespace {

constexpr std::size_t longest_name = 200;
constexpr int most_names = 5;

bool is_of_openssl(error_code ec) { return ec.category() == asio::error::get_ssl_category(); }

int reason_of(error_code ec) { return is_of_openssl(ec) ? ERR_GET_REASON(static_cast<unsigned long>(ec.value())) : 0; }

// OpenSSL's reason of an alert is its number (RFC 8446, section 6) and so much.
int alert_of(error_code ec) {
  const auto reason = reason_of(ec);
  return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256 ? reason - SSL_AD_REASON_OFFSET : -1;
}

// Without the library's name behind it.
std::string words(error_code ec) {
  if (ec == errc::limit_exceeded) return "it sends handshake messages without end";
  auto text = ec.message();
  constexpr std::string_view library = " (SSL routines)";
  if (text.ends_with(library)) text.resize(text.size() - library.size());
  return text;
}

// Certificates

struct memory_deleter {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};

// Printable, whatever the peer wrote into it.
std::string name_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, memory_deleter> out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return "?";
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  std::string all(text, static_cast<std::size_t>(std::max(size, 0L)));
  if (all.size() > longest_name) all.replace(longest_name, std::string::npos, "...");
  return all.empty() ? "without a name" : all;
}

std::string day_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "?";
  std::array<char, 32> text{};
  const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return {text.data(), size};
}

std::string text_of(const ASN1_STRING* s) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)), static_cast<std::size_t>(ASN1_STRING_length(s))};
}

std::string address_of(const ASN1_OCTET_STRING* bytes) {
  const auto text = text_of(bytes);
  if (text.size() == 4) {
    asio::ip::address_v4::bytes_type v4;
    std::copy(text.begin(), text.end(), v4.begin());
    return asio::ip::address_v4(v4).to_string();
  }
  asio::ip::address_v6::bytes_type v6{};
  if (text.size() != v6.size()) return "?";
  std::copy(text.begin(), text.end(), v6.begin());
  return asio::ip::address_v6(v6).to_string();
}

struct names_deleter {
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};

// Whom a certificate is for: its alternative names; without any, its subject.
std::string names_in(const X509* cert) {
  const std::unique_ptr<GENERAL_NAMES, names_deleter> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr)));
  std::string out;
  int found = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    if (++found > most_names) continue;
    if (!out.empty()) out += ", ";
    out += name->type == GEN_DNS ? core::quoted(text_of(name->d.dNSName)) : address_of(name->d.iPAddress);
  }
  if (found > most_names) out += " and " + std::to_string(found - most_names) + " more";
  return found == 0 ? name_of(X509_get_subject_name(cert)) : out;
}

// As it was built, or as it came: from the peer's certificate upwards.
const STACK_OF(X509) * chain_of(const SSL* ssl) {
  const auto* built = SSL_get0_verified_chain(ssl);
  return built && sk_X509_num(built) > 0 ? built : SSL_get_peer_cert_chain(ssl);
}

// The first certificate whose time it is not.
std::string wrong_time(const STACK_OF(X509) * chain) {
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    const auto* cert = sk_X509_value(chain, i);
    const auto whose = i == 0 ? std::string("it") : "that of its authority " + name_of(X509_get_subject_name(cert));
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
      return whose + " ended on " + day_of(X509_get0_notAfter(cert));
    }
    if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0) {
      return whose + " begins on " + day_of(X509_get0_notBefore(cert));
    }
  }
  return "its time is over";
}

std::string describe(const X509* cert) {
  return "subject " + name_of(X509_get_subject_name(cert)) + ", issuer " + name_of(X509_get_issuer_name(cert)) +
         ", from " + day_of(X509_get0_notBefore(cert)) + " to " + day_of(X509_get0_notAfter(cert));
}

std::string whom_to_trust(const tls_options& opts) {
  if (!opts.ca_file.empty()) return "its authority is not in tls.ca_file " + opts.ca_file;
  if (!opts.ca_path.empty()) return "its authority is not in tls.ca_path " + opts.ca_path;
  return "to trust its authority, give its PEM file as tls.ca_file";
}

// Why the peer's certificate does not do, behind OpenSSL's words for it; and what to try.
std::string explain_certificate(const SSL* ssl, long verdict, const tls_options& opts, const std::string& host) {
  const auto* chain = chain_of(ssl);
  if (!chain || sk_X509_num(chain) == 0) return {};
  const auto* cert = sk_X509_value(chain, 0);
  switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return ": it is for " + names_in(cert) + ", not for " + core::quoted(verified_name(opts, host)) + "; " +
             describe(cert) + "; tls.server_name verifies another name";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return ": " + wrong_time(chain) + "; " + describe(cert);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return ": " + describe(cert) + "; " + whom_to_trust(opts);
    default:
      return ": " + describe(cert);
  }
}

// Alerts

// What an alert says about the certificate of the client, if it can be that.
std::string client_certificate(int alert, bool wanted, const tls_options& opts) {
  constexpr std::array about_certificates{SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
                                          SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED,
                                          SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA,
                                          SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED};
  const bool about = std::find(about_certificates.begin(), about_certificates.end(), alert) != about_certificates.end();
  if (!about && !(wanted && alert == SSL_AD_HANDSHAKE_FAILURE)) return {};
  if (opts.cert_file.empty()) return "; it wants a client's certificate: give tls.cert_file and tls.key_file";
  return "; it does not accept the certificate of tls.cert_file " + opts.cert_file;
}

// Which versions we take.
std::string versions(const tls_options& opts) {
  if (opts.min_version == tls_version::v1_3) return "; tls.min_version is TLS 1.3";
  return opts.max_version == tls_version::v1_2 ? "; tls.max_version is TLS 1.2, and nothing below it is taken"
                                               : "; TLS 1.2 is the least";
}

// What came first was not TLS.
bool is_no_tls(int reason) {
  constexpr std::array reasons{SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST,
                               SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_UNKNOWN_PROTOCOL};
  return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
}

bool is_end(error_code ec) { return ec == asio::error::eof || ec == asio::ssl::error::stream_truncated; }

failure of_connection(origin from) {
  failure why;
  why.code = errc::tls_failed;
  why.scope = scope::connection;
  why.origin = from;
  why.retry_safe = true;
  return why;
}

}  // namespace

bool is_of_tls(error_code ec) { return is_of_openssl(ec) || ec == errc::limit_exceeded; }

bool is_alert(error_code ec) { return alert_of(ec) >= 0; }

failure explain_handshake(SSL* ssl, error_code ec, const tls_options& opts, const std::string& host,
                          const std::string& peer) {
  auto why = of_connection(is_of_tls(ec) ? origin::peer : origin::network);
  const auto reason = reason_of(ec);
  const auto verdict = SSL_get_verify_result(ssl);
  if (verdict != X509_V_OK && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    why.code = errc::certificate_invalid;
    why.origin = origin::local;
    why.message = "the certificate of " + peer + " is not valid: " + X509_verify_cert_error_string(verdict) +
                  explain_certificate(ssl, verdict, opts, host);
  } else if (reason == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL) {
    why.code = errc::protocol_not_negotiated;
    why.message = peer + " does not speak HTTP/2 on this port: it refused ALPN h2";
  } else if (reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION || reason == SSL_R_UNSUPPORTED_PROTOCOL) {
    why.message = "TLS handshake with " + peer + " failed: " + words(ec) + versions(opts);
  } else if (is_alert(ec)) {
    const bool wanted = SSL_get0_peer_CA_list(ssl) != nullptr;  // it asked, whomever it trusts
    why.message = peer + " refused the TLS handshake: " + words(ec) + client_certificate(alert_of(ec), wanted, opts);
  } else if (is_no_tls(reason)) {
    why.message =
        "TLS handshake with " + peer + " failed: its answer is not TLS (" + words(ec) + "); for cleartext use http://";
  } else if (is_end(ec)) {
    why.message = peer + " closed the connection in the TLS handshake";
  } else {
    why.message = "TLS handshake with " + peer + " failed: " + words(ec);
  }
  return why;
}

failure explain_client(const SSL* ssl, error_code ec, const std::string& peer) {
  auto why = of_connection(is_of_tls(ec) || !ec ? origin::peer : origin::network);
  why.retry_safe = false;  // it is the client who would try
  const auto reason = reason_of(ec);
  const auto verdict = SSL_get_verify_result(ssl);
  if (!ec || reason == SSL_R_NO_APPLICATION_PROTOCOL) {
    why.code = errc::protocol_not_negotiated;
    why.message = peer + " does not offer h2 by ALPN";
  } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
    why.code = errc::certificate_invalid;
    why.origin = origin::local;
    why.message = "the certificate of " + peer + " is not valid: " + X509_verify_cert_error_string(verdict);
    const auto* chain = chain_of(ssl);
    if (chain && sk_X509_num(chain) > 0) why.message += ": " + describe(sk_X509_value(chain, 0));
  } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    why.code = errc::certificate_invalid;
    why.message = peer + " has no certificate, and client_ca_file wants one";
  } else if (is_alert(ec)) {
    why.message = peer + " refused the TLS handshake: " + words(ec);
  } else if (is_no_tls(reason)) {
    why.message = peer + " does not speak TLS on this port (" + words(ec) + ")";
  } else if (is_end(ec)) {
    why.message = peer + " closed the connection in the TLS handshake";
  } else {
    why.message = "TLS handshake with " + peer + " failed: " + words(ec);
  }
  return why;
}

std::string explain_break(error_code ec, const tls_options* opts, const std::string& peer) {
  if (ec == asio::ssl::error::stream_truncated) return peer + " closed the connection without ending TLS";
  if (!is_alert(ec)) return "TLS with " + peer + " broke: " + words(ec);
  return peer + " ended TLS: " + words(ec) + (opts ? client_certificate(alert_of(ec), false, *opts) : std::string());
}

std::string of_proxy(std::string text) {
  // A file may be called tls.pem.
  constexpr std::array members{"tls.ca_file",      "tls.ca_path",          "tls.cert_file",   "tls.key_file",
                               "tls.key_password", "tls.ask_key_password", "tls.server_name", "tls.sni",
                               "tls.pinned_keys",  "tls.min_version",      "tls.max_version", "tls.keylog_file"};
  constexpr std::string_view whose = "proxy.";
  for (const std::string_view member : members) {
    for (auto at = text.find(member); at != std::string::npos; at = text.find(member, at + member.size())) {
      if (at > 0 && text[at - 1] != ' ') continue;
      text.insert(at, whose);
      at += whose.size();
    }
  }
  return text;
}

}  // namespace duplex::net
