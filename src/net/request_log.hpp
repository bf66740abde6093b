#pragma once
// The requests that a server's connection has under way, from the head to the end of the stream: they are counted,
// bounded for all connections together, and told to whoever keeps an access log.

#include "core/deadlines.hpp"
#include "core/ended_stream.hpp"
#include "net/packed_head.hpp"
#include "net/server_counters.hpp"

#include <duplex/h2/server_options.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

namespace duplex::net {

class request_log {
 public:
  /// `on_done` may be empty; it must not throw.
  request_log(std::shared_ptr<server_counters> counters, std::size_t max_streams, h2::request_report_handler on_done)
      : counters_(std::move(counters)),
        bytes_(counters_->bytes),
        max_streams_(max_streams),
        on_done_(std::move(on_done)) {}
  request_log(const request_log&) = delete;
  request_log& operator=(const request_log&) = delete;
  ~request_log() { counters_->streams -= open_.size(); }

  /// What the connection has carried so far.
  void carried(const core::payload& now) noexcept { bytes_.set(now); }
  /// A request came; false: it is one too many.
  [[nodiscard]] bool begin(std::int32_t stream, const request& head, core::time_point now);
  /// Its stream is over. Returns what tells of it; none if there is nobody to be told. `client` must live as long.
  [[nodiscard]] std::function<void()> end(const core::ended_stream& what, core::time_point now,
                                          const h2::connection_info& client);

 private:
  struct open {
    std::unique_ptr<const packed_head> head;  // if it is told
    core::time_point began;
  };

  std::shared_ptr<server_counters> counters_;
  payload_counts::part bytes_;
  std::size_t max_streams_;
  h2::request_report_handler on_done_;
  std::unordered_map<std::int32_t, open> open_;
};

}  // namespace duplex::net
