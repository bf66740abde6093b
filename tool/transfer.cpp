// Input becomes DATA, DATA becomes output, both at once.

#include "transfer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace duplex::tool {
namespace {

constexpr auto no_throw = asio::as_tuple(asio::deferred);
constexpr std::size_t longest_line = std::size_t{64} << 10;

// RST_STREAM(NO_ERROR) after a whole response asks for no more, and is no failure (RFC 9113, section 8.1).
bool is_polite_stop(const problem& p) { return !p.why() && p.status() == exit_status::stream; }

}  // namespace

transfer::transfer(h2::stream s, input* in, output& out, printer& print, input_mode mode, bool manual)
    : stream_(std::move(s)), in_(in), out_(out), print_(print), mode_(mode), manual_(manual) {}

asio::awaitable<void> transfer::run() {
  using namespace asio::experimental::awaitable_operators;
  co_await (receive() && send());
  if (recv_problem_) throw *recv_problem_;
  // After a whole response, what stopped the input is of interest only if it was neither us nor the peer's wish.
  if (send_problem_ && !(received_all_ && is_polite_stop(*send_problem_))) throw *send_problem_;
}

// A problem is kept until the other direction has stopped, so that it is told which one came first.
asio::awaitable<void> transfer::receive() {
  try {
    co_await receive_messages();
  } catch (const problem& p) {
    if (!ended_) recv_problem_ = p;
    end_both();
  }
}

asio::awaitable<void> transfer::receive_messages() {
  for (;;) {
    auto [ec, m] = co_await stream_.async_recv(no_throw);
    if (ec) throw problem(ec, stream_.failure(), operation::recv);
    if (const auto* head = std::get_if<response>(&m)) status_ = head->status;
    const bool end = std::holds_alternative<done>(m);
    const auto* payload = std::get_if<data>(&m);
    const auto size = payload ? payload->bytes.size() : 0;
    co_await out_.write(print_.received(m));
    // Only what has left the program makes room for more.
    if (manual_) stream_.consume(size);
    if (end) break;
  }
  received_all_ = true;
  if (status_ >= 400 || (in_ && in_->is_terminal())) end_both();
}

asio::awaitable<void> transfer::send() {
  try {
    if (in_ && mode_ == input_mode::raw) {
      co_await send_raw();
    } else if (in_) {
      co_await send_lines();
    }
    if (ended_) co_return;
    const auto [ec] = co_await stream_.async_send(std::string_view(), h2::fin, no_throw);
    if (ec) throw problem(ec, stream_.failure(), operation::send);
  } catch (const problem& p) {
    if (ended_) co_return;
    send_problem_ = p;
    // The receiving side hears of a failed stream too, after what had arrived before, and then that is told. It does
    // not hear of an input that cannot be read, or that the peer was too slow for us.
    const auto own = {exit_status::read, exit_status::timeout};
    if (received_all_ || std::any_of(own.begin(), own.end(), [&](exit_status s) { return p.status() == s; })) {
      end_both();
    }
  }
}

asio::awaitable<void> transfer::send_raw() {
  for (;;) {
    const auto bytes = co_await in_->read();
    if (bytes.empty()) co_return;
    co_await send_piece(bytes);
  }
}

asio::awaitable<void> transfer::send_lines() {
  std::string held;
  for (;;) {
    auto bytes = co_await in_->read();
    if (bytes.empty()) break;
    const auto last_newline = bytes.rfind('\n');
    if (last_newline == std::string::npos && held.size() + bytes.size() < longest_line) {
      held += bytes;
      continue;
    }
    const auto whole = last_newline == std::string::npos ? bytes.size() : last_newline + 1;
    auto rest = bytes.substr(whole);
    bytes.resize(whole);
    bytes.insert(0, held);
    held = std::move(rest);

    // The lines are queued in order, so the last one ends when all have. They share their bytes until then.
    const auto lines = std::make_shared<const std::string>(std::move(bytes));
    std::string_view left = *lines;
    for (auto end = left.find('\n'); end != std::string_view::npos && end + 1 < left.size(); end = left.find('\n')) {
      stream_.async_send(left.substr(0, end + 1), [lines](error_code) {});
      left.remove_prefix(end + 1);
    }
    co_await send_piece(left);
  }
  if (!held.empty() && !ended_) co_await send_piece(held);
}

asio::awaitable<void> transfer::send_piece(std::string_view bytes) {
  const auto [ec] = co_await stream_.async_send(bytes, no_throw);
  if (ec) throw problem(ec, stream_.failure(), operation::send);
}

void transfer::end_both() {
  ended_ = true;
  if (in_) in_->stop();
  stream_.close();
}

}  // namespace duplex::tool
