#pragma once
// Frames in words, for logs.

#include "core/session.hpp"

#include <duplex/frame.hpp>

#include <nghttp2/nghttp2.h>

#include <string>

namespace duplex::core {

/// `HEADERS`, `DATA` …, or hexadecimal.
[[nodiscard]] std::string frame_name(std::uint8_t type);

[[nodiscard]] frame_info trace_sent(const nghttp2_frame& frame);

/// A received HEADERS frame has its fields apart: the engine handed them over one by one.
[[nodiscard]] frame_info trace_received(const nghttp2_frame& frame, const request_head& pseudo, int status,
                                        const fields& list);

}  // namespace duplex::core
