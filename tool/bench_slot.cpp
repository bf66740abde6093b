// What one of the concurrent streams of `duplex bench` does.

#include "bench_slot.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <chrono>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

namespace duplex::tool {
namespace {

constexpr auto no_throw = asio::as_tuple(asio::deferred);
// How long a server may take to end a stream that we have ended.
constexpr std::chrono::seconds patience(1);

using started = std::optional<bench_meter::message>;

class slot {
 public:
  slot(h2::connection c, const bench_plan& plan, bench_meter& meter)
      : connection_(std::move(c)), plan_(plan), payload_(plan.payload), meter_(meter) {
    meter_.begin_wait();
  }
  slot(const slot&) = delete;
  slot& operator=(const slot&) = delete;
  ~slot() { end_wait(); }

  // One stream, or many where each is a message. Returns when no message may begin any more. Throws `problem`.
  asio::awaitable<void> run() {
    switch (plan_.settings.mode) {
      case bench_mode::ping_pong:
        return ping_pong();
      case bench_mode::echo:
      case bench_mode::upload:
        return stream_both_ways();
      case bench_mode::download:
        return one_a_stream(std::string_view());
      case bench_mode::open:
        return one_a_stream(payload_);
      case bench_mode::idle:
        break;
    }
    return idle();
  }

 private:
  asio::awaitable<void> ping_pong() {
    auto now = meter_.begin();
    if (!now) co_return;
    co_await open();
    now->began = bench_meter::clock::now();
    for (; now; now = meter_.begin()) {
      send_in_background();
      std::size_t back = 0;
      while (back < payload_.size()) back += co_await recv_some();
      meter_.end(*now);
    }
    co_await leave();
  }

  // Not waited for: a large message comes back before all of it is out. If it fails, so does what waits to receive.
  void send_in_background() {
    meter_.sent(payload_.size());
    stream_.async_send(payload_, [](error_code) {});
  }

  asio::awaitable<void> stream_both_ways() {
    using namespace asio::experimental::awaitable_operators;
    auto first = meter_.begin();
    if (!first) co_return;
    co_await open();
    first->began = bench_meter::clock::now();
    problem_.reset();
    under_way_.clear();
    co_await (send_all(first) && recv_all());
    if (problem_) throw *problem_;
  }

  asio::awaitable<void> send_all(started now) {
    const bool back = plan_.settings.mode == bench_mode::echo;
    error_code failed;
    for (; now && !failed; now = meter_.begin()) {
      if (back) under_way_.push_back(*now);
      std::tie(failed) = co_await stream_.async_send(payload_, no_throw);
      if (failed) break;
      meter_.sent(payload_.size());
      if (!back) meter_.end(*now);
    }
    if (!failed) std::tie(failed) = co_await stream_.async_send(std::string_view(), h2::fin, no_throw);
    if (failed) give_up(problem(failed, stream_.failure(), operation::send));
  }

  asio::awaitable<void> recv_all() {
    try {
      std::size_t back = 0;
      while (const auto more = co_await recv()) {
        back += *more;
        for (; back >= payload_.size() && !under_way_.empty(); back -= payload_.size()) {
          meter_.end(under_way_.front());
          under_way_.pop_front();
        }
      }
      if (!under_way_.empty()) give_up(ended_early());
      meter_.arrived();
    } catch (const problem& p) {
      give_up(p);
    }
  }

  // The first reason counts. The other direction ends with the stream.
  void give_up(const problem& p) {
    if (!problem_) problem_ = p;
    stream_.reset(0x8);  // CANCEL
  }

  asio::awaitable<void> one_a_stream(std::string_view body) {
    while (const auto now = meter_.begin()) {
      co_await open();
      meter_.sent(body.size());
      stream_.async_send(body, h2::fin, [](error_code) {});
      while (co_await recv()) continue;
      meter_.end(*now);
    }
  }

  asio::awaitable<void> idle() {
    const auto now = meter_.begin();
    if (!now) co_return;
    co_await open();
    co_await recv();
    meter_.end(*now);
    while (co_await recv()) continue;
    throw ended_early();
  }

  asio::awaitable<void> open() {
    auto [ec, s] = co_await connection_.async_open_stream(plan_.settings.head, plan_.settings.options, no_throw);
    end_wait();
    if (ec) throw problem(ec, s.failure(), operation::open);
    stream_ = std::move(s);
  }

  void end_wait() noexcept {
    if (std::exchange(waits_, false)) meter_.end_wait();
  }

  // Bytes of the next message, which may be none; nothing at the end.
  asio::awaitable<std::optional<std::size_t>> recv() {
    auto [ec, m] = co_await stream_.async_recv(no_throw);
    if (ec) throw problem(ec, stream_.failure(), operation::recv);
    if (const auto* d = std::get_if<data>(&m)) {
      meter_.received(d->bytes.size());
      co_return d->bytes.size();
    }
    if (const auto* head = std::get_if<response>(&m); head && head->status >= 400) {
      const auto status = std::to_string(head->status);
      throw problem(exit_status::response, "status_" + status, "the server answered with status " + status);
    }
    if (std::holds_alternative<done>(m)) co_return std::nullopt;
    co_return 0;
  }

  asio::awaitable<std::size_t> recv_some() {
    const auto bytes = co_await recv();
    if (!bytes) throw ended_early();
    co_return *bytes;
  }

  static problem ended_early() {
    return {exit_status::stream, "ended_early", "the server ended the stream before everything had come back"};
  }

  // Both sides end in order; a server that does not is left.
  asio::awaitable<void> leave() {
    const auto [not_sent] = co_await stream_.async_send(std::string_view(), h2::fin, no_throw);
    if (not_sent) co_return;
    for (;;) {
      const auto [ec, m] = co_await stream_.async_recv(patience, no_throw);
      if (ec || std::holds_alternative<done>(m)) co_return;
    }
  }

  h2::connection connection_;
  const bench_plan& plan_;
  std::string_view payload_;
  bench_meter& meter_;
  h2::stream stream_;
  bool waits_ = true;  // for its first place
  // Messages of `echo` that have not come back.
  std::deque<bench_meter::message> under_way_;
  std::optional<problem> problem_;
};

// The next attempt would fail in the same way.
bool is_final(const problem& p) {
  const bool refused_here = p.status() == exit_status::usage || p.status() == exit_status::url;
  return refused_here || (p.why() && p.why()->scope == scope::connection);
}

}  // namespace

asio::awaitable<void> run_slot(h2::connection c, const bench_plan& plan, bench_meter& meter) {
  for (bool again = true; again;) {
    slot one(c, plan, meter);
    again = false;
    try {
      co_await one.run();
    } catch (const problem& p) {
      meter.failed(p);
      again = !meter.stopped() && !is_final(p);
    }
  }
}

}  // namespace duplex::tool
