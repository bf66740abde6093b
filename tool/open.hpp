#pragma once
// `duplex open`: one stream, from the command line to the exit status.

namespace duplex::tool {

/// Runs until the stream is done, and returns the exit status. What happens on the stream is reported here; throws
/// `problem` for what is found before.
[[nodiscard]] int open_main(int argc, const char* const* argv);

}  // namespace duplex::tool
