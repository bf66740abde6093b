#pragma once
// The commands of --script, one a line: what they are and how they are written.

#include <duplex/fields.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace duplex::tool::script {

/// `send TEXT` and `send-hex HEX`.
struct send {
  std::string bytes;
};
/// `send-random N`
struct send_random {
  std::size_t size;
};
/// `send-file PATH`
struct send_file {
  std::string path;
};
/// `fin`
struct finish {};
/// `trailers NAME: VALUE; NAME: VALUE`
struct send_trailers {
  fields list;
};
/// `recv [N]`
struct recv {
  std::size_t messages;
};
/// `recv-until response|data|trailers|done|bytes=N`
struct recv_until {
  enum class kind { response, data, trailers, done, bytes };
  kind what;
  std::size_t bytes;
};
/// `consume N|all`
struct consume {
  std::optional<std::size_t> bytes;
};
/// `sleep DURATION`
struct sleep {
  std::chrono::milliseconds duration;
};
/// `ping`
struct ping {};
/// `stats`
struct stats {};
/// `reset CODE`
struct reset {
  std::uint32_t code;
};
/// `close`
struct close {};

using command = std::variant<send, send_random, send_file, finish, send_trailers, recv, recv_until, consume, sleep,
                             ping, stats, reset, close>;

/// A command and where it stands.
struct step {
  std::size_t line;
  std::string name;
  command what;
};

/// A line that is no command; the text says why.
class syntax_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The command on a line, without its newline; none for a blank line or a comment. Throws `syntax_error`.
[[nodiscard]] std::optional<step> parse_line(std::string_view text, std::size_t number);

/// Every command of a script. Throws `syntax_error`.
[[nodiscard]] std::vector<step> parse(std::string_view text);

}  // namespace duplex::tool::script
