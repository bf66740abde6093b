#pragma once
// The head of a request that waits, perhaps for days, until its stream is over and a log is told of it.

#include <duplex/message.hpp>

#include <string>

namespace duplex::net {

/// In one piece of memory: a `field` alone takes 72 bytes, besides what does not fit into its strings.
class packed_head {
 public:
  explicit packed_head(const request& head);

  [[nodiscard]] request unpacked() const;

 private:
  std::string bytes_;
};

}  // namespace duplex::net
