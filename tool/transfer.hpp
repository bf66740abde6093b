#pragma once
// Input becomes DATA, DATA becomes output, both at once.

#include "input.hpp"
#include "output.hpp"
#include "printer.hpp"

#include <duplex/h2/stream.hpp>

#include <optional>
#include <string>

namespace duplex::tool {

/// How the input is cut into DATA.
enum class input_mode {
  /// One line each.
  lines,
  /// As it comes.
  raw,
  /// It is a script instead.
  script,
};

/// Both directions of one stream, until both are done.
///
/// When the peer is done first, the rest of the input is still sent, as it is the peer's right to answer early. It is
/// not when the answer was an error (400 and above), and not from a terminal, where nobody would know that the
/// program still waits for a line.
class transfer {
 public:
  transfer(h2::stream s, input* in, output& out, printer& print, input_mode mode, bool manual);

  /// Throws `problem`.
  asio::awaitable<void> run();

 private:
  asio::awaitable<void> receive();
  asio::awaitable<void> receive_messages();
  asio::awaitable<void> send();
  asio::awaitable<void> send_raw();
  asio::awaitable<void> send_lines();
  asio::awaitable<void> send_piece(std::string_view bytes);
  void end_both();

  h2::stream stream_;
  input* in_;
  output& out_;
  printer& print_;
  input_mode mode_;
  bool manual_;
  int status_ = 0;
  bool received_all_ = false;
  // We have ended it: errors that follow are its echo.
  bool ended_ = false;
  std::optional<problem> recv_problem_;
  std::optional<problem> send_problem_;
};

}  // namespace duplex::tool
