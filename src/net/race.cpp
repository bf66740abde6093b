// Racing addresses.

#include "net/race.hpp"

#include "net/endpoint.hpp"

#include <boost/asio/bind_executor.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace duplex::net {
namespace {

using tcp = asio::ip::tcp;

error_code set(tcp::socket& socket, int level, int name, int value) {
  if (::setsockopt(socket.native_handle(), level, name, &value, sizeof value) == 0) return {};
  return {errno, boost::system::system_category()};
}

// The kernel counts them in `int`s.
int bounded(std::chrono::milliseconds::rep n) {
  constexpr std::chrono::milliseconds::rep most = 32767;  // of TCP_KEEPIDLE on Linux
  return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(n, 1, most));
}

error_code keep_alive(tcp::socket& socket, std::chrono::milliseconds idle) {
  const auto seconds = bounded(std::chrono::ceil<std::chrono::seconds>(idle).count());
  if (auto ec = set(socket, SOL_SOCKET, SO_KEEPALIVE, 1)) return ec;
  if (auto ec = set(socket, IPPROTO_TCP, TCP_KEEPIDLE, seconds)) return ec;
  return set(socket, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
}

error_code bind_to(tcp::socket& socket, const std::string& address, bool v6) {
  error_code ec;
  const auto from = asio::ip::make_address(address, ec);
  if (!ec && from.is_v6() != v6) ec = asio::error::address_family_not_supported;
  if (!ec) socket.bind(tcp::endpoint(from, 0), ec);
  return ec;
}

// A message is read by a person.
constexpr std::size_t most_told = 8;

}  // namespace

std::vector<tcp::endpoint> in_turns(const std::vector<tcp::endpoint>& list) {
  if (list.empty()) return {};
  std::vector<tcp::endpoint> first;
  std::vector<tcp::endpoint> other;
  for (const auto& e : list) (e.protocol() == list.front().protocol() ? first : other).push_back(e);
  std::vector<tcp::endpoint> out;
  for (std::size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < other.size()) out.push_back(other[i]);
  }
  return out;
}

race::race(const strand& executor, const std::vector<tcp::endpoint>& list, const tcp_options& opts, finish done,
           std::chrono::milliseconds head_start)
    : strand_(executor),
      list_(in_turns(list)),
      options_(opts),
      done_(std::move(done)),
      head_start_(head_start),
      timer_(strand_) {
  if (list_.size() > most_addresses) list_.resize(most_addresses);
}

void race::start() { begin_next(); }

void race::cancel() {
  done_ = nullptr;
  timer_.cancel();
  error_code ignored;
  for (auto& r : runners_) {
    if (r.socket) r.socket->close(ignored);
  }
}

void race::begin_next() {
  while (runners_.size() < list_.size()) {
    auto& r = runners_.emplace_back(
        runner{list_[runners_.size()], std::make_unique<tcp::socket>(strand_.get_inner_executor())});
    if (const auto ec = prepare(*r.socket, r.to)) {
      failed(r, ec);
      continue;
    }
    ++running_;
    r.socket->async_connect(r.to, asio::bind_executor(strand_, [self = shared_from_this(), &r](error_code ec) {
                              if (self->done_) self->ended(r, ec);
                            }));
    if (runners_.size() == list_.size()) return;
    timer_.expires_after(head_start_);
    return timer_.async_wait([self = shared_from_this(), so_far = runners_.size()](error_code ec) {
      if (!ec && self->done_ && self->runners_.size() == so_far) self->begin_next();
    });
  }
  if (running_ == 0) std::exchange(done_, nullptr)({}, {});
}

void race::failed(runner& r, error_code ec) {
  if (ec != asio::error::connection_refused) all_refused_ = false;
  r.failed = ec;
  r.socket.reset();
}

void race::ended(runner& r, error_code ec) {
  --running_;
  if (ec) {
    failed(r, ec);
    timer_.cancel();
    return begin_next();
  }
  auto winner = std::move(r.socket);
  const auto done = std::exchange(done_, nullptr);
  cancel();
  done(std::move(winner), r.to);
}

std::string race::told() const {
  std::string text;
  std::size_t told = 0;
  for (const auto& r : runners_) {
    if (told++ == most_told) return text + " and " + std::to_string(runners_.size() - most_told) + " more";
    if (!text.empty()) text += ", ";
    text += to_string(r.to);
    if (r.failed) text += " (" + r.failed.message() + ")";
  }
  return text;
}

std::vector<h2::dial_attempt> race::attempts() const {
  std::vector<h2::dial_attempt> all;
  for (const auto& r : runners_) all.push_back({to_string(r.to), r.failed ? r.failed.message() : std::string()});
  return all;
}

error_code race::prepare(tcp::socket& socket, const tcp::endpoint& to) {
  error_code ec;
  socket.open(to.protocol(), ec);
  if (!ec) socket.set_option(tcp::no_delay(true), ec);
  if (!ec && options_.keepalive) ec = keep_alive(socket, *options_.keepalive);
  if (!ec && options_.user_timeout) {
#ifdef TCP_USER_TIMEOUT
    constexpr std::chrono::milliseconds longest = std::chrono::hours(24);
    ec =
        set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::min(*options_.user_timeout, longest).count()));
#else
    ec = asio::error::operation_not_supported;
#endif
  }
  if (!ec && !options_.local_address.empty()) {
    ec = not_bound_ = bind_to(socket, options_.local_address, to.address().is_v6());
  }
  return ec;
}

}  // namespace duplex::net
