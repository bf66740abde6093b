#pragma once
// The library's messages name the members of its options. On the command line these are flags.

#include <string>
#include <string_view>

namespace duplex::tool {

/// `message` with flags in place of members: `tls.ca_file` becomes `--cacert`. What stands in quotes is not the
/// library's, and stays.
[[nodiscard]] std::string with_flags(std::string_view message);

}  // namespace duplex::tool
