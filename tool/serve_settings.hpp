#pragma once
// The command line of `duplex serve`.

#include "server_log.hpp"

#include <duplex/h2/server.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace duplex::tool {

struct serve_settings {
  h2::server_options options{};
  /// As they were given; keys are in pairs with them, or there are none.
  std::vector<std::string> certs{};
  std::vector<std::string> key_files{};
  /// Of the keys that have none of their own.
  std::string password{};
  /// Where the certificate that was made goes, for clients to trust.
  std::string write_cert{};
  std::size_t threads = 1;
  std::chrono::milliseconds grace{5000};
  /// How long new connections are still taken, while it says that it drains.
  std::chrono::milliseconds drain_delay{0};
  log_settings log{};
  /// Where metrics and health are; empty: nowhere.
  std::string admin{};
};

/// None if help was asked for and printed. Throws `problem` for a usage error.
[[nodiscard]] std::optional<serve_settings> parse_serve(int argc, const char* const* argv);

}  // namespace duplex::tool
