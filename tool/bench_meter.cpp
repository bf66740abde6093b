// What the streams of one thread of `duplex bench` have done.

#include "bench_meter.hpp"

#include <algorithm>
#include <utility>

namespace duplex::tool {

void tally::merge(const tally& other) {
  messages += other.messages;
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  latency.merge(other.latency);
  for (const auto& [name, count] : other.errors) errors[name] += count;
  if (!first_error) first_error = other.first_error;
  never_opened += other.never_opened;
  last = std::max(last, other.last);
}

void bench_meter::stop() noexcept {
  if (std::exchange(stopped_, true)) return;
  sums_.never_opened = waiting_;
}

std::optional<bench_meter::message> bench_meter::begin() noexcept {
  if (stopped_) return std::nullopt;
  if (measuring_ && budget_ && budget_->fetch_sub(1, std::memory_order_relaxed) <= 0) return std::nullopt;
  return message{clock::now(), measuring_};
}

void bench_meter::end(const message& m) noexcept {
  if (!m.counts || stopped_) return;
  sums_.last = clock::now();
  sums_.latency.record(static_cast<std::uint64_t>(std::chrono::nanoseconds(sums_.last - m.began).count()));
  seen_messages_.store(++sums_.messages, std::memory_order_relaxed);
}

void bench_meter::arrived() noexcept {
  if (!stopped_ && sums_.messages > 0) sums_.last = clock::now();
}

void bench_meter::sent(std::size_t bytes) noexcept {
  if (measuring_ && !stopped_) sums_.bytes_sent += bytes;
}

void bench_meter::received(std::size_t bytes) noexcept {
  if (measuring_ && !stopped_) sums_.bytes_received += bytes;
}

void bench_meter::failed(const problem& p) {
  if (stopped_) return;
  ++sums_.errors[p.name()];
  if (!sums_.first_error) sums_.first_error = p;
  seen_errors_.fetch_add(1, std::memory_order_relaxed);
}

bench_meter::seen bench_meter::progress() const noexcept {
  return {seen_messages_.load(std::memory_order_relaxed), seen_errors_.load(std::memory_order_relaxed)};
}

}  // namespace duplex::tool
