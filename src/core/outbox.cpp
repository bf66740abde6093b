// The sending queue of a stream.

#include "core/outbox.hpp"

#include <algorithm>
#include <utility>

namespace duplex::core {
namespace {

constexpr std::size_t joined_size = 16384;

}  // namespace

void outbox::push(op_id op, std::span<const std::string_view> parts, bool end, kind how, completed& done) {
  if (end) end_ = ending::fin;
  std::size_t size = 0;
  for (const auto part : parts) size += part.size();

  const bool small = size < outgoing::least_lent;
  if (how == kind::buffered && small && waiting_ == 0 && size <= capacity_ - kept_bytes_) {
    for (const auto part : parts) keep(part);
    done.push_back(op);
    return;
  }
  if (size == 0 && !end) {
    done.push_back(op);
    return;
  }
  for (const auto part : parts) {
    if (!part.empty()) queue_.push_back(entry{op, part, {}, 0, how, false});
  }
  // Nothing but the end: an entry without bytes, so that the send completes when END_STREAM is framed.
  if (size == 0) queue_.push_back(entry{op, {}, {}, 0, how, false});
  queue_.back().last = true;
  bytes_ += size;
  ++(how == kind::buffered ? waiting_ : lent_);
}

// Small sends are joined: the queue then costs one allocation for many of them.
void outbox::keep(std::string_view bytes) {
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  kept_bytes_ += static_cast<std::uint32_t>(bytes.size());
  if (queue_.empty() || queue_.back().how != kind::kept || queue_.back().own.size() + bytes.size() > joined_size) {
    queue_.push_back(entry{0, {}, {}, 0, kind::kept, false});
  }
  queue_.back().own.append(bytes);
}

void outbox::push_trailers(fields list) {
  trailers_ = std::make_unique<fields>(std::move(list));
  end_ = ending::trailers;
}

std::size_t outbox::read(outgoing& to, std::size_t size, completed& done) {
  std::size_t total = 0;
  while (!queue_.empty()) {
    auto& front = queue_.front();
    const auto rest = front.rest();
    const auto n = std::min(size - total, rest.size());
    total += n;
    bytes_ -= n;
    if (front.how == kind::kept) {
      to.append(rest.substr(0, n));
      front.read += n;
      kept_bytes_ -= static_cast<std::uint32_t>(n);
    } else {
      to.lend(rest.substr(0, n));
      front.lent.remove_prefix(n);
    }
    if (n < rest.size()) break;
    if (front.last) {
      done.push_back(front.op);
      --(front.how == kind::buffered ? waiting_ : lent_);
    }
    queue_.drop_front();
  }
  return total;
}

void outbox::keep_what_fits(completed& done) {
  auto first = queue_.begin();
  while (waiting_ > 0) {
    first = std::find_if(first, queue_.end(), [](const entry& e) { return e.how == kind::buffered; });
    const auto op = first->op;
    const auto next = std::find_if(first, queue_.end(), [op](const entry& e) { return e.op != op; });
    std::size_t size = 0;
    for (auto it = first; it != next; ++it) size += it->lent.size();
    if (size > capacity_ - kept_bytes_) return;
    for (; first != next; ++first) {
      first->own.assign(first->lent);
      first->how = kind::kept;
      first->last = false;
    }
    kept_bytes_ += static_cast<std::uint32_t>(size);
    done.push_back(op);
    --waiting_;
  }
}

bool outbox::waits(op_id op) const noexcept {
  return std::any_of(queue_.begin(), queue_.end(),
                     [op](const entry& e) { return e.how == kind::buffered && e.op == op; });
}

void outbox::clear() noexcept {
  queue_.clear();
  bytes_ = 0;
  kept_bytes_ = 0;
  lent_ = 0;
  waiting_ = 0;
}

}  // namespace duplex::core
