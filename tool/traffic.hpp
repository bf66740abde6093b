#pragma once
// What the server has done so far: for /stats and for the log.

#include <boost/json/object.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace duplex::tool {

/// Counted from any thread.
class traffic {
 public:
  /// A stream began, on the connection from `peer`; and ended.
  void began(const std::string& peer);
  void ended(const std::string& peer, bool failed);
  void received(std::size_t bytes) noexcept { received_ += bytes; }
  void sent(std::size_t bytes) noexcept { sent_ += bytes; }

  [[nodiscard]] boost::json::object snapshot() const;

 private:
  std::atomic<std::uint64_t> opened_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> received_ = 0;
  std::atomic<std::uint64_t> sent_ = 0;

  mutable std::mutex mutex_;
  // Streams that run now, by connection.
  std::map<std::string, std::size_t> running_;
};

}  // namespace duplex::tool
