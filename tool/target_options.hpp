#pragma once
// How a client reaches its peer: what the command lines of `open` and `bench` share.

#include "command_line.hpp"
#include "dial_rules.hpp"

#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <string>
#include <vector>

namespace duplex::tool {

/// What the flags said, before it is known what the URL is.
struct target_flags {
  bool prior_knowledge = false;
  bool insecure = false;
  std::string cert{};
  std::string cert_type{};
  bool tls_1_2 = false;
  bool tls_1_3 = false;
  std::string tls_max{};
  bool no_sessions = false;
  bool v4 = false;
  bool v6 = false;
  dial_rules rules{};
  std::string socks5{};
  std::string socks5_hostname{};
  std::string proxy_user{};
  bool proxy_insecure = false;
};

/// -H
void add_header_option(CLI::App& app, fields& headers);
/// --connect-to, --resolve, --unix-socket, -4, -6
void add_connection_options(CLI::App& app, options& opts, target_flags& given);
/// -x, --socks5, --socks5-hostname, --proxy-user, --proxy-header, --noproxy, --proxy-cacert, --proxy-insecure
void add_proxy_options(CLI::App& app, options& opts, target_flags& given);
/// --cacert, --capath, --cert, --cert-type, --key, --pass, -k, --servername, --sni, --pinnedpubkey, --tlsv1.2,
/// --tlsv1.3,
/// --tls-max, --no-sessionid, --keylog
void add_tls_options(CLI::App& app, options& opts, target_flags& given);

/// --keepalive-time, --keepalive-timeout
void add_keepalive_options(CLI::App& app, options& opts);

/// --window-size, --connection-window-size, --max-recv-buffer
void add_window_options(CLI::App& app, options& opts);

/// Sets what the flags mean for the URL of `head`.
void apply(const target_flags& given, const request& head, options& opts);

/// Host and port of the URL in lower case, the port also where it is left out.
[[nodiscard]] std::string authority_with_port(const request& head);

/// `url` as it is shown: without user and password.
[[nodiscard]] std::string without_login(const std::string& url);

}  // namespace duplex::tool
