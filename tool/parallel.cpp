// Several requests on one connection, some of them at a time.

#include "parallel.hpp"

#include "peer_settings.hpp"
#include "target_options.hpp"
#include "transfer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

namespace duplex::tool {
namespace {

constexpr auto no_throw = asio::as_tuple(asio::deferred);

// The file of a URL: `#1` is its number, as with curl.
std::string numbered(std::string path, std::size_t number) {
  constexpr std::string_view mark = "#1";
  const auto text = std::to_string(number);
  for (auto at = path.find(mark); at != std::string::npos; at = path.find(mark, at + text.size())) {
    path.replace(at, mark.size(), text);
  }
  return path;
}

}  // namespace

parallel_transfer::parallel_transfer(h2::connection c, const open_settings& settings, output& out, const printer& print,
                                     live_streams& live)
    : connection_(std::move(c)), settings_(settings), out_(out), print_(print), live_(live) {}

asio::awaitable<std::optional<problem>> parallel_transfer::run() {
  const auto ec = co_await await_settings(connection_, settings_.options.connect_timeout);
  if (ec) throw problem(ec, connection_.failure(), operation::open);

  const auto executor = co_await asio::this_coro::executor;
  std::vector<decltype(asio::co_spawn(executor, work(), asio::deferred))> workers;
  const auto count = std::min(settings_.parallel, settings_.urls.size());
  for (std::size_t i = 0; i < count; ++i) workers.push_back(asio::co_spawn(executor, work(), asio::deferred));
  auto group = asio::experimental::make_parallel_group(std::move(workers));
  const auto [order, errors] = co_await group.async_wait(asio::experimental::wait_for_one_error(), asio::deferred);
  // Those that ended because of another come after it.
  for (const auto i : order) {
    if (errors[i]) std::rethrow_exception(errors[i]);
  }
  co_return first_problem_;
}

asio::awaitable<void> parallel_transfer::work() {
  while (next_ < settings_.urls.size()) {
    const auto index = next_++;
    co_await transfer_one(index);
  }
}

asio::awaitable<void> parallel_transfer::transfer_one(std::size_t index) {
  const auto& url = settings_.urls[index];
  auto print = print_.one_of_several(without_login(url));
  std::optional<output_file> file;
  std::optional<output> own;
  if (settings_.output_file.find("#1") != std::string::npos) {
    file.emplace(numbered(settings_.output_file, index + 1));
    own.emplace(co_await asio::this_coro::executor, file->descriptor());
  }
  auto& out = own ? *own : out_;

  std::optional<problem> failed;
  try {
    co_await exchange(url, out, print);
  } catch (const problem& p) {
    // Without an output there is nothing left to do for any of them.
    if (p.status() == exit_status::write) throw;
    failed = p;
  }
  const auto state = co_await asio::this_coro::cancellation_state;
  if (!failed || state.cancelled() != asio::cancellation_type::none) co_return;
  if (!first_problem_) first_problem_ = failed;
  co_await out.write(print.failed(*failed));
  if (!settings_.silent) {
    std::fprintf(stderr, "duplex: (%d) %s: %s\n", static_cast<int>(failed->status()), without_login(url).c_str(),
                 failed->what());
  }
}

asio::awaitable<void> parallel_transfer::exchange(const std::string& url, output& out, printer& print) {
  auto head = settings_.head;
  head.url = url;
  auto [ec, s] = co_await connection_.async_open_stream(std::move(head), settings_.options, no_throw);
  if (ec) throw problem(ec, s.failure(), operation::open);
  const live_streams::entry shown(live_, s);
  co_await out.write(print.opened(s.id(), connection_.info()));
  transfer both(s, nullptr, out, print, settings_.input, settings_.options.flow == flow_control::manual);
  co_await both.run();
}

}  // namespace duplex::tool
