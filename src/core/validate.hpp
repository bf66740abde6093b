#pragma once
// What may be sent (RFC 9113, section 8.2 and 8.3; RFC 9110, section 5): checked before a byte is.
//
// Each check returns nothing, or one sentence that names the culprit.

#include <duplex/fields.hpp>
#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace duplex::core {

using problem = std::optional<std::string>;

/// A method is a token (RFC 9110, section 9.1).
[[nodiscard]] problem check_method(std::string_view method);
/// The `:protocol` of an extended CONNECT (RFC 8441, section 4); empty: there is none.
[[nodiscard]] problem check_protocol(std::string_view protocol, std::string_view method);

/// The value of `:path`: starts with `/`, printable, no space (RFC 9113, section 8.3.1).
[[nodiscard]] problem check_path(std::string_view path);

/// Regular fields: names are lower-case tokens, values without control characters but tabs, or white space at their
/// ends, no pseudo-fields, nothing that belongs to HTTP/1.1 connections, `te` only as `trailers`.
[[nodiscard]] problem check_fields(const fields& list);

/// Every member of `opts` is within its range.
[[nodiscard]] problem check_options(const options& opts);

/// `text` for a message to a person: quoted, quotes in it and what cannot be printed escaped, shortened.
[[nodiscard]] std::string quoted(std::string_view text, std::size_t most = 64);

}  // namespace duplex::core
