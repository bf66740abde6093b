// The user's side of one stream.

#include "net/stream.hpp"

#include <utility>

namespace duplex::net {
namespace {

constexpr auto cancel_code = static_cast<std::uint32_t>(h2::code::cancel);

}  // namespace

stream_state::stream_state(std::shared_ptr<connection> c, std::int32_t id, const options& opts, bool dedicated)
    : connection_(std::move(c)), id_(id), recv_timeout_(opts.recv_timeout), dedicated_(dedicated) {}

stream_handle::~stream_handle() {
  if (!state_) return;
  const auto link = state_->get_connection();
  link->submit([state = std::move(state_)] { state->release(); });
  link->drop_handle();
}

std::optional<failure> stream_state::why_failed() const {
  if (!failed_.load(std::memory_order_acquire)) return std::nullopt;
  return failure_;
}

void stream_state::publish_failure() {
  const auto* s = session().find(id_);
  if (failed_ || !s || !s->failed) return;
  failure_ = *s->failed;
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
  const auto refuse = [&](errc why) {
    connection_->ready().add([done = std::move(done), why]() mutable { done(why, {}); });
  };
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
  } else if (s->in.empty()) {
    ec = s->in.end();
  } else {
    return session().receive(id_);
  }
  return std::nullopt;
}

void stream_state::finish_recv(error_code ec, message m) {
  session().clear_deadline(id_, recv_->op);
  connection_->ready().add([done = std::move(recv_->done), ec, m = std::move(m)]() mutable { done(ec, std::move(m)); });
  recv_.reset();
}

// A parked recv is first in line, then the active handler.
void stream_state::on_readable() {
  publish_failure();
  const auto* s = session().find(id_);
  if (recv_) {
    if (!s) {
      finish_recv(errc::closed);
    } else if (!s->in.empty()) {
      finish_recv({}, *session().receive(id_));
    } else if (s->in.end()) {
      finish_recv(s->in.end());
    }
  }
  if (mode_ == active::off || active_scheduled_ || !s || !s->in.readable()) return;
  active_scheduled_ = true;
  connection_->ready().add([self = shared_from_this()] {
    self->active_scheduled_ = false;
    self->run_active();
  });
}

// One message at a time: the handler may switch the mode, close, or throw.
void stream_state::run_active() {
  const auto* s = session().find(id_);
  if (mode_ == active::off || !s || !s->in.readable()) return;
  const auto handler = handler_;
  auto m = session().receive(id_);
  const auto ec = m ? error_code() : s->in.end();
  const bool last = !m || std::holds_alternative<done>(*m);
  if (mode_ == active::once || last) mode_ = active::off;
  if (last) handler_.reset();  // it may own a handle of this stream
  on_readable();
  (*handler)(ec, m ? std::move(*m) : message());
}

void stream_state::set_active(active mode, active_handler handler) {
  if (handler) handler_ = std::make_shared<active_handler>(std::move(handler));
  if (mode == active::off) handler_.reset();
  mode_ = handler_ ? mode : active::off;
  on_readable();
}

void stream_state::consume(std::size_t bytes) { session().consume(id_, bytes); }

void stream_state::on_timed_out(core::op_id op) {
  if (recv_ && recv_->op == op) finish_recv(errc::timeout);
}

// Sending

void stream_state::start_send(core::op_id op, error_code ec, send_completion done) {
  if (ec) {
    connection_->ready().add([done = std::move(done), ec]() mutable { done(ec); });
  } else {
    sends_.emplace(op, std::move(done));
  }
}

void stream_state::send(core::op_id op, const std::vector<std::string_view>& parts, bool end, core::outbox::kind how,
                        send_completion done) {
  start_send(op, session().send(id_, op, parts, end, how, connection::now()), std::move(done));
}

void stream_state::send_trailers(core::op_id op, const fields& list, bool framed, send_completion done) {
  const auto ec = session().send_trailers(id_, op, list, connection::now());
  if (framed || ec) return start_send(op, ec, std::move(done));
  connection_->ready().add([done = std::move(done)]() mutable { done({}); });
}

void stream_state::respond(core::op_id op, const response& head, bool end, send_completion done) {
  start_send(op, session().respond(id_, op, head, end), std::move(done));
}

void stream_state::inform(core::op_id op, const informational& head, send_completion done) {
  start_send(op, session().inform(id_, op, head), std::move(done));
}

void stream_state::on_sent(core::op_id op) {
  const auto at = sends_.find(op);
  if (at == sends_.end()) return;
  connection_->ready().add([done = std::move(at->second)]() mutable { done({}); });
  sends_.erase(at);
}

void stream_state::finish_sends(error_code ec) {
  for (auto& [op, done] : std::exchange(sends_, {})) {
    connection_->ready().add([done = std::move(done), ec]() mutable { done(ec); });
  }
}

// Ending

void stream_state::on_closed() {
  on_readable();
  const auto* s = session().find(id_);
  finish_sends(s && s->send_end ? s->send_end : make_error_code(errc::canceled));
  for (auto& done : std::exchange(over_, {})) {
    connection_->ready().add([done = std::move(done)]() mutable { done({}); });
  }
}

void stream_state::reset(std::uint32_t http2_code) {
  session().abandon(id_, http2_code, errc::canceled, "the stream was reset here");
  if (recv_) finish_recv(errc::canceled);
  finish_sends(errc::canceled);
}

void stream_state::close_here() {
  const auto keep = shared_from_this();  // the handler may own the last handle
  handler_.reset();
  mode_ = active::off;
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
  connection_->ready().add([done = std::move(done)]() mutable { done({}); });
}

void stream_state::when_over(send_completion done) {
  const auto* s = session().find(id_);
  if (s && !s->closed) {
    over_.push_back(std::move(done));
  } else {
    connection_->ready().add([done = std::move(done)]() mutable { done({}); });
  }
}

void stream_state::cancel(core::op_id op) {
  if (recv_ && recv_->op == op) return finish_recv(errc::canceled);
  if (!sends_.contains(op)) return connection_->cancel_close_wait(op);
  session().reset(id_, cancel_code, errc::canceled, "a send was canceled");
}

// Without a handle nobody can read; what was sent still ends in order where the session lets it.
void stream_state::release() {
  handler_.reset();
  mode_ = active::off;
  publish_failure();
  if (recv_) finish_recv(errc::canceled);
  session().release(id_, connection::now());
}

void stream_state::drop_operations() noexcept {
  const auto keep = shared_from_this();
  mode_ = active::off;
  const auto handler = std::move(handler_);
  const auto parked = std::exchange(recv_, std::nullopt);
  const auto sends = std::exchange(sends_, {});
  const auto over = std::exchange(over_, {});
}

}  // namespace duplex::net
