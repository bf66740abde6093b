#pragma once
// What the session's two files share about the engine. Nothing else includes nghttp2.

#include <nghttp2/nghttp2.h>

#include <string>

namespace duplex::core {

class session;

/// A new nghttp2 session whose callbacks record into `owner`.
[[nodiscard]] nghttp2_session* make_engine(bool server, session* owner);

/// Reads payload from the stream's outbox.
[[nodiscard]] nghttp2_data_provider payload_source() noexcept;

}  // namespace duplex::core
