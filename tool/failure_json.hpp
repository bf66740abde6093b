#pragma once
// How a failure looks as JSON, wherever it is told.

#include "exit_status.hpp"

#include <boost/json/object.hpp>

#include <string>

namespace duplex::tool {

/// Adds `bytes` as `name` where they are text, otherwise in base64 as `other_name`.
void add_bytes(boost::json::object& event, const std::string& name, const std::string& other_name,
               const std::string& bytes);

/// Adds `error`, `origin`, `scope`, `retry_safe`, `message`, and what is known of `http2_code`, `last_stream_id`,
/// `debug_data` and `bytes_sent`.
void add_failure(boost::json::object& event, const problem& error);

}  // namespace duplex::tool
