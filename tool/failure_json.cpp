// How a failure looks as JSON, wherever it is told.

#include "failure_json.hpp"

#include "json.hpp"

#include <duplex/h2/code.hpp>

namespace duplex::tool {
namespace {

// What a failure has only sometimes.
void add_details(boost::json::object& event, const failure& why) {
  if (why.http2_code) event["http2_code"] = json_text(h2::code_name(*why.http2_code));
  if (why.last_stream_id) event["last_stream_id"] = *why.last_stream_id;
  if (!why.debug_data.empty()) add_bytes(event, "debug_data", "debug_data_base64", why.debug_data);
  event["bytes_sent"] = why.bytes_sent;
}

}  // namespace

void add_bytes(boost::json::object& event, const std::string& name, const std::string& other_name,
               const std::string& bytes) {
  if (is_utf8(bytes)) {
    event[name] = bytes;
  } else {
    event[other_name] = base64(bytes);
  }
}

void add_failure(boost::json::object& event, const problem& error) {
  event["error"] = json_text(error.name());
  const auto& why = error.why();
  event["origin"] = json_text(to_string(why ? why->origin : origin::local));
  event["scope"] = json_text(to_string(why ? why->scope : scope::stream));
  event["retry_safe"] = why && why->retry_safe;
  if (why) add_details(event, *why);
  event["message"] = json_text(error.message());
}

}  // namespace duplex::tool
