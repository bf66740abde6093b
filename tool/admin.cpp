// Metrics and health.

#include "admin.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace duplex::tool {
namespace {

struct metric {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  std::uint64_t value;
};

}  // namespace

std::string to_metrics(const h2::server_stats& s) {
  const std::array list{
      metric{"duplex_connections", "gauge", "Connections now.", s.connections},
      metric{"duplex_streams", "gauge", "Requests under way.", s.streams},
      metric{"duplex_connections_accepted_total", "counter", "Connections so far.", s.connections_accepted},
      metric{"duplex_connections_failed_total", "counter", "Connections that failed.", s.connections_failed},
      metric{"duplex_connections_refused_total", "counter", "Connections above the bound of an address.",
             s.connections_refused},
      metric{"duplex_requests_total", "counter", "Requests so far.", s.requests},
      metric{"duplex_requests_done_total", "counter", "Requests that are over.", s.requests_done},
      metric{"duplex_requests_failed_total", "counter", "Requests whose stream failed.", s.requests_failed},
      metric{"duplex_requests_refused_total", "counter", "Requests above the bound of all streams.",
             s.requests_refused},
      metric{"duplex_received_bytes_total", "counter", "Payload of requests that are over.", s.bytes_received},
      metric{"duplex_sent_bytes_total", "counter", "Payload of their responses.", s.bytes_sent},
  };
  std::string out;
  for (const auto& each : list) {
    out.append("# HELP ").append(each.name).append(" ").append(each.help);
    out.append("\n# TYPE ").append(each.name).append(" ").append(each.type);
    out.append("\n").append(each.name).append(" ").append(std::to_string(each.value)).append("\n");
  }
  return out;
}

asio::awaitable<void> administrate(exchange& x, std::string page, h2::server_stats stats, bool drains) {
  std::string text;
  if (page == "metrics") {
    text = to_metrics(stats);
    co_await x.respond_whole(200, "text/plain; version=0.0.4; charset=utf-8", std::move(text));
  } else if (page == "healthz") {
    text = drains ? "draining\n" : "ok\n";
    co_await x.respond_whole(drains ? 503 : 200, "text/plain; charset=utf-8", std::move(text));
  } else {
    text = "there is metrics and healthz\n";
    co_await x.respond_whole(404, "text/plain; charset=utf-8", std::move(text));
  }
}

}  // namespace duplex::tool
