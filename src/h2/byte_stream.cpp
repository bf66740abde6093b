// A stream as bytes: its messages are taken one at a time, and read in pieces.

#include <duplex/h2/byte_stream.hpp>

#include "h2/failures.hpp"
#include "h2/stream_access.hpp"
#include "net/completion.hpp"

#include <boost/asio/associator.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace duplex::h2 {
namespace {

using io_handler = byte_stream::io_handler;

/// An operation of ours, whose executor, memory and cancellation slot are those of the user's handler.
struct forwarding {
  io_handler done;
};

}  // namespace
}  // namespace duplex::h2

template <template <class, class> class Associator, class Op, class Default>
  requires std::derived_from<Op, duplex::h2::forwarding>
struct boost::asio::associator<Associator, Op, Default> : Associator<duplex::h2::io_handler, Default> {
  using base = Associator<duplex::h2::io_handler, Default>;
  static typename base::type get(const Op& op) noexcept { return base::get(op.done); }
  static typename base::type get(const Op& op, const Default& fallback) noexcept {
    return base::get(op.done, fallback);
  }
};

namespace duplex::h2 {
namespace {

constexpr int least_success = 200;
constexpr int least_redirection = 300;

struct write_op : forwarding {
  std::size_t size;

  void operator()(error_code ec) { std::move(done)(ec, ec ? 0 : size); }
};

void complete_later(const stream& s, io_handler handler, error_code ec, std::size_t size) {
  const auto executor = s.get_executor();
  asio::post(executor, [done = net::completion<error_code, std::size_t>(std::move(handler), executor), ec,
                        size]() mutable { done(ec, size); });
}

constexpr auto ignore = [](error_code) {};

}  // namespace

struct byte_stream::state {
  explicit state(stream from) : s(std::move(from)), consumes(stream_access::consumes(s)) {}

  [[nodiscard]] bool readable() const noexcept { return taken < rest.size() || end; }

  // What arrived. None: nothing to be told, the next message has to be asked for.
  std::optional<error_code> take(error_code ec, message m) {
    if (ec) return ec;
    if (auto* d = std::get_if<data>(&m)) {
      rest = std::move(d->bytes);
      taken = 0;
      return error_code();
    }
    const auto* head = std::get_if<response>(&m);
    if (head && (head->status < least_success || head->status >= least_redirection)) {
      end = errc::proxy_failed;
      refused = head->status;
    }
    if (std::holds_alternative<done>(m)) end = asio::error::eof;
    return end ? std::optional(end) : std::nullopt;
  }

  // What is here, or the end.
  std::size_t read(const some<asio::mutable_buffer>& into, error_code& ec) {
    const auto before = taken;
    for (std::size_t i = 0; i < into.count && taken < rest.size(); ++i) {
      const auto n = std::min(into.list[i].size(), rest.size() - taken);
      std::memcpy(into.list[i].data(), rest.data() + taken, n);
      taken += n;
    }
    const auto n = taken - before;
    ec = n == 0 ? end : error_code();
    if (taken == rest.size()) {
      rest = {};
      taken = 0;
    }
    if (n > 0 && consumes) s.consume(n);
    return n;
  }

  stream s;
  bool consumes;
  std::string rest;       // of the last message
  std::size_t taken = 0;  // of it
  error_code end;
  std::atomic<int> refused = 0;  // the status of a response that is no tunnel
};

// It does not keep the stream: a byte_stream that goes away ends it.
struct byte_stream::read_op : forwarding {
  std::weak_ptr<state> from;
  some<asio::mutable_buffer> into;

  void operator()(error_code ec, message m) {
    const auto s = from.lock();
    if (!s) return std::move(done)(ec ? ec : make_error_code(errc::canceled), 0);
    const auto told = s->take(ec, std::move(m));
    if (!told) return s->s.async_recv(std::move(*this));
    if (*told) return std::move(done)(*told, 0);
    const auto n = s->read(into, ec);
    std::move(done)(ec, n);
  }
};

byte_stream::byte_stream(stream s) : state_(std::make_shared<state>(std::move(s))) {}
byte_stream::byte_stream(byte_stream&&) noexcept = default;
byte_stream& byte_stream::operator=(byte_stream&&) noexcept = default;
byte_stream::~byte_stream() = default;

byte_stream::executor_type byte_stream::get_executor() const { return state_->s.get_executor(); }
stream& byte_stream::get_stream() noexcept { return state_->s; }
const stream& byte_stream::get_stream() const noexcept { return state_->s; }

std::optional<failure> byte_stream::failure() const {
  const int status = state_->refused;
  const auto of = stream_access::state(state_->s);
  if (status == 0 || !of) return state_->s.failure();
  duplex::failure why;
  why.code = errc::proxy_failed;
  why.message =
      of->get_connection()->session().peer() + " does not make a tunnel: it answered " + std::to_string(status);
  why.origin = origin::peer;
  return why;
}

void byte_stream::start_read(const std::shared_ptr<state>& from, const some<asio::mutable_buffer>& into,
                             io_handler handler) {
  if (into.bytes > 0 && !from->readable()) return from->s.async_recv(read_op{{std::move(handler)}, from, into});
  error_code ec;
  const auto n = into.bytes > 0 ? from->read(into, ec) : 0;
  complete_later(from->s, std::move(handler), ec, n);
}

void byte_stream::start_write(const std::shared_ptr<state>& to, const some<asio::const_buffer>& from,
                              io_handler handler) {
  if (from.bytes == 0) return complete_later(to->s, std::move(handler), {}, 0);
  to->s.async_send(std::span(from.list).first(from.count), write_op{{std::move(handler)}, from.bytes});
}

std::size_t byte_stream::read(const some<asio::mutable_buffer>& into, error_code& ec) {
  ec = {};
  if (into.bytes == 0) return 0;
  while (!state_->readable()) {
    auto m = state_->s.recv(ec);
    const auto told = state_->take(ec, std::move(m));
    if (told && *told) {
      ec = *told;
      return 0;
    }
  }
  return state_->read(into, ec);
}

std::size_t byte_stream::read(const some<asio::mutable_buffer>& into) {
  error_code ec;
  const auto n = read(into, ec);
  if (ec) raise(failure(), ec);
  return n;
}

std::size_t byte_stream::write(const some<asio::const_buffer>& from, error_code& ec) {
  ec = {};
  if (from.bytes == 0) return 0;
  std::array<std::string_view, most_buffers> pieces;
  std::transform(from.list.begin(), from.list.begin() + static_cast<std::ptrdiff_t>(from.count), pieces.begin(),
                 [](const auto& b) { return std::string_view(static_cast<const char*>(b.data()), b.size()); });
  stream_access::send(state_->s, std::span(pieces).first(from.count), ec);
  return ec ? 0 : from.bytes;
}

std::size_t byte_stream::write(const some<asio::const_buffer>& from) {
  error_code ec;
  const auto n = write(from, ec);
  if (ec) raise(state_->s.failure(), ec);
  return n;
}

void byte_stream::shutdown_send() { state_->s.async_send("", fin, ignore); }

void byte_stream::close() { state_->s.async_close(ignore); }

}  // namespace duplex::h2
