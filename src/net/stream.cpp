// The user's side of one stream.

#include "net/stream.hpp"

#include "core/validate.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace duplex::net {
namespace {

constexpr auto cancel_code = static_cast<std::uint32_t>(h2::code::cancel);

std::string what_the_handler_threw() {
  constexpr std::size_t most = 256;
  std::string text = "the handler of the request threw";
  try {
    throw;
  } catch (const std::exception& e) {
    return text + " " + core::quoted(e.what(), most);
  } catch (...) {
    return text;
  }
}

}  // namespace

stream_state::stream_state(std::shared_ptr<connection> c, std::int32_t id, const read_options& reads, bool dedicated)
    : connection_(std::move(c)),
      recv_timeout_(reads.timeout.value_or(without_end)),
      id_(id),
      dedicated_(dedicated),
      consumes_(reads.flow == flow_control::manual) {}

stream_handle::~stream_handle() {
  if (!state_) return;
  const auto link = state_->get_connection();
  link->submit_at_last([state = std::move(state_)] { state->release(); }, sends::later);
  link->drop_handle();
}

std::optional<failure> stream_state::why_failed() const {
  if (!failed_.load(std::memory_order_acquire)) return std::nullopt;
  return *failure_;
}

void stream_state::publish_failure(const core::stream* s) {
  if (!s || !s->failed || failed_) return;
  failure_ = s->failed;
  failed_.store(true, std::memory_order_release);
}

h2::stream_stats stream_state::stats() const {
  h2::stream_stats out;
  if (const auto* s = session().find(id_)) out = session().stats(*s);
  out.recv_waits = recv_.has_value();
  out.sends_waiting = sends_.size();
  return out;
}

// Receiving

void stream_state::recv(core::op_id op, std::optional<options::duration> timeout, recv_completion done) {
  const auto refuse = [&](errc why) { connection_->ready().complete(std::move(done), why, {}); };
  if (mode_ != active::off) return refuse(errc::active_mode);
  if (recv_) return refuse(errc::recv_busy);
  recv_.emplace(parked_recv{op, std::move(done)});
  on_readable();
  if (recv_ && timeout) session().set_deadline(id_, op, core::after(connection::now(), *timeout));
}

std::optional<message> stream_state::try_recv(error_code& ec) {
  ec = {};
  const auto* s = session().find(id_);
  if (mode_ != active::off) {
    ec = errc::active_mode;
  } else if (recv_) {
    ec = errc::recv_busy;
  } else if (!s) {
    ec = errc::closed;
  } else if (handler_runs_elsewhere()) {
    return std::nullopt;  // what follows is not there before that has ended
  } else if (s->in.empty()) {
    ec = s->in.end();
  } else {
    return session().receive(id_);
  }
  return std::nullopt;
}

void stream_state::finish_recv(error_code ec, message&& m) {
  session().clear_deadline(id_, recv_->op);
  connection_->ready().complete(std::move(recv_->done), ec, std::move(m));
  recv_.reset();
}

// A parked recv is first in line, then the active handler.
void stream_state::on_readable() {
  const auto* s = session().find(id_);
  publish_failure(s);
  if (handler_runs_elsewhere()) return;
  if (recv_) {
    connection_->ready().make_room();  // before a message is taken out
    if (!s) {
      finish_recv(errc::closed);
    } else if (!s->in.empty()) {
      finish_recv({}, *session().receive(id_));
    } else if (s->in.end()) {
      finish_recv(s->in.end());
    }
  }
  if (mode_ == active::off || active_scheduled_ || !s || !s->in.readable()) return;
  connection_->ready().deliver(shared_from_this());
  active_scheduled_ = true;
}

// One message at a time: the handler may switch the mode, close, or throw.
void stream_state::run_active() {
  if (connection_->served_by_callers()) {
    return connection_->run_outside([self = shared_from_this()] { self->run_active_outside(); });
  }
  active_scheduled_ = false;
  auto next = take_for_handler();
  if (!next.handler) return;
  on_readable();
  next.run();
}

// Nothing for a handler: there is none in it.
stream_state::delivery stream_state::take_for_handler() {
  delivery next;
  const auto* s = session().find(id_);
  if (mode_ == active::off || !s || !s->in.readable()) return next;
  next.handler = handler_;
  next.what = session().receive(id_);
  next.ec = next.what ? error_code() : s->in.end();
  const bool last = !next.what || std::holds_alternative<done>(*next.what);
  if (mode_ == active::once || last) set_mode(active::off);
  if (last) handler_.reset();  // it may own a handle of this stream
  return next;
}

void stream_state::delivery::run() { (*handler)(ec, what ? *std::move(what) : message()); }

// Whatever the handler does, nothing is handed to anybody else before it has returned, or thrown.
void stream_state::run_active_outside() {
  struct resume {
    stream_state& self;
    ~resume() {
      self.connection_->submit_at_last([this] {
        self.active_scheduled_ = false;
        self.handler_thread_ = {};
        self.on_readable();
      });
    }
  };
  const resume at_the_end{*this};
  delivery next;
  connection_->submit([&] {
    next = take_for_handler();
    if (next.handler) handler_thread_ = std::this_thread::get_id();
  });
  if (next.handler) next.run();
}

bool stream_state::handler_runs_elsewhere() const noexcept {
  return handler_thread_ != std::thread::id() && handler_thread_ != std::this_thread::get_id();
}

void stream_state::set_mode(active mode) {
  mode_ = mode;
  if (mode == active::off) {
    listening_.reset();
  } else if (!listening_) {
    listening_ = connection_->home().wait_outside();
  }
}

void stream_state::set_active(active mode, active_handler handler) {
  if (handler) handler_ = std::make_shared<active_handler>(std::move(handler));
  if (mode == active::off) handler_.reset();
  set_mode(handler_ ? mode : active::off);
  on_readable();
}

void stream_state::consume(std::size_t bytes) { session().consume(id_, bytes); }

void stream_state::on_timed_out(core::op_id op) {
  if (recv_ && recv_->op == op) finish_recv(errc::timeout);
}

// Sending

// It waits before it is begun: what the session was lent must have somebody to give it back to.
template <class Begin>
void stream_state::start_send(core::op_id op, send_completion done, Begin begin) {
  sends_.push_back({op, std::move(done)});
  const error_code ec = begin();
  const auto* s = session().find(id_);
  if (!ec && !(s && s->closed)) return;  // whose events are routed to nobody any more
  connection_->ready().complete(std::move(sends_.back().done), ec);
  sends_.erase(sends_.end() - 1);
}

void stream_state::send(core::op_id op, std::span<const std::string_view> parts, bool end, core::outbox::kind how,
                        send_completion done) {
  start_send(op, std::move(done), [&] { return session().send(id_, op, parts, end, how); });
}

void stream_state::send_trailers(core::op_id op, const fields& list, bool framed, send_completion done) {
  if (framed) {
    return start_send(op, std::move(done), [&] { return session().send_trailers(id_, op, list); });
  }
  connection_->ready().complete(std::move(done), session().send_trailers(id_, op, list));
}

void stream_state::respond(core::op_id op, const response& head, bool end, send_completion done) {
  start_send(op, std::move(done), [&] { return session().respond(id_, op, head, end); });
}

void stream_state::inform(core::op_id op, const informational& head, send_completion done) {
  start_send(op, std::move(done), [&] { return session().inform(id_, op, head); });
}

void stream_state::on_sent(core::op_id op) {
  const auto at = std::ranges::find(sends_, op, &waiting_send::op);
  if (at == sends_.end()) return;
  connection_->ready().complete(std::move(at->done));
  sends_.erase(at);
}

void stream_state::finish_sends(error_code ec) {
  connection_->ready().make_room(sends_.size());
  for (auto& each : std::exchange(sends_, {})) connection_->ready().complete(std::move(each.done), ec);
}

// Ending

void stream_state::on_closed() {
  on_readable();
  const auto* s = session().find(id_);
  finish_sends(s && s->send_end ? s->send_end : core::reason(errc::canceled));
  connection_->ready().make_room(over_.size());
  for (auto& done : std::exchange(over_, {})) connection_->ready().complete(std::move(done));
}

void stream_state::give_up() {
  connection_->submit([self = shared_from_this(), why = what_the_handler_threw()]() mutable {
    self->reset(static_cast<std::uint32_t>(h2::code::internal_error), std::move(why));
  });
}

void stream_state::reset(std::uint32_t http2_code, std::string why) {
  session().abandon(id_, http2_code, errc::canceled, std::move(why));
  if (recv_) finish_recv(errc::canceled);
  finish_sends(errc::canceled);
}

void stream_state::close_here() {
  const auto keep = shared_from_this();  // the handler may own the last handle
  handler_.reset();
  set_mode(active::off);
  session().abandon(id_, cancel_code, errc::canceled, "the stream was closed here");
  if (recv_) finish_recv(errc::canceled);
  finish_sends(errc::canceled);
}

void stream_state::close() {
  close_here();
  if (dedicated_) connection_->close();
}

void stream_state::close(core::op_id op, send_completion done) {
  close();
  if (dedicated_) return connection_->when_closed(op, std::move(done));
  connection_->ready().complete(std::move(done));
}

void stream_state::when_over(send_completion done) {
  const auto* s = session().find(id_);
  if (s && !s->closed) {
    over_.push_back(std::move(done));
  } else {
    connection_->ready().complete(std::move(done));
  }
}

void stream_state::cancel(core::op_id op) {
  if (recv_ && recv_->op == op) return finish_recv(errc::canceled);
  if (std::ranges::find(sends_, op, &waiting_send::op) == sends_.end()) return connection_->cancel_close_wait(op);
  session().reset(id_, cancel_code, errc::canceled, "a send was canceled");
}

// Without a handle nobody can read; what was sent still ends in order where the session lets it.
void stream_state::release() {
  handler_.reset();
  set_mode(active::off);
  publish_failure(session().find(id_));
  if (recv_) finish_recv(errc::canceled);
  session().release(id_);
}

void stream_state::drop_operations() noexcept {
  const auto keep = shared_from_this();
  set_mode(active::off);
  const auto handler = std::move(handler_);
  const auto parked = std::exchange(recv_, std::nullopt);
  const auto sends = std::exchange(sends_, {});
  const auto over = std::exchange(over_, {});
}

}  // namespace duplex::net
