// The requests that are under way.

#include "net/request_log.hpp"

#include <utility>

namespace duplex::net {

bool request_log::begin(std::int32_t stream, const request& head, core::time_point now) {
  if (++counters_->streams > max_streams_) {
    --counters_->streams;
    ++counters_->requests_refused;
    return false;
  }
  try {
    open_.insert_or_assign(stream, open{on_done_ ? std::make_unique<const packed_head>(head) : nullptr, now});
  } catch (...) {
    --counters_->streams;
    throw;
  }
  ++counters_->requests;
  return true;
}

std::function<void()> request_log::end(const core::ended_stream& what, core::time_point now,
                                       const h2::connection_info& client) {
  auto found = open_.extract(what.stream);
  if (found.empty()) return {};
  --counters_->streams;
  ++counters_->requests_done;
  if (what.why) ++counters_->requests_failed;
  if (!on_done_) return {};
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - found.mapped().began);
  return [tell = on_done_, what, took, &client, head = found.mapped().head->unpacked()] {
    tell({.client = client,
          .stream_id = what.stream,
          .head = head,
          .status = what.status,
          .bytes_received = what.bytes_received,
          .bytes_sent = what.bytes_sent,
          .duration = took,
          .why = what.why.get()});
  };
}

}  // namespace duplex::net
