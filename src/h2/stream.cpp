// The verbs of a stream: each checks what it was given, hops to the connection's strand, and leaves the rest to the
// stream's state there. The blocking ones wait for the asynchronous ones.

#include <duplex/h2/stream.hpp>

#include "core/validate.hpp"
#include "h2/failures.hpp"
#include "net/ask.hpp"
#include "net/blocking.hpp"
#include "net/cancellation.hpp"
#include "net/stream.hpp"

#include <duplex/h2/connection.hpp>

#include <boost/asio/system_executor.hpp>
#include <boost/system/system_error.hpp>

#include <atomic>
#include <future>
#include <string>
#include <utility>

namespace duplex::h2 {
namespace {

using handle_ptr = std::shared_ptr<net::stream_handle>;
using state_ptr = std::shared_ptr<net::stream_state>;

constexpr int least_final_status = 200;
constexpr int last_status = 599;

const state_ptr& state_of(const handle_ptr& handle) {
  static const state_ptr none;
  return handle ? handle->get() : none;
}

// `verb(state, op, completion)` on the strand.
template <class... Args, class Verb>
void start(const handle_ptr& handle, asio::any_completion_handler<void(error_code, Args...)> handler, Verb verb) {
  const auto& state = state_of(handle);
  if (!state) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), Args()...);
  const auto& link = state->get_connection();
  const auto op = link->next_op();
  const net::cancellation stop(
      handler, state, [](net::stream_state& s, auto f) { s.get_connection()->submit(std::move(f)); },
      [op](net::stream_state& s) { s.cancel(op); });
  using completion = net::completion<error_code, Args...>;
  if (link->submit_here([&] { verb(*state, op, completion(std::move(handler), link->home())); })) return;
  link->submit(
      [state, op, stop, verb = std::move(verb), done = completion(std::move(handler), link->home())]() mutable {
        verb(*state, op, std::move(done));
        stop.catch_up(*state);
      });
}

template <class... Args>
void refuse(const handle_ptr& handle, asio::any_completion_handler<void(error_code, Args...)> handler, errc why) {
  start(handle, std::move(handler), [state = state_of(handle), why](auto&, auto, auto done) {
    state->get_connection()->ready().add([done = std::move(done), why]() mutable { done(why, Args()...); });
  });
}

// `framed`: completes when they were framed, otherwise when they are queued.
void queue_trailers(const handle_ptr& handle, fields list, bool framed, stream::send_handler handler) {
  if (state_of(handle) && core::check_fields(list)) return refuse(handle, std::move(handler), errc::invalid_argument);
  start(handle, std::move(handler), [list = std::move(list), framed](auto& state, auto op, auto done) {
    state.send_trailers(op, list, framed, std::move(done));
  });
}

core::problem check_response(const response& head) {
  if (head.status < least_final_status || head.status > last_status) {
    return "status " + std::to_string(head.status) + " is not between 200 and 599";
  }
  return core::check_fields(head.headers);
}

core::problem check_informational(const informational& head) {
  constexpr int switching_protocols = 101;  // not in HTTP/2 (RFC 9113, section 8.6)
  if (head.status < 100 || head.status >= least_final_status || head.status == switching_protocols) {
    return "status " + std::to_string(head.status) + " is not an interim status of HTTP/2";
  }
  return core::check_fields(head.headers);
}

const std::shared_ptr<net::connection>& link_of(const handle_ptr& handle) {
  static const std::shared_ptr<net::connection> none;
  const auto& state = state_of(handle);
  return state ? state->get_connection() : none;
}

error_code check_blocking(const handle_ptr& handle) { return net::check_blocking(link_of(handle)); }

template <class Initiate>
void wait_for_send(const handle_ptr& handle, error_code& ec, Initiate initiate) {
  ec = check_blocking(handle);
  if (!ec) std::tie(ec) = net::wait_for<>(link_of(handle), std::move(initiate));
}

void throw_if(const core::problem& bad) {
  if (bad) throw boost::system::system_error(errc::invalid_argument, *bad);
}

}  // namespace

stream::stream(handle_ptr handle) noexcept : handle_(std::move(handle)) {}

stream::operator bool() const noexcept { return state_of(handle_) != nullptr; }

stream::executor_type stream::get_executor() const {
  const auto& state = state_of(handle_);
  return state ? state->get_connection()->any_executor() : executor_type(asio::system_executor());
}

std::int32_t stream::id() const noexcept {
  const auto& state = state_of(handle_);
  return state ? state->id() : 0;
}

std::optional<failure> stream::failure() const { return handle_ ? handle_->why_failed() : std::nullopt; }

connection stream::connection() const {
  const auto& state = state_of(handle_);
  if (state) return h2::connection(std::make_shared<net::connection_handle>(state->get_connection()));
  return h2::connection(handle_ ? handle_->never_made() : nullptr);
}

// Receiving

void stream::start_recv(const handle_ptr& handle, std::optional<duration> timeout, recv_handler handler) {
  start(handle, std::move(handler), [timeout](auto& state, auto op, auto done) {
    state.recv(op, timeout ? timeout : state.recv_timeout(), std::move(done));
  });
}

message stream::wait_for_recv(std::optional<duration> timeout, error_code& ec) {
  ec = check_blocking(handle_);
  if (ec) return {};
  message m;
  std::tie(ec, m) = net::wait_for<message>(
      link_of(handle_), [&](auto waker) { start_recv(handle_, timeout, recv_handler(std::move(waker))); }, std::nullopt,
      net::sends::later);
  return m;
}

message stream::recv(duration timeout, error_code& ec) { return wait_for_recv(timeout, ec); }
message stream::recv(error_code& ec) { return wait_for_recv(std::nullopt, ec); }

message stream::recv() {
  error_code ec;
  auto m = recv(ec);
  if (ec) raise(failure(), ec);
  return m;
}

message stream::recv(duration timeout) {
  error_code ec;
  auto m = recv(timeout, ec);
  if (ec) raise(failure(), ec);
  return m;
}

std::optional<message> stream::try_recv(error_code& ec) {
  const auto& state = state_of(handle_);
  if (!state) {
    ec = errc::closed;
    return std::nullopt;
  }
  const auto& link = state->get_connection();
  if (link->served_by_callers()) {
    net::visit here(link);
    here.look();
    auto next = state->try_recv(ec);
    here.turn();
    return next;
  }
  std::optional<message> found;
  if (link->submit_here([&] { found = state->try_recv(ec); })) return found;
  using answer = std::pair<error_code, std::optional<message>>;
  if (!link->runs_on_this_thread()) {
    ec = check_blocking(handle_);
    if (ec) return std::nullopt;
    std::optional<message> m;
    std::tie(ec, m) = net::wait_for<std::optional<message>>([&](auto waker) {
      link->submit([state, waker = std::move(waker)]() mutable {
        error_code why;
        auto next = state->try_recv(why);
        waker(why, std::move(next));
      });
    });
    return m;
  }
  // The strand may be busy on another thread: then nothing is there yet. Whoever comes first decides, so that no
  // message is taken for nobody.
  struct box {
    std::atomic<bool> decided = false;
    std::promise<answer> promise;
  };
  const auto shared = std::make_shared<box>();
  auto future = shared->promise.get_future();
  link->submit([state, shared] {
    if (shared->decided.exchange(true)) return;
    error_code why;
    auto next = state->try_recv(why);
    shared->promise.set_value({why, std::move(next)});
  });
  ec = {};
  if (!shared->decided.exchange(true)) return std::nullopt;
  auto [why, next] = future.get();
  ec = why;
  return std::move(next);
}

std::optional<message> stream::try_recv() {
  error_code ec;
  auto m = try_recv(ec);
  if (ec) raise(failure(), ec);
  return m;
}

void stream::set_active(active mode, active_handler handler) {
  const auto& state = state_of(handle_);
  if (!state) return;
  state->get_connection()->submit(
      [state, mode, handler = std::move(handler)]() mutable { state->set_active(mode, std::move(handler)); });
}

void stream::consume(std::size_t bytes) {
  const auto& state = state_of(handle_);
  if (state) state->get_connection()->submit([state, bytes] { state->consume(bytes); });
}

// Sending

void stream::start_send(const handle_ptr& handle, parts pieces, bool end, send_handler handler) {
  start(handle, std::move(handler), [pieces = std::move(pieces), end](auto& state, auto op, auto done) {
    state.send(op, pieces, end, core::outbox::kind::borrowed, std::move(done));
  });
}

void stream::start_send(const handle_ptr& handle, std::string_view bytes, bool end, send_handler handler) {
  start(handle, std::move(handler), [bytes, end](auto& state, auto op, auto done) {
    state.send(op, {&bytes, 1}, end, core::outbox::kind::borrowed, std::move(done));
  });
}

void stream::start_send_trailers(const handle_ptr& handle, fields list, send_handler handler) {
  queue_trailers(handle, std::move(list), true, std::move(handler));
}

void stream::start_send_response(const handle_ptr& handle, response head, bool end, send_handler handler) {
  if (state_of(handle) && check_response(head)) return refuse(handle, std::move(handler), errc::invalid_argument);
  start(handle, std::move(handler), [head = std::move(head), end](auto& state, auto op, auto done) {
    state.respond(op, head, end, std::move(done));
  });
}

void stream::start_send_informational(const handle_ptr& handle, informational head, send_handler handler) {
  if (state_of(handle) && check_informational(head)) return refuse(handle, std::move(handler), errc::invalid_argument);
  start(handle, std::move(handler),
        [head = std::move(head)](auto& state, auto op, auto done) { state.inform(op, head, std::move(done)); });
}

// The caller's bytes are valid while it waits: they are copied only as far as the send buffer has room.
void stream::send_parts(std::span<const std::string_view> pieces, bool end, error_code& ec) {
  wait_for_send(handle_, ec, [&](auto waker) {
    start(handle_, send_handler(std::move(waker)), [pieces, end](auto& state, auto op, auto done) {
      state.send(op, pieces, end, core::outbox::kind::buffered, std::move(done));
    });
  });
}

void stream::send_parts(std::span<const std::string_view> pieces, bool end) {
  error_code ec;
  send_parts(pieces, end, ec);
  if (ec) raise(failure(), ec);
}

void stream::send(std::string_view bytes) { send_parts({&bytes, 1}, false); }
void stream::send(std::string_view bytes, error_code& ec) { send_parts({&bytes, 1}, false, ec); }
void stream::send(std::string_view bytes, fin_t) { send_parts({&bytes, 1}, true); }
void stream::send(std::string_view bytes, fin_t, error_code& ec) { send_parts({&bytes, 1}, true, ec); }

void stream::send_trailers(fields list, error_code& ec) {
  wait_for_send(handle_, ec,
                [&](auto waker) { queue_trailers(handle_, std::move(list), false, send_handler(std::move(waker))); });
}

void stream::send_trailers(fields list) {
  throw_if(core::check_fields(list));
  error_code ec;
  send_trailers(std::move(list), ec);
  if (ec) raise(failure(), ec);
}

void stream::send_response(response head, error_code& ec) {
  wait_for_send(handle_, ec, [&](auto waker) {
    start_send_response(handle_, std::move(head), false, send_handler(std::move(waker)));
  });
}

void stream::send_response(response head, fin_t, error_code& ec) {
  wait_for_send(handle_, ec, [&](auto waker) {
    start_send_response(handle_, std::move(head), true, send_handler(std::move(waker)));
  });
}

void stream::send_response(response head) {
  throw_if(check_response(head));
  error_code ec;
  send_response(std::move(head), ec);
  if (ec) raise(failure(), ec);
}

void stream::send_response(response head, fin_t) {
  throw_if(check_response(head));
  error_code ec;
  send_response(std::move(head), fin, ec);
  if (ec) raise(failure(), ec);
}

void stream::send_informational(informational head, error_code& ec) {
  wait_for_send(handle_, ec, [&](auto waker) {
    start_send_informational(handle_, std::move(head), send_handler(std::move(waker)));
  });
}

void stream::send_informational(informational head) {
  throw_if(check_informational(head));
  error_code ec;
  send_informational(std::move(head), ec);
  if (ec) raise(failure(), ec);
}

// Ending

void stream::reset(std::uint32_t http2_code) {
  const auto& state = state_of(handle_);
  if (state) state->get_connection()->submit([state, http2_code] { state->reset(http2_code); });
}

void stream::start_close(const handle_ptr& handle, send_handler handler) {
  start(handle, std::move(handler), [](auto& state, auto op, auto done) { state.close(op, std::move(done)); });
}

void stream::close() {
  const auto& state = state_of(handle_);
  if (!state) return;
  const auto& link = state->get_connection();
  if (check_blocking(handle_)) {
    link->submit([state] { state->close(); });
  } else {
    net::wait_for<>(
        link, [&](auto waker) { start_close(handle_, send_handler(std::move(waker))); }, link->close_timeout());
  }
}

// Statistics

void stream::start_stats(const handle_ptr& handle, stats_handler handler) {
  const auto& state = state_of(handle);
  if (!state) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), stream_stats());
  net::ask(state->get_connection(), std::move(handler), [state] { return state->stats(); });
}

stream_stats stream::stats(error_code& ec) const {
  return net::ask_now<stream_stats>(link_of(handle_), ec,
                                    [state = state_of(handle_)](net::connection&) { return state->stats(); });
}

stream_stats stream::stats() const {
  error_code ec;
  auto out = stats(ec);
  if (ec) raise(failure(), ec);
  return out;
}

}  // namespace duplex::h2
