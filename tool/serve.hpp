#pragma once
// `duplex serve`: the embedded server with paths to try streams on.

namespace duplex::tool {

/// Serves until a signal comes, and returns the exit status. Throws `problem` if it cannot begin.
[[nodiscard]] int serve_main(int argc, const char* const* argv);

}  // namespace duplex::tool
