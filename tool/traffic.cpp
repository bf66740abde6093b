// What the server has done so far.

#include "traffic.hpp"

#include <boost/json/value.hpp>

namespace duplex::tool {

void traffic::began(const std::string& peer) {
  ++opened_;
  const std::lock_guard lock(mutex_);
  ++running_[peer];
}

void traffic::ended(const std::string& peer, bool failed) {
  if (failed) ++failed_;
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(peer);
  if (found != running_.end() && --found->second == 0) running_.erase(found);
}

boost::json::object traffic::snapshot() const {
  std::size_t connections = 0;
  std::size_t streams = 0;
  {
    const std::lock_guard lock(mutex_);
    connections = running_.size();
    for (const auto& [peer, count] : running_) streams += count;
  }
  return {{"connections", {{"with_streams", connections}}},
          {"streams", {{"opened", opened_.load()}, {"running", streams}, {"failed", failed_.load()}}},
          {"bytes", {{"received", received_.load()}, {"sent", sent_.load()}}}};
}

}  // namespace duplex::tool
