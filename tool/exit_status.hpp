#pragma once
// What the program ends with: the statuses of curl, and the errors that lead to them.

#include <duplex/error.hpp>

#include <exception>
#include <optional>
#include <string>

namespace duplex::tool {

/// As curl's, where curl has one.
enum class exit_status : int {
  ok = 0,
  usage = 2,
  url = 3,
  resolve_proxy = 5,
  resolve = 6,
  connect = 7,
  http2 = 16,
  /// A status of 400 or above, where that is an error.
  response = 22,
  write = 23,
  read = 26,
  timeout = 28,
  tls = 35,
  interface = 45,
  send = 55,
  lost = 56,
  certificate = 60,
  pinned = 90,
  stream = 92,
  proxy = 97,
  /// Plus the number of the signal: 130 after Ctrl-C.
  signal = 128,
};

/// What was tried when an error came.
enum class operation { open, recv, send };

/// The status for a library error; `why` is the stream's failure, if it has one.
[[nodiscard]] exit_status status_of(error_code ec, const std::optional<failure>& why, operation tried);

/// Ends the program: thrown by whatever finds that it cannot go on.
class problem : public std::exception {
 public:
  problem(exit_status status, std::string name, std::string message);

  /// A library error, explained by the stream's failure if it has one; `context` says where, for a person.
  problem(error_code ec, const std::optional<failure>& why, operation tried, const std::string& context = {});

  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] exit_status status() const noexcept { return status_; }
  /// The `error` of the JSON event: an `errc`, or a word of the tool's own.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::optional<failure>& why() const noexcept { return why_; }
  /// Not worth a line: the reader of our output has left.
  [[nodiscard]] bool quiet() const noexcept { return quiet_; }

  static problem usage(std::string message);
  static problem signalled(int number, const std::string& name);
  static problem broken_pipe();

 private:
  exit_status status_;
  std::string name_;
  std::string message_;
  std::optional<failure> why_;
  bool quiet_ = false;
};

}  // namespace duplex::tool
