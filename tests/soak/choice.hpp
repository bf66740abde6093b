#pragma once
// Random choices by a seed. The same seed makes the same choices with every standard library; who is first is up to the
// machine.

#include <cstddef>
#include <cstdint>
#include <random>

namespace duplex::soak {

class choice {
 public:
  explicit choice(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t seed() { return engine_(); }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  /// Some small, some large: any number of binary digits up to `digits` is as likely.
  std::size_t size(std::size_t digits) { return below(std::size_t{1} << below(digits + 1)); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace duplex::soak
