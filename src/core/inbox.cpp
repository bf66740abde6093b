// The receiving queue of a stream.

#include "core/inbox.hpp"

#include "core/data_run.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace duplex::core {
namespace {

// A peer may send megabytes as one-byte frames. Once this many messages wait, small ones are joined, so that the
// queue's own memory stays in proportion to its bytes.
constexpr std::size_t join_after = 64;
constexpr std::size_t joined_size = 16384;

// A message is not larger than this for that: the allocator maps what is above 128 KiB, and the kernel clears it.
constexpr std::size_t largest = 65536;

std::size_t room(const std::string& s) noexcept { return s.capacity() - s.size(); }

std::string with_room(std::string_view bytes, std::size_t more) {
  std::string s;
  s.reserve(std::max(bytes.size(), std::min(bytes.size() + more, largest)));
  s.append(bytes);
  return s;
}

}  // namespace

void inbox::push(message&& m) {
  if (!end_) queue_.emplace_back(std::move(m));
}

bool inbox::push_data(std::string_view bytes, std::size_t more) {
  if (bytes.empty() || end_) return true;
  if (bytes.size() > limit_ - bytes_) return false;
  auto* last = queue_.empty() ? nullptr : std::get_if<data>(&queue_.back());
  const bool has_room = last && last->bytes.size() >= least_in_run && bytes.size() <= room(last->bytes);
  const bool many = last && queue_.size() >= join_after && last->bytes.size() + bytes.size() <= joined_size;
  if (has_room || many) {
    last->bytes.append(bytes);
  } else {
    queue_.emplace_back(data{bytes.size() < least_in_run ? std::string(bytes) : with_room(bytes, more)});
  }
  bytes_ += static_cast<std::uint32_t>(bytes.size());
  return true;
}

void inbox::finish() noexcept {
  if (end_) return;
  done_waits_ = true;
  end_ = errc::closed;
}

void inbox::end(reason why) noexcept {
  if (!end_) end_ = why;
}

void inbox::abort(reason why) noexcept {
  queue_.clear();
  done_waits_ = false;
  bytes_ = 0;
  end_ = why;
}

std::optional<message> inbox::take() {
  std::optional<message> m;
  if (queue_.empty()) {
    if (std::exchange(done_waits_, false)) m.emplace(done());
    return m;
  }
  m.emplace(std::move(queue_.front()));
  queue_.drop_front();
  if (const auto* d = std::get_if<data>(&*m)) {
    bytes_ -= static_cast<std::uint32_t>(d->bytes.size());
  } else {
    queue_.rest();  // what follows a head may be long in coming
  }
  return m;
}

}  // namespace duplex::core
