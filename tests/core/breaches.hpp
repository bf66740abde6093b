#pragma once
// What a peer may not do to a connection (RFC 9113), as tables: what it says, and the GOAWAY that it hears.

#include <ostream>
#include <string>
#include <vector>

namespace duplex::test {

/// Stream 1 is open, stream 99 is idle.
struct breach {
  std::string name;  // begins with the section
  std::string code;
  std::string frames;

  friend void PrintTo(const breach& b, std::ostream* out) { *out << b.name; }
};

[[nodiscard]] std::vector<breach> breaches_of_a_server();
[[nodiscard]] std::vector<breach> breaches_of_a_client();

}  // namespace duplex::test
