// The receiving queue of a stream.

#include "core/inbox.hpp"

#include <utility>

namespace duplex::core {
namespace {

// A peer may send megabytes as one-byte frames. Once this many messages wait, small ones are joined, so that the
// queue's own memory stays in proportion to its bytes.
constexpr std::size_t join_after = 64;
constexpr std::size_t joined_size = 16384;

}  // namespace

void inbox::push(message m) {
  if (end_) return;
  if (std::holds_alternative<done>(m)) end_ = errc::closed;
  queue_.push_back(std::move(m));
}

bool inbox::push_data(std::string_view bytes) {
  if (bytes.empty() || end_) return true;
  if (bytes.size() > limit_ - bytes_) return false;
  bytes_ += bytes.size();
  if (queue_.size() >= join_after) {
    auto* last = std::get_if<data>(&queue_.back());
    if (last && last->bytes.size() + bytes.size() <= joined_size) {
      last->bytes.append(bytes);
      return true;
    }
  }
  queue_.emplace_back(data{std::string(bytes)});
  return true;
}

void inbox::end(error_code why) noexcept {
  if (!end_) end_ = why;
}

void inbox::abort(error_code why) noexcept {
  queue_.clear();
  bytes_ = 0;
  end_ = why;
}

std::optional<message> inbox::take() {
  if (queue_.empty()) return std::nullopt;
  std::optional<message> m(queue_.pop_front());
  if (const auto* d = std::get_if<data>(&*m)) bytes_ -= d->bytes.size();
  return m;
}

}  // namespace duplex::core
