// A transport over an asynchronous stream: one read and one write at a time, each into and from memory of its own.

#include "net/stream_transport.hpp"

#include "net/lifeline.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_category.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace duplex::net {
namespace {

constexpr int most_empty_reads = 100;  // in a row

// What is no way to behave for a stream.
enum class fault { throws = 1, drops_handler, claims_too_much, reads_nothing };

class fault_category final : public boost::system::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "duplex.lower_stream"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<fault>(value)) {
      case fault::throws:
        return "the stream below threw an exception";
      case fault::drops_handler:
        return "the stream below dropped its handler without calling it";
      case fault::claims_too_much:
        return "the stream below claims more bytes than it was given";
      case fault::reads_nothing:
        return "the stream below read no bytes and no end, " + std::to_string(most_empty_reads) + " times in a row";
    }
    return "the stream below failed";
  }
};

error_code make_error_code(fault f) {
  static const fault_category category;
  return {static_cast<int>(f), category};
}

// Whoever throws calls no handler, mostly; this is why.
template <class Call>
error_code error_of(Call call) {
  try {
    call();
    return {};
  } catch (const boost::system::system_error& e) {
    return e.code() ? e.code() : make_error_code(fault::throws);
  } catch (...) {
    return make_error_code(fault::throws);
  }
}

}  // namespace

struct stream_transport::state : std::enable_shared_from_this<state> {
  state(asio::any_io_executor on, std::shared_ptr<h2::lower_stream> s) : executor(std::move(on)), below(std::move(s)) {}

  // Reading

  void begin_reading() {
    if (input.empty()) input.resize(buffer_size);
    reading = true;
    const auto thrown =
        error_of([this] { below->async_read_some(asio::buffer(input), on_strand(stop_reading, &state::on_read)); });
    if (thrown && !input_end) input_end = thrown;
  }

  void on_read(error_code ec, std::size_t n) {
    reading = false;
    if (n > input.size()) {
      ec = make_error_code(fault::claims_too_much);
      n = 0;
    }
    from = 0;
    upto = n;
    empty_reads = n > 0 ? 0 : empty_reads + 1;
    if (!ec && empty_reads == most_empty_reads) ec = make_error_code(fault::reads_nothing);
    if (ec && !input_end) input_end = ec;
    if (!readable() && !closed) return begin_reading();
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
      self->broken = error_of([&] {
        self->below->async_write_some(asio::buffer(self->leaving) + self->sent,
                                      self->on_strand(self->stop_writing, &state::on_written));
      });
    });
  }

  void on_written(error_code ec, std::size_t n) {
    writing = false;
    if (n > leaving.size() - sent) {
      ec = make_error_code(fault::claims_too_much);
    } else if (!ec && n == 0) {
      ec = asio::error::broken_pipe;  // it would never end
    } else {
      sent += n;
    }
    if (broken) ec = broken;
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

  using outcome = void (state::*)(error_code, std::size_t);

  // The operation keeps the state. A stream may call its handler too early, inside the call, or never: what follows is
  // posted in either case. If that is dropped as well, the context is being destroyed, and who waits goes with it.
  struct io_handler {
    std::shared_ptr<state> owner;
    outcome then;

    io_handler(std::shared_ptr<state> s, outcome t) noexcept : owner(std::move(s)), then(t) {}
    io_handler(io_handler&&) noexcept = default;
    io_handler& operator=(io_handler&&) = delete;
    ~io_handler() {
      if (!owner) return;
      const auto keep = owner;
      try {
        (*this)(make_error_code(fault::drops_handler), 0);
      } catch (...) {  // no memory
        keep->abandon();
      }
    }
    void operator()(error_code ec, std::size_t n) {
      const auto executor = owner->executor;
      asio::post(executor, [life = lifeline<state>(std::move(owner)), then = then, ec, n]() mutable {
        const auto self = life.release();
        (*self.*then)(ec, n);
      });
    }
  };

  h2::lower_stream::io_handler on_strand(asio::cancellation_signal& stop, outcome then) {
    return asio::bind_executor(executor,
                               asio::bind_cancellation_slot(stop.slot(), io_handler(shared_from_this(), then)));
  }

  void abandon() noexcept {
    const auto r = std::exchange(reader, std::nullopt);
    const auto w = std::exchange(writer, std::nullopt);
  }

  void close() {
    if (std::exchange(closed, true)) return;
    (void)error_of([this] { below->close(); });
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
  int empty_reads = 0;
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
  if (std::exchange(s.ended, true)) return {};
  return error_of([&] { s.below->async_shutdown(asio::bind_executor(s.executor, [keep = state_](error_code) {})); });
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
