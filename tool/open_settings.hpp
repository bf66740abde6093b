#pragma once
// The command line of `duplex open`.

#include "printer.hpp"
#include "transfer.hpp"

#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace duplex::tool {

struct open_settings {
  /// Of the first URL.
  request head{};
  std::vector<std::string> urls{};
  /// Of several URLs, so many at a time.
  std::size_t parallel = 1;
  duplex::options options{};

  input_mode input = input_mode::lines;
  /// Whether the input is sent at all: GET and HEAD have no body unless --input says so.
  bool has_body = true;
  /// The file of the script; `-` is the input.
  std::optional<std::string> script_file{};

  printer::style style = printer::style::body;
  std::string output_file{};
  bool verbose = false;
  bool silent = false;

  std::optional<std::chrono::milliseconds> max_time{};
};

/// None if help was asked for and printed. Throws `problem` for a usage error.
[[nodiscard]] std::optional<open_settings> parse_open(int argc, const char* const* argv);

}  // namespace duplex::tool
