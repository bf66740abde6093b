#pragma once
// Runs a script on a stream.

#include "input.hpp"
#include "output.hpp"
#include "printer.hpp"
#include "script.hpp"

#include <duplex/h2/stream.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace duplex::tool {

/// Gives the steps of a script in order: those of a file, or each line of the input when it has come.
class script_source {
 public:
  /// Throws `script::syntax_error`, before anything is run.
  explicit script_source(std::string_view text) : steps_(script::parse(text)) {}
  explicit script_source(input& lines) : input_(&lines) {}

  /// None at the end. Throws `script::syntax_error`.
  asio::awaitable<std::optional<script::step>> next();

 private:
  // The next line without its end; none at the end of the input.
  asio::awaitable<std::optional<std::string>> next_line();

  std::vector<script::step> steps_;
  std::size_t next_step_ = 0;
  input* input_ = nullptr;
  std::string held_;
  std::size_t line_ = 0;
};

/// Passive: a message is taken only when a command asks for it.
class script_runner {
 public:
  script_runner(h2::stream s, output& out, printer& print, std::optional<std::chrono::milliseconds> recv_timeout);

  /// Until the script ends or says `close`. Throws `problem`, with the line of the script.
  asio::awaitable<void> run(script_source& source);

 private:
  // What is remembered of a message that was printed.
  struct taken {
    std::optional<script::recv_until::kind> kind;
    std::size_t payload = 0;
  };

  static taken summary(const message& m);
  asio::awaitable<void> run_step(const script::step& step);
  asio::awaitable<void> send(std::string_view bytes);
  asio::awaitable<void> send_random(std::size_t size);
  asio::awaitable<void> send_file(const std::string& path);
  asio::awaitable<void> finish();
  asio::awaitable<void> send_trailers(const fields& list);
  asio::awaitable<taken> recv();
  asio::awaitable<void> recv_until(const script::recv_until& what);
  asio::awaitable<void> sleep(std::chrono::milliseconds duration);
  asio::awaitable<void> ping();
  asio::awaitable<void> stats();
  void consume(const script::consume& what);
  [[noreturn]] void fail(error_code ec, operation tried) const;

  h2::stream stream_;
  output& out_;
  printer& print_;
  std::optional<std::chrono::milliseconds> recv_timeout_;
  std::size_t unconsumed_ = 0;
  // "line 3: recv: ", for errors.
  std::string where_;
};

}  // namespace duplex::tool
