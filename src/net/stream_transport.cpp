// A transport over an asynchronous stream: one read and one write at a time, each into and from memory of its own.

#include "net/stream_transport.hpp"

#include "net/lifeline.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace duplex::net {

struct stream_transport::state : std::enable_shared_from_this<state> {
  state(asio::any_io_executor on, std::shared_ptr<h2::lower_stream> s) : executor(std::move(on)), below(std::move(s)) {}

  // Reading

  void begin_reading() {
    if (input.empty()) input.resize(buffer_size);
    reading = true;
    below->async_read_some(asio::buffer(input), on_strand(stop_reading, &state::on_read));
  }

  void on_read(error_code ec, std::size_t n) {
    reading = false;
    from = 0;
    upto = n;
    if (ec && !input_end) input_end = ec;
    wake(reader);
  }

  [[nodiscard]] bool readable() const noexcept { return from < upto || input_end; }

  // Writing

  [[nodiscard]] std::size_t room() const noexcept { return output_size - std::min(waiting.size(), output_size); }

  void begin_writing() {
    if (writing || broken) return;
    if (sent == leaving.size()) {
      leaving.clear();
      leaving.swap(waiting);
      sent = 0;
    }
    if (leaving.empty()) return;
    writing = true;
    // Not inside the call: a stream of ours would have its connection's turn at once, on this thread, whose memory for
    // frames is in use.
    asio::post(executor, [life = lifeline<state>(shared_from_this())]() mutable {
      const auto self = life.release();
      if (self->closed) return self->on_written(asio::error::operation_aborted, 0);
      self->below->async_write_some(asio::buffer(self->leaving) + self->sent,
                                    self->on_strand(self->stop_writing, &state::on_written));
    });
  }

  void on_written(error_code ec, std::size_t n) {
    writing = false;
    sent += n;
    if (!ec && n == 0) ec = asio::error::broken_pipe;  // it would never end
    if (ec) fail_writing(ec);
    begin_writing();
    wake(writer);
  }

  // Whoever has nothing more to write would wait for ever for a peer that is gone. What it has sent before comes
  // first, if it is there already.
  void fail_writing(error_code ec) {
    broken = ec;
    waiting.clear();
    leaving.clear();
    sent = 0;
    asio::post(executor, [self = shared_from_this(), ec] {
      if (!self->reading || self->input_end) return;
      self->input_end = ec;
      self->wake(self->reader);
    });
  }

  [[nodiscard]] bool drained() const noexcept { return !writing && waiting.empty(); }

  // Waiting

  void wait(std::optional<wait_handler>& who, wait_handler handler, bool now) {
    if (!now) {
      who.emplace(std::move(handler));
      return;
    }
    asio::post(executor, [handler = std::move(handler)]() mutable { std::move(handler)(error_code()); });
  }

  void wake(std::optional<wait_handler>& who) const {
    if (!who) return;
    auto handler = std::move(*who);
    who.reset();
    std::move(handler)(closed ? error_code(asio::error::operation_aborted) : error_code());
  }

  // The operation keeps the state, and who waits for it goes with it.
  h2::lower_stream::io_handler on_strand(asio::cancellation_signal& stop,
                                         void (state::*then)(error_code, std::size_t)) {
    auto handler = [life = lifeline<state>(shared_from_this()), then](error_code ec, std::size_t n) mutable {
      const auto self = life.release();
      (*self.*then)(ec, n);
    };
    return asio::bind_executor(executor, asio::bind_cancellation_slot(stop.slot(), std::move(handler)));
  }

  void abandon() noexcept {
    const auto r = std::exchange(reader, std::nullopt);
    const auto w = std::exchange(writer, std::nullopt);
  }

  void close() {
    if (std::exchange(closed, true)) return;
    below->close();
    if (reading) stop_reading.emit(asio::cancellation_type::terminal);
    if (writing) stop_writing.emit(asio::cancellation_type::terminal);
  }

  asio::any_io_executor executor;
  std::shared_ptr<h2::lower_stream> below;
  std::optional<wait_handler> reader;
  std::optional<wait_handler> writer;
  asio::cancellation_signal stop_reading;
  asio::cancellation_signal stop_writing;

  std::string input;
  std::size_t from = 0;  // what was read and not taken
  std::size_t upto = 0;
  error_code input_end;
  bool reading = false;

  std::string leaving;  // in the operation's hands
  std::size_t sent = 0;
  std::string waiting;
  error_code broken;
  bool writing = false;
  bool ended = false;  // by `shutdown`
  bool closed = false;
};

stream_transport::stream_transport(asio::any_io_executor executor, std::shared_ptr<h2::lower_stream> below)
    : state_(std::make_shared<state>(std::move(executor), std::move(below))) {}

stream_transport::~stream_transport() { state_->close(); }

std::size_t stream_transport::read_some(asio::mutable_buffer to, error_code& ec) {
  auto& s = *state_;
  const auto n = std::min(to.size(), s.upto - s.from);
  if (n > 0) std::memcpy(to.data(), s.input.data() + s.from, n);
  s.from += n;
  ec = {};
  if (n == 0 && to.size() > 0) ec = s.input_end ? s.input_end : error_code(asio::error::would_block);
  return n;
}

std::size_t stream_transport::write_some(asio::const_buffer from, error_code& ec) {
  const std::string_view piece(static_cast<const char*>(from.data()), from.size());
  return write_pieces({&piece, 1}, ec);
}

std::size_t stream_transport::write_pieces(std::span<const std::string_view> pieces, error_code& ec) {
  auto& s = *state_;
  ec = s.closed ? error_code(asio::error::operation_aborted) : s.broken;
  if (ec) return 0;
  if (s.room() == 0) ec = asio::error::would_block;
  std::size_t taken = 0;
  for (const auto piece : pieces) {
    const auto part = piece.substr(0, s.room());
    s.waiting += part;
    taken += part.size();
  }
  s.begin_writing();
  return taken;
}

error_code stream_transport::shutdown() {
  auto& s = *state_;
  if (s.broken) return s.broken;
  if (!s.drained()) return asio::error::would_block;
  if (!std::exchange(s.ended, true))
    s.below->async_shutdown(asio::bind_executor(s.executor, [keep = state_](error_code) {}));
  return {};
}

void stream_transport::close() { state_->close(); }

void stream_transport::async_wait(direction what, wait_handler handler) {
  auto& s = *state_;
  if (what == direction::writing) return s.wait(s.writer, std::move(handler), !s.writing);
  const bool now = s.readable() || s.closed;
  s.wait(s.reader, std::move(handler), now);
  if (!now && !s.reading) s.begin_reading();
}

asio::any_io_executor stream_transport::get_executor() { return state_->executor; }

}  // namespace duplex::net
