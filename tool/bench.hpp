#pragma once
// `duplex bench`: load for bidirectional streams.

namespace duplex::tool {

/// Runs to the end, prints what was measured, and returns the exit status. Throws `problem`.
[[nodiscard]] int bench_main(int argc, const char* const* argv);

}  // namespace duplex::tool
