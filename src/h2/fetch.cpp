// The linear case, on the stream's verbs: two coroutines, one that sends and one that receives, on one strand.

#include <duplex/h2/fetch.hpp>

#include "core/refusal.hpp"
#include "h2/body.hpp"
#include "h2/failures.hpp"
#include "h2/stream_access.hpp"
#include "net/background.hpp"
#include "net/blocking.hpp"
#include "net/stream.hpp"

#include <duplex/h2/code.hpp>
#include <duplex/h2/open.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <charconv>
#include <exception>
#include <memory>
#include <system_error>
#include <tuple>
#include <variant>

namespace duplex::h2 {
namespace {

constexpr auto as_value = asio::as_tuple(asio::use_awaitable);
constexpr auto cancel_code = static_cast<std::uint32_t>(code::cancel);
using fetch_end_handler = asio::any_completion_handler<void(error_code)>;

constexpr int redirection = 300;  // the first status that does not say that the request is taken
constexpr int not_modified = 304;

failure local(error_code ec, std::string message) {
  failure why;
  why.code = ec;
  why.message = std::move(message);
  return why;
}

// Converted by itself, a code of a standard category would not be equal to Boost's of the same.
error_code to_boost(const std::error_code& ec) {
  if (ec.category() == std::generic_category()) return {ec.value(), boost::system::generic_category()};
  if (ec.category() == std::system_category()) return {ec.value(), boost::system::system_category()};
  return ec;
}

failure from_exception(const std::exception_ptr& error, const std::string& who) {
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    return local(e.code() ? e.code() : make_error_code(errc::canceled), e.what());  // it was thrown: no success
  } catch (const std::system_error& e) {
    return local(e.code() ? to_boost(e.code()) : make_error_code(errc::canceled), e.what());
  } catch (const std::exception& e) {
    return local(errc::canceled, who + " failed: " + e.what());
  } catch (...) {
    return local(errc::canceled, who + " failed");
  }
}

std::optional<std::uint64_t> content_length(const fields& headers) {
  const auto* f = headers.find("content-length");
  std::uint64_t value = 0;
  if (!f) return std::nullopt;
  const auto* end = f->value.data() + f->value.size();
  const auto [at, ec] = std::from_chars(f->value.data(), end, value);
  return ec == std::errc() && at == end ? std::optional(value) : std::nullopt;
}

// Whether a request without a body has to say so (RFC 9110, section 8.6).
bool expects_body(const std::string& method) { return method == "POST" || method == "PUT" || method == "PATCH"; }

// One request and its response. Everything happens on the strand.
class exchange : public std::enable_shared_from_this<exchange> {
 public:
  exchange(const asio::any_io_executor& executor, stream_source from, request head, body_source body,
           fetch_options opts)
      : executor_(executor),
        from_(std::move(from)),
        head_(std::move(head)),
        opts_(std::move(opts)),
        body_(std::move(body), opts_.chunk_size),
        timer_(executor_) {
    opts_.stream.active = active::off;
    opts_.stream.on_message = nullptr;
    opts_.stream.informational = false;
  }

  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }

  /// The handler's cancellation slot.
  template <class Handler>
  void bind_cancellation(const Handler& handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return;
    // It may outlive the context, which a strand must not.
    slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
      if ((type & asio::cancellation_type::terminal) == asio::cancellation_type::none) return;
      const auto self = weak.lock();
      if (!self) return;
      asio::dispatch(self->executor_, [self] { self->interrupt(local(errc::canceled, "the exchange was canceled")); });
    });
  }

  static asio::awaitable<reply> fetch(std::shared_ptr<exchange> self);

  /// What a streamed fetch hands over: nothing of the exchange, which goes on.
  struct streamed {
    std::optional<failure> why{};
    response head{};
    stream rest{};
  };
  static asio::awaitable<streamed> fetch_head(std::shared_ptr<exchange> self);

 private:
  // Ends the exchange before its end. The first reason counts.
  void fail(failure why) {
    if (why_) return;
    why_ = std::move(why);
    stop();
  }
  // As `fail`, from outside: nothing happens once the result is on its way.
  void interrupt(failure why) {
    if (!finished_) fail(std::move(why));
  }
  // Whatever waits for the peer or for the body comes back.
  void stop() {
    stream_.reset(cancel_code);
    stop_.emit(asio::cancellation_type::terminal);
  }
  void finish() {
    finished_ = true;
    timer_.cancel();
  }

  void start_timer();
  void watch_end();
  [[nodiscard]] std::optional<std::string> prepare();
  [[nodiscard]] failure stream_failure(error_code ec) const;
  void report() const {
    if (opts_.on_progress) opts_.on_progress(progress_);
  }

  static asio::awaitable<void> open(std::shared_ptr<exchange> self);
  static asio::awaitable<void> send(std::shared_ptr<exchange> self);
  static asio::awaitable<void> send_pieces(std::shared_ptr<exchange> self);
  static asio::awaitable<void> receive(std::shared_ptr<exchange> self);
  static asio::awaitable<void> count_sent(std::shared_ptr<exchange> self);
  void take(message m);
  void take_head(response head);
  void take_data(std::string bytes);
  [[nodiscard]] std::string host() const { return std::string(head_.authority()); }

  asio::any_io_executor executor_;
  stream_source from_;
  request head_;
  fetch_options opts_;
  body_reader body_;
  asio::steady_timer timer_;
  asio::cancellation_signal stop_;
  stream stream_;
  reply reply_;
  progress progress_;
  std::optional<failure> why_;
  bool sent_ = false;
  bool received_ = false;
  bool unwanted_ = false;  // the rest of the request
  bool over_ = false;      // the stream
  bool finished_ = false;
};

void exchange::start_timer() {
  if (!opts_.timeout) return;
  timer_.expires_at(core::after(net::connection::now(), *opts_.timeout));
  timer_.async_wait([weak = weak_from_this()](error_code ec) {
    const auto self = weak.lock();
    if (!ec && self)
      self->interrupt(local(errc::timeout, "the exchange with " + self->host() + " took longer than its timeout"));
  });
}

// A producer may be waiting for something that comes late or never, when nobody wants it any more.
void exchange::watch_end() {
  const auto state = stream_access::state(stream_);
  if (!state) return;
  const auto& link = state->get_connection();
  fetch_end_handler handler = asio::bind_executor(executor_, [weak = weak_from_this()](error_code) {
    const auto self = weak.lock();
    if (!self) return;
    self->over_ = true;
    self->stop_.emit(asio::cancellation_type::terminal);
  });
  link->submit([state, done = net::completion<error_code>(std::move(handler), link->home())]() mutable {
    state->when_over(std::move(done));
  });
}

// What is wrong with the request; nothing was sent yet.
std::optional<std::string> exchange::prepare() {
  if (opts_.chunk_size == 0) return "option chunk_size is 0";
  if (opts_.timeout && *opts_.timeout <= std::chrono::milliseconds(0)) return "option timeout is not positive";
  if (auto bad = body_.open()) return bad;
  const auto& size = body_.size();
  progress_.to_send = size;
  if (head_.early_data) {
    sent_ = true;
    return size == 0 ? std::nullopt : std::optional<std::string>("a request with early_data has no body");
  }
  if (!size) return std::nullopt;
  if (const auto* said = head_.headers.find("content-length")) {
    if (content_length(head_.headers) == size) return std::nullopt;
    return "content-length is " + said->value + ", and the body has " + std::to_string(*size) + " bytes";
  }
  if (*size > 0 || expects_body(head_.method)) head_.headers.add("content-length", std::to_string(*size));
  return std::nullopt;
}

failure exchange::stream_failure(error_code ec) const {
  auto why = stream_.failure();
  if (why && why->code == ec) return *why;
  return local(ec, ec == errc::timeout ? "no message came from " + host() + " within recv_timeout" : ec.message());
}

asio::awaitable<void> exchange::open(std::shared_ptr<exchange> self) {
  auto& x = *self;
  co_await asio::post(as_value);  // never completes inside the initiating call
  if (x.why_) co_return;
  if (auto bad = x.prepare()) {
    co_return x.fail(core::refusal(errc::invalid_argument, std::move(*bad)));
  }
  x.start_timer();
  error_code ec;
  const auto token = [&x] { return asio::bind_cancellation_slot(x.stop_.slot(), as_value); };
  if (auto* link = std::get_if<connection>(&x.from_)) {
    std::tie(ec, x.stream_) = co_await link->async_open_stream(x.head_, x.opts_.stream, token());
  } else if (auto* pool = std::get_if<client>(&x.from_)) {
    std::tie(ec, x.stream_) = co_await pool->async_open(x.head_, x.opts_.stream, token());
  } else {
    std::tie(ec, x.stream_) = co_await async_open(x.executor_, x.head_, x.opts_.stream, token());
  }
  x.stop_.slot().clear();
  if (x.why_) co_return x.stream_.reset(cancel_code);
  if (ec) co_return x.fail(x.stream_failure(ec));
  x.watch_end();
}

// Sending

asio::awaitable<void> exchange::send_pieces(std::shared_ptr<exchange> self) {
  auto& x = *self;
  const auto ended = [&x] { return x.why_ || x.sent_ || x.unwanted_ || x.over_; };
  while (!ended()) {
    const auto piece = co_await x.body_.next();
    if (ended()) co_return;
    error_code ec;
    if (piece.last) {
      std::tie(ec) = co_await x.stream_.async_send(piece.bytes, fin, as_value);
    } else {
      std::tie(ec) = co_await x.stream_.async_send(piece.bytes, as_value);
    }
    if (ec) co_return;  // why, the receiving side learns
    x.progress_.sent += piece.bytes.size();
    x.sent_ = piece.last;
    if (!piece.bytes.empty()) x.report();
    if (piece.last) co_return;
  }
}

asio::awaitable<void> exchange::send(std::shared_ptr<exchange> self) {
  const auto [error] = co_await asio::co_spawn(self->executor_, send_pieces(self),
                                               asio::bind_cancellation_slot(self->stop_.slot(), as_value));
  self->stop_.slot().clear();
  if (error && !self->unwanted_ && !self->over_) self->fail(from_exception(error, "the body or the progress handler"));
}

// Receiving

void exchange::take_head(response head) {
  reply_.status = head.status;
  reply_.headers = std::move(head.headers);
  if (head_.method == "HEAD" || reply_.status == not_modified) return;
  progress_.to_receive = content_length(reply_.headers);
  if (progress_.to_receive.value_or(0) > opts_.max_body) {
    fail(local(errc::limit_exceeded, "the response of " + host() + " has a content-length of " +
                                         std::to_string(*progress_.to_receive) + ", which is above max_body"));
  }
}

void exchange::take_data(std::string bytes) {
  if (bytes.size() > opts_.max_body - reply_.body.size()) {
    return fail(local(errc::limit_exceeded, "the body of the response of " + host() + " is larger than max_body"));
  }
  progress_.received += bytes.size();
  if (reply_.body.empty()) {
    reply_.body = std::move(bytes);
  } else {
    reply_.body += bytes;
  }
  report();
}

void exchange::take(message m) {
  if (auto* head = std::get_if<response>(&m)) take_head(std::move(*head));
  if (auto* piece = std::get_if<data>(&m)) take_data(std::move(piece->bytes));
  if (auto* list = std::get_if<trailers>(&m)) reply_.trailers = std::move(list->headers);
  if (std::holds_alternative<done>(m)) received_ = true;
}

asio::awaitable<void> exchange::receive(std::shared_ptr<exchange> self) {
  auto& x = *self;
  while (!x.why_ && !x.received_) {
    auto [ec, m] = co_await x.stream_.async_recv(as_value);
    if (x.why_) co_return;
    if (ec) co_return x.fail(x.stream_failure(ec));
    try {
      x.take(std::move(m));
    } catch (...) {
      x.fail(from_exception(std::current_exception(), "the progress handler"));
    }
  }
  if (x.why_ || x.sent_ || x.reply_.status < redirection) co_return;
  x.unwanted_ = true;
  x.stop();
}

// What an exchange that ended its stream itself had sent of it.
asio::awaitable<void> exchange::count_sent(std::shared_ptr<exchange> self) {
  if (!self->stream_) co_return;
  const auto [ec, stats] = co_await self->stream_.async_stats(as_value);
  if (!ec) self->why_->bytes_sent = stats.bytes_sent;
}

// Both

asio::awaitable<reply> exchange::fetch(std::shared_ptr<exchange> self) {
  using namespace asio::experimental::awaitable_operators;
  auto& x = *self;
  x.opts_.stream.flow = flow_control::automatic;
  co_await open(self);
  if (!x.why_) co_await (receive(self) && send(self));
  x.finish();
  // The peer took the request only in part, and did not say that this was its wish.
  if (!x.why_ && !x.sent_ && !x.unwanted_) x.why_ = x.stream_.failure();
  if (x.why_) co_await count_sent(self);
  x.reply_.failure = x.why_;
  co_return std::move(x.reply_);
}

asio::awaitable<exchange::streamed> exchange::fetch_head(std::shared_ptr<exchange> self) {
  auto& x = *self;
  co_await open(self);
  if (x.why_) co_return streamed{x.why_};
  asio::co_spawn(x.executor_, send(self), asio::detached);
  auto [ec, m] = co_await x.stream_.async_recv(as_value);
  if (ec) x.fail(x.stream_failure(ec));
  x.finish();
  if (x.why_) {
    co_await count_sent(self);
    co_return streamed{x.why_};
  }
  co_return streamed{std::nullopt, std::get<response>(std::move(m)), x.stream_};
}

// The executor of a connection is its strand; those of the others may be anything.
asio::any_io_executor strand_of(const stream_source& from) {
  if (const auto* link = std::get_if<connection>(&from)) return link->get_executor();
  if (const auto* pool = std::get_if<client>(&from)) return asio::make_strand(pool->get_executor());
  return asio::make_strand(std::get<asio::any_io_executor>(from));
}

bool is_null(const stream_source& from) {
  const auto* link = std::get_if<connection>(&from);
  return link && !*link;
}

error_code check_blocking(const stream_source& from) {
  if (is_null(from)) return errc::closed;
  if (const auto* executor = std::get_if<asio::any_io_executor>(&from)) return net::check_blocking(*executor);
  return net::check_blocking(strand_of(from));
}

void run_fetch(const std::shared_ptr<exchange>& x, fetch_handler handler) {
  x->bind_cancellation(handler);
  const auto where = asio::get_associated_executor(handler, x->executor());
  asio::co_spawn(x->executor(), exchange::fetch(x),
                 asio::bind_executor(where, [keep = x, handler = std::move(handler)](const std::exception_ptr& error,
                                                                                     reply result) mutable {
                   if (error) result.failure = from_exception(error, "the exchange");
                   const auto ec = result.failure ? result.failure->code : error_code();
                   keep.reset();
                   std::move(handler)(ec, std::move(result));
                 }));
}

void run_fetch_stream(const std::shared_ptr<exchange>& x, fetch_stream_handler handler) {
  x->bind_cancellation(handler);
  const auto where = asio::get_associated_executor(handler, x->executor());
  asio::co_spawn(x->executor(), exchange::fetch_head(x),
                 asio::bind_executor(where, [handler = std::move(handler)](const std::exception_ptr& error,
                                                                           exchange::streamed result) mutable {
                   auto [why, head, rest] = std::move(result);
                   if (error) why = from_exception(error, "the exchange");
                   if (!why) return std::move(handler)(error_code(), std::move(head), std::move(rest));
                   const auto ec = why->code;
                   rest = failed_stream(std::move(*why));
                   std::move(handler)(ec, response(), std::move(rest));
                 }));
}

}  // namespace

void detail::start_fetch(const stream_source& from, request head, body_source body, fetch_options opts,
                         fetch_handler handler) {
  if (is_null(from)) {
    reply none;
    none.failure = local(errc::closed, "there is no connection");
    return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), std::move(none));
  }
  run_fetch(std::make_shared<exchange>(strand_of(from), from, std::move(head), std::move(body), std::move(opts)),
            std::move(handler));
}

void detail::start_fetch_stream(const stream_source& from, request head, body_source body, fetch_options opts,
                                fetch_stream_handler handler) {
  if (is_null(from)) {
    auto none = failed_stream(local(errc::closed, "there is no connection"));
    return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), response(), std::move(none));
  }
  run_fetch_stream(std::make_shared<exchange>(strand_of(from), from, std::move(head), std::move(body), std::move(opts)),
                   std::move(handler));
}

// Blocking

reply fetch(const stream_source& from, const request& head, body_source body, fetch_options opts, error_code& ec) {
  reply result;
  ec = check_blocking(from);
  if (ec) return result;
  std::tie(ec, result) = net::wait_for<reply>([&](auto waker) {
    detail::start_fetch(from, head, std::move(body), std::move(opts), fetch_handler(std::move(waker)));
  });
  return result;
}

reply fetch(const stream_source& from, const request& head, body_source body, fetch_options opts) {
  error_code ec;
  auto result = fetch(from, head, std::move(body), std::move(opts), ec);
  if (ec) raise(result.failure, ec);
  return result;
}

reply fetch(const request& head, body_source body, fetch_options opts, error_code& ec) {
  return fetch(net::background_executor(), head, std::move(body), std::move(opts), ec);
}

reply fetch(const request& head, body_source body, fetch_options opts) {
  return fetch(net::background_executor(), head, std::move(body), std::move(opts));
}

streamed_reply fetch_stream(const stream_source& from, const request& head, body_source body, fetch_options opts,
                            error_code& ec) {
  streamed_reply result;
  ec = check_blocking(from);
  if (ec) return result;
  std::tie(ec, result.head, result.rest) = net::wait_for<response, stream>([&](auto waker) {
    detail::start_fetch_stream(from, head, std::move(body), std::move(opts), fetch_stream_handler(std::move(waker)));
  });
  return result;
}

streamed_reply fetch_stream(const stream_source& from, const request& head, body_source body, fetch_options opts) {
  error_code ec;
  auto result = fetch_stream(from, head, std::move(body), std::move(opts), ec);
  if (ec) raise(result.rest.failure(), ec);
  return result;
}

streamed_reply fetch_stream(const request& head, body_source body, fetch_options opts, error_code& ec) {
  return fetch_stream(net::background_executor(), head, std::move(body), std::move(opts), ec);
}

streamed_reply fetch_stream(const request& head, body_source body, fetch_options opts) {
  return fetch_stream(net::background_executor(), head, std::move(body), std::move(opts));
}

}  // namespace duplex::h2
