#pragma once
// The whole life of a stream: both sides send and receive at the same time, then trailers, the end, and close.

#include "memory_link.hpp"

#include <memory>
#include <string>
#include <vector>

namespace duplex::test {

/// What one side was told, operation by operation.
struct told {
  std::vector<std::string> sends{};     // the outcome of each
  std::vector<std::string> messages{};  // heads, trailers, `done`, and the final error
  std::string body{};
  std::string closing{};
  int begun = 0;
  int ended = 0;

  friend bool operator==(const told&, const told&) = default;
};

struct conversation {
  told client{};
  told server{};
  bool client_struck = false;
  bool server_struck = false;
  bool let_go = false;  // both connections are gone

  [[nodiscard]] bool struck() const { return client_struck || server_struck; }
};

/// What the client sends, and the server gives back.
[[nodiscard]] const std::vector<std::string>& spoken();
[[nodiscard]] std::string whole_body();

/// What both sides are told when nothing goes wrong.
[[nodiscard]] const std::vector<std::string>& client_messages();
[[nodiscard]] const std::vector<std::string>& server_messages();

/// Windows smaller than the messages, so that flow control takes part.
[[nodiscard]] link_options conversing();

/// Holds it, and waits until nothing is left to do. `words`: what the client says instead.
[[nodiscard]] conversation hold(const link_options& opts, const std::vector<std::string>& words = spoken());

}  // namespace duplex::test
