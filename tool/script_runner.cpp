// Runs a script on a stream.

#include "script_runner.hpp"

#include "stats.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <type_traits>
#include <utility>

namespace duplex::tool {
namespace {

constexpr auto no_throw = asio::as_tuple(asio::deferred);
constexpr std::size_t piece = std::size_t{64} << 10;
constexpr std::size_t longest_line = std::size_t{16} << 20;

struct close_file {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

}  // namespace

asio::awaitable<std::optional<script::step>> script_source::next() {
  if (!input_) {
    if (next_step_ == steps_.size()) co_return std::nullopt;
    co_return std::move(steps_[next_step_++]);
  }
  for (;;) {
    const auto line = co_await next_line();
    if (!line) co_return std::nullopt;
    if (auto step = script::parse_line(*line, ++line_)) co_return step;
  }
}

asio::awaitable<std::optional<std::string>> script_source::next_line() {
  std::size_t end = held_.find('\n');
  while (end == std::string::npos) {
    if (held_.size() > longest_line) throw script::syntax_error("script: a line is longer than 16 MiB");
    const auto more = co_await input_->read();
    if (more.empty()) {
      if (held_.empty()) co_return std::nullopt;
      co_return std::exchange(held_, std::string());
    }
    const auto seen = held_.size();
    held_ += more;
    end = held_.find('\n', seen);
  }
  auto line = held_.substr(0, end);
  held_.erase(0, end + 1);
  co_return line;
}

script_runner::script_runner(h2::stream s, output& out, printer& print,
                             std::optional<std::chrono::milliseconds> recv_timeout)
    : stream_(std::move(s)), out_(out), print_(print), recv_timeout_(recv_timeout) {}

asio::awaitable<void> script_runner::run(script_source& source) {
  for (;;) {
    const auto step = co_await source.next();
    if (!step || std::holds_alternative<script::close>(step->what)) co_return;
    where_ = "line " + std::to_string(step->line) + ": " + step->name + ": ";
    co_await run_step(*step);
  }
}

asio::awaitable<void> script_runner::run_step(const script::step& step) {
  if (const auto* a = std::get_if<script::send>(&step.what)) {
    co_await send(a->bytes);
  } else if (const auto* b = std::get_if<script::send_random>(&step.what)) {
    co_await send_random(b->size);
  } else if (const auto* c = std::get_if<script::send_file>(&step.what)) {
    co_await send_file(c->path);
  } else if (std::holds_alternative<script::finish>(step.what)) {
    co_await finish();
  } else if (const auto* d = std::get_if<script::send_trailers>(&step.what)) {
    co_await send_trailers(d->list);
  } else if (const auto* e = std::get_if<script::recv>(&step.what)) {
    for (std::size_t i = 0; i < e->messages; ++i) co_await recv();
  } else if (const auto* f = std::get_if<script::recv_until>(&step.what)) {
    co_await recv_until(*f);
  } else if (const auto* g = std::get_if<script::consume>(&step.what)) {
    consume(*g);
  } else if (const auto* h = std::get_if<script::sleep>(&step.what)) {
    co_await sleep(h->duration);
  } else if (std::holds_alternative<script::ping>(step.what)) {
    co_await ping();
  } else if (std::holds_alternative<script::stats>(step.what)) {
    co_await stats();
  } else if (const auto* i = std::get_if<script::reset>(&step.what)) {
    stream_.reset(i->code);
  }
}

asio::awaitable<void> script_runner::send(std::string_view bytes) {
  const auto [ec] = co_await stream_.async_send(bytes, no_throw);
  if (ec) fail(ec, operation::send);
}

asio::awaitable<void> script_runner::send_random(std::size_t size) {
  using word = std::mt19937_64::result_type;
  std::mt19937_64 generator{std::random_device{}()};
  std::string bytes;
  while (size > 0) {
    bytes.resize(std::min(size, piece));
    for (std::size_t i = 0; i < bytes.size(); i += sizeof(word)) {
      const word random = generator();
      std::memcpy(bytes.data() + i, &random, std::min(sizeof(word), bytes.size() - i));
    }
    co_await send(bytes);
    size -= bytes.size();
  }
}

asio::awaitable<void> script_runner::send_file(const std::string& path) {
  const std::unique_ptr<std::FILE, close_file> file(std::fopen(path.c_str(), "rbe"));
  const auto refuse = [&] {
    throw problem(exit_status::read, "read_failed", where_ + path + ": " + std::strerror(errno));
  };
  if (!file) refuse();
  std::string bytes(piece, '\0');
  for (;;) {
    const auto got = std::fread(bytes.data(), 1, bytes.size(), file.get());
    if (got > 0) co_await send(std::string_view(bytes).substr(0, got));
    if (got == bytes.size()) continue;
    if (std::ferror(file.get()) != 0) refuse();
    co_return;
  }
}

asio::awaitable<void> script_runner::finish() {
  const auto [ec] = co_await stream_.async_send(std::string_view(), h2::fin, no_throw);
  if (ec) fail(ec, operation::send);
}

asio::awaitable<void> script_runner::send_trailers(const fields& list) {
  const auto [ec] = co_await stream_.async_send_trailers(list, no_throw);
  if (ec) fail(ec, operation::send);
}

script_runner::taken script_runner::summary(const message& m) {
  using kind = script::recv_until::kind;
  if (const auto* d = std::get_if<data>(&m)) return {kind::data, d->bytes.size()};
  if (std::holds_alternative<response>(m)) return {kind::response};
  if (std::holds_alternative<trailers>(m)) return {kind::trailers};
  if (std::holds_alternative<done>(m)) return {kind::done};
  return {};
}

asio::awaitable<script_runner::taken> script_runner::recv() {
  auto [ec, m] = co_await stream_.async_recv(no_throw);
  if (ec) fail(ec, operation::recv);
  const auto what = summary(m);
  unconsumed_ += what.payload;
  co_await out_.write(print_.received(m));
  co_return what;
}

asio::awaitable<void> script_runner::recv_until(const script::recv_until& what) {
  if (what.what == script::recv_until::kind::bytes) {
    for (std::size_t bytes = 0; bytes < what.bytes;) {
      const auto got = co_await recv();
      bytes += got.payload;
    }
  } else {
    auto got = co_await recv();
    while (got.kind != what.what) got = co_await recv();
  }
}

void script_runner::consume(const script::consume& what) {
  // The library clamps; here only the sum for `all` is kept.
  const auto bytes = std::min(what.bytes.value_or(unconsumed_), unconsumed_);
  stream_.consume(bytes);
  unconsumed_ -= bytes;
}

asio::awaitable<void> script_runner::sleep(std::chrono::milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::deferred);
}

asio::awaitable<void> script_runner::ping() {
  using namespace asio::experimental::awaitable_operators;
  const auto answer = [](h2::stream s) -> asio::awaitable<std::tuple<error_code, std::chrono::microseconds>> {
    auto connection = s.connection();
    co_return co_await connection.async_ping(no_throw);
  };
  std::tuple<error_code, std::chrono::microseconds> result;
  if (recv_timeout_) {
    auto first = co_await (answer(stream_) || sleep(*recv_timeout_));
    if (first.index() == 1) fail(errc::timeout, operation::recv);
    result = std::get<0>(first);
  } else {
    result = co_await answer(stream_);
  }
  const auto [ec, round_trip] = result;
  if (ec) fail(ec, operation::recv);
  if (!print_.is_json()) std::fprintf(stderr, "* pong after %lld us\n", static_cast<long long>(round_trip.count()));
  co_await out_.write(print_.pong(round_trip));
}

asio::awaitable<void> script_runner::stats() {
  const auto now = co_await take_snapshot(stream_);
  if (!print_.is_json()) std::fputs((to_text(now.stream) + to_text(now.connection)).c_str(), stderr);
  co_await out_.write(print_.stats(now));
}

void script_runner::fail(error_code ec, operation tried) const { throw problem(ec, stream_.failure(), tried, where_); }

}  // namespace duplex::tool
