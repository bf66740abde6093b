// The streams that Ctrl-\ shows.

#include "live_streams.hpp"

#include "stats.hpp"

#include <utility>

namespace duplex::tool {

live_streams::entry::entry(live_streams& owner, h2::stream s)
    : owner_(owner), at_(owner.list_.insert(owner.list_.end(), std::move(s))) {}

live_streams::entry::~entry() { owner_.list_.erase(at_); }

asio::awaitable<std::string> live_streams::describe() const {
  if (list_.empty()) co_return "* No stream is open\n";
  // A copy: they come and go while this waits.
  const auto now = list_;
  std::string out;
  h2::connection_stats connection;
  for (const auto& s : now) {
    const auto one = co_await take_snapshot(s);
    out += to_text(one.stream);
    connection = one.connection;
  }
  co_return out + to_text(connection);
}

}  // namespace duplex::tool
