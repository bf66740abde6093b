// Metrics and health.

#include "admin.hpp"

#include <utility>

namespace duplex::tool {

asio::awaitable<void> administrate(exchange& x, std::string page, const h2::server& server,
                                   const request_metrics& requests, bool drains) {
  std::string text;
  if (page == "metrics") {
    text = to_metrics(server.stats(), requests, drains);
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
