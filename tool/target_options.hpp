#pragma once
// How a client reaches its peer: what the command lines of `open` and `bench` share.

#include "command_line.hpp"

#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <string>
#include <vector>

namespace duplex::tool {

/// HOST:PORT:ADDR, as curl's. Where the URL is for HOST and PORT, ADDR is dialed.
struct resolve_rule {
  std::string host_port;
  std::string address;
};

/// What the flags said, before it is known what the URL is.
struct target_flags {
  bool prior_knowledge = false;
  bool insecure = false;
  bool v4 = false;
  bool v6 = false;
  std::vector<resolve_rule> resolve{};
};

/// -H
void add_header_option(CLI::App& app, fields& headers);
/// --connect-to, --resolve, --unix-socket, -4, -6
void add_connection_options(CLI::App& app, options& opts, target_flags& given);
/// --cacert, --cert, --key, -k, --servername, --keylog
void add_tls_options(CLI::App& app, options& opts, target_flags& given);

/// --window-size, --connection-window-size, --max-recv-buffer
void add_window_options(CLI::App& app, options& opts);

/// Sets what the flags mean for the URL of `head`.
void apply(const target_flags& given, const request& head, options& opts);

/// Host and port of the URL in lower case, the port also where it is left out.
[[nodiscard]] std::string authority_with_port(const request& head);

}  // namespace duplex::tool
