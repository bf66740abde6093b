// What the engine tells the session. Callbacks record and never call the engine: the session acts on what they
// recorded once the engine has returned.

#include "core/data_run.hpp"
#include "core/session.hpp"
#include "core/session_engine.hpp"
#include "core/session_memory.hpp"
#include "core/session_trace.hpp"
#include "core/validate.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <new>
#include <tuple>
#include <utility>

namespace duplex::core {
namespace {

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

std::uint32_t raw(h2::code c) noexcept { return static_cast<std::uint32_t>(c); }

// Where the engine has one: not every version that calls itself 1.52 does.
template <class Option>
void lift_reset_limit(Option* option) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  if constexpr (requires { nghttp2_option_set_stream_reset_rate_limit(option, most, most); }) {
    nghttp2_option_set_stream_reset_rate_limit(option, most, most);
  }
}

// Where the engine says no more than the code. Its bound on a name or a value cannot be set, and is not told apart.
std::string fault(std::uint32_t code) {
  auto text = h2::code_name(code);
  if (code == NGHTTP2_COMPRESSION_ERROR) text += ", a header block that cannot be decoded, or a field above 64 KiB";
  return text;
}

// Why the engine did not send a header section of ours.
std::string fault(const nghttp2_headers& section, int error) {
  const std::string begin = "the header section was not sent: ";
  if (error != NGHTTP2_ERR_FRAME_SIZE_ERROR || section.nvlen == 0) return begin + nghttp2_strerror(error);
  const auto size = [](const nghttp2_nv& f) { return f.namelen + f.valuelen; };
  const auto* largest = std::max_element(section.nva, section.nva + section.nvlen,
                                         [&](const auto& a, const auto& b) { return size(a) < size(b); });
  return begin + "it is above 64 KiB, " + std::to_string(size(*largest)) + " bytes of them in the field " +
         quoted(text(largest->name, largest->namelen));
}

bool ends_stream(const nghttp2_frame& frame) { return (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0; }

}  // namespace

// A friend of the session: the functions have the signatures that the C interface wants.
struct session_callbacks {
  static session& self(void* user) { return *static_cast<session*>(user); }
  static void run_out(void* user) noexcept { self(user).ran_out_ = true; }

  static void reset_later(session& s, stream& st, errc why, std::string message, h2::code code) {
    failure f;
    f.code = why;
    f.message = std::move(message);
    f.http2_code = raw(code);
    if (why == errc::protocol_error) f.origin = origin::peer;
    s.fail(st, std::move(f));
    s.to_reset_.emplace_back(st.id, raw(code));
    s.guard_.spend(spending::resets);
  }

  // Fields

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& s = self(user);
    s.block_.begin(frame->hd.stream_id);
    s.guard_.earn(spending::discarded_headers, 1);  // it is not
    // Above the last id of our GOAWAY the client was told that nothing is processed.
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && frame->hd.stream_id <= s.last_accepted_) {
      s.add_stream(frame->hd.stream_id, s.config_.defaults);
      s.begun_.push_back(frame->hd.stream_id);
      s.last_request_ = frame->hd.stream_id;
      s.prioritized_.erase(s.prioritized_.begin(), s.prioritized_.lower_bound(s.last_request_));
    }
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t flags, void* user) {
    auto& s = self(user);
    auto& block = s.block_;
    if (block.stream == 0) return 0;  // the rest of one that is above a limit
    const auto& limits = s.config_.defaults;
    block.bytes += name_size + value_size + field_overhead;
    if (block.bytes > limits.max_header_bytes || block.list.size() >= limits.max_header_fields) {
      // Told to pass over it, the engine would reset the stream with INTERNAL_ERROR, as if the fault were here.
      constexpr auto code = h2::code::enhance_your_calm;
      block = {};
      if (auto* st = s.find(frame->hd.stream_id)) {
        reset_later(s, *st, errc::limit_exceeded,
                    "the header section of " + s.config_.peer + " is above max_header_bytes or max_header_fields",
                    code);
      } else {
        s.to_reset_.emplace_back(frame->hd.stream_id, raw(code));
        s.guard_.spend(spending::resets);
      }
      return 0;
    }
    const auto key = text(name, name_size);
    const auto val = text(value, value_size);
    if (!key.starts_with(':')) {
      block.list.add(key, val, (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
    } else if (key == ":status") {
      std::from_chars(val.data(), val.data() + val.size(), block.status);
    } else if (key == ":method") {
      block.pseudo.method = val;
    } else if (key == ":scheme") {
      block.pseudo.scheme = val;
    } else if (key == ":authority") {
      block.pseudo.authority = val;
    } else if (key == ":path") {
      block.pseudo.path = val;
    } else if (key == ":protocol") {
      block.pseudo.protocol = val;
    }
    return 0;
  }

  // RFC 9113, section 8.3.1. The engine looks only where the scheme is http or https. Who decides by the path what a
  // client may do has to be sure of its beginning.
  static bool has_good_path(const request_head& head) {
    if (head.method == "CONNECT" && head.protocol.empty()) return true;
    return head.path.starts_with('/') || (head.path == "*" && head.method == "OPTIONS");
  }

  static std::string make_url(std::string_view scheme, std::string_view authority, std::string_view path) {
    if (scheme.empty()) return std::string(authority);
    constexpr std::string_view between = "://";
    std::string url;
    url.reserve(scheme.size() + between.size() + authority.size() + 1 + path.size());
    url.append(scheme).append(between).append(authority);
    if (!path.starts_with('/')) url += '/';  // OPTIONS *
    url.append(path);
    return url;
  }

  static std::unique_ptr<request> take_request(session::header_block& block) {
    auto head = std::make_unique<request>();
    // All of it is taken, so that the block keeps no memory.
    const auto scheme = std::move(block.pseudo.scheme);
    const auto authority = std::move(block.pseudo.authority);
    const auto path = std::move(block.pseudo.path);
    const auto* host = authority.empty() ? block.list.find("host") : nullptr;
    head->url = make_url(scheme, host ? host->value : authority, path);
    head->method = std::move(block.pseudo.method);
    head->protocol = std::move(block.pseudo.protocol);
    head->headers = std::move(block.list);
    return head;
  }

  static void on_head(session& s, stream& st, bool is_request) {
    auto& block = s.block_;
    block.stream = 0;
    if (is_request && !has_good_path(block.pseudo)) {
      block = {};
      return reset_later(s, st, errc::protocol_error,
                         s.config_.peer + " broke HTTP/2: the :path of its request does not begin with a slash",
                         h2::code::protocol_error);
    }
    if (is_request) {
      st.head = take_request(block);
      st.remote = progress::body;
      const bool said = s.prioritized_.erase(st.id) > 0 || st.head->headers.contains("priority");
      if (!said) s.to_share_.push_back(st.id);
      s.ordered_ = s.ordered_ || said;
      s.emit(event::kind::request, st.id);
    } else if (s.config_.role == role::server || st.remote == progress::body) {
      // Without a field they say no more than their END_STREAM.
      if (!block.list.empty()) st.in.push(trailers{std::move(block.list)});
    } else if (block.status < 100 || block.status > 599) {
      return reset_later(s, st, errc::protocol_error,
                         s.config_.peer + " broke HTTP/2: the status " + std::to_string(block.status) + " is none",
                         h2::code::protocol_error);
    } else if (block.status < 200) {
      if (st.informational_left == 0) {
        return reset_later(s, st, errc::limit_exceeded, "more 1xx replies than max_informational", h2::code::cancel);
      }
      --st.informational_left;
      st.informational_bytes += static_cast<std::uint32_t>(block.bytes);
      if (st.informational_bytes > s.config_.defaults.max_header_bytes) {
        return reset_later(s, st, errc::limit_exceeded, "1xx replies that are together above max_header_bytes",
                           h2::code::cancel);
      }
      if (st.wants_informational) st.in.push(informational{block.status, std::move(block.list)});
    } else {
      st.in.push(response{block.status, std::move(block.list)});
      st.remote = progress::body;
    }
    s.emit(event::kind::readable, st.id);
  }

  static void on_end(session& s, stream& st) {
    st.in.finish();
    st.remote = progress::ended;
    s.emit(event::kind::readable, st.id);
  }

  // Receiving

  static int on_data_chunk(nghttp2_session*, std::uint8_t flags, std::int32_t id, const std::uint8_t* bytes,
                           std::size_t size, void* user) {
    auto& s = self(user);
    s.arrived_ += size;
    auto* st = s.find(id);
    if (!st || st->failed || st->orphan || st->in.end()) return 0;
    const auto chunk = text(bytes, size);
    const bool padded = (flags & NGHTTP2_FLAG_PADDED) != 0;
    const bool may_go_on = !padded && chunk.size() >= least_in_run;
    if (!st->in.push_data(chunk, may_go_on ? data_run(s.behind(chunk), id) : 0)) {
      reset_later(s, *st, errc::recv_buffer_overflow, "more unread bytes than max_recv_buffer", h2::code::cancel);
      return 0;
    }
    st->ledger.arrive(size);
    s.payload_.received += size;
    s.unread_ += size;
    if (s.unread_ > s.config_.defaults.max_connection_buffer) s.drop_greediest();
    s.emit(event::kind::readable, id);
    return 0;
  }

  static int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& s = self(user);
    if (s.config_.trace) s.frames_.push_back(trace_received(*frame, s.block_.pseudo, s.block_.status, s.block_.list));
    ++s.wire_.frames_received;
    auto* st = s.find(frame->hd.stream_id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (!st || st->failed) {
          s.block_ = {};
          break;
        }
        on_head(s, *st, frame->headers.cat == NGHTTP2_HCAT_REQUEST);
        if (!st->failed && ends_stream(*frame)) on_end(s, *st);
        break;
      case NGHTTP2_DATA:
        if (st && !st->failed && ends_stream(*frame)) on_end(s, *st);
        break;
      case NGHTTP2_RST_STREAM:
        if (st) st->reset_by_peer = true;
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
          s.settings_sent_.reset();
          s.settings_acknowledged_ = true;
        } else if (!std::exchange(s.settings_seen_, true)) {
          s.emit(event::kind::settings);
        }
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
          std::uint64_t opaque = 0;
          std::memcpy(&opaque, frame->ping.opaque_data, sizeof opaque);
          if (opaque == window_ping) {
            s.measured_ = true;
          } else if (opaque == drain_ping) {
            s.drain_due_ = session::drain_step::goaway;
          } else if (opaque != keepalive_ping) {  // that one is answered by any byte
            s.emit(event::kind::pong, 0, opaque);
          }
        }
        break;
      case NGHTTP2_PRIORITY_UPDATE:
        on_priority_update(s, *frame);
        break;
      case NGHTTP2_GOAWAY:
        s.goaway_ = {true, frame->goaway.last_stream_id, frame->goaway.error_code,
                     std::string(text(frame->goaway.opaque_data, frame->goaway.opaque_data_len))};
        s.emit(event::kind::goaway);
        s.refuse_unsent();
        break;
      default:
        break;
    }
    return 0;
  }

  // It may come before the request (RFC 9218, section 7.1).
  static void on_priority_update(session& s, const nghttp2_frame& frame) {
    const auto id = static_cast<const nghttp2_ext_priority_update*>(frame.ext.payload)->stream_id;
    if (s.find(id)) {
      std::erase(s.to_share_, id);
      s.ordered_ = true;
    } else if (id > s.last_request_ && s.prioritized_.size() < s.config_.max_concurrent_streams) {
      s.prioritized_.insert(id);
    }
  }

  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int error, void* user) {
    auto& s = self(user);
    s.block_.stream = 0;  // if it was a block, it is over
    s.invalid_frame_ = std::string(nghttp2_strerror(error)) + " in " + frame_name(frame->hd.type);
    if (auto* st = s.find(frame->hd.stream_id)) st->invalid_frame = std::make_unique<std::string>(s.invalid_frame_);
    if (frame->hd.stream_id != 0) s.guard_.spend(spending::resets);
    return 0;
  }

  static int on_error(nghttp2_session*, int, const char* message, std::size_t size, void* user) {
    self(user).invalid_frame_ = std::string(message, size);
    return 0;
  }

  static int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    auto& s = self(user);
    if (s.block_.stream == id) s.block_.stream = 0;  // we reset it, and the engine passes over the rest
    if (auto* st = s.find(id)) s.close_stream(*st, code);
    return 0;
  }

  // Sending

  static stream& owner(const nghttp2_data_source* source) { return *static_cast<stream*>(source->ptr); }

  // Says how much there is; it is taken in on_data, which follows at once. Behind the last of it the engine lets go of
  // its frame, instead of asking again: what comes later is offered again.
  static ssize_t on_read(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t size, std::uint32_t* flags,
                         nghttp2_data_source* source, void* user) {
    auto& st = owner(source);
    if (st.failed || !st.out.ready()) return NGHTTP2_ERR_DEFERRED;
    const auto n = std::min(size, st.out.bytes());
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == st.out.bytes()) {
      st.offered = false;
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!st.out.closed() || st.out.has_trailers()) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      if (st.out.has_trailers()) self(user).due_trailers_.push_back(st.id);
    }
    return static_cast<ssize_t>(n);
  }

  static int on_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t size,
                     nghttp2_data_source* source, void* user) {
    auto& s = self(user);
    auto& st = owner(source);
    s.to_->append(text(head, frame_head_size));
    st.out.read(*s.to_, size, s.completed_);
    s.complete_sends(st);
    st.bytes_sent += size;
    s.payload_.sent += size;
    s.guard_.earn(spending::pings, 1);
    s.guard_.earn(spending::window_updates, 2 * size);
    if (st.out.empty()) {
      s.end_stall(st);
    } else {
      s.unsettled_.push_back({st.id, 0});
    }
    return s.to_->size() < s.full_at_ ? 0 : NGHTTP2_ERR_PAUSE;
  }

  // By what the engine found wrong and did not tell.
  static bool is_provoked(const nghttp2_frame& frame, const stream& st) {
    return frame.hd.type == NGHTTP2_RST_STREAM && frame.rst_stream.error_code != NGHTTP2_NO_ERROR && !st.failed &&
           !st.invalid_frame;
  }

  static int on_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& s = self(user);
    ++s.wire_.frames_sent;
    if (s.config_.trace) s.frames_.push_back(trace_sent(*frame));
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !s.terminated_by_us_) {
      failure why;
      // Of its own accord the engine finds too much of little: entries of SETTINGS.
      const bool too_much = frame->goaway.error_code == NGHTTP2_ENHANCE_YOUR_CALM;
      why.code = too_much ? errc::limit_exceeded : errc::protocol_error;
      why.message = s.config_.peer +
                    " broke HTTP/2: " + (s.invalid_frame_.empty() ? fault(frame->goaway.error_code) : s.invalid_frame_);
      why.origin = origin::peer;
      why.http2_code = frame->goaway.error_code;
      s.fail_connection(std::move(why));
    }
    // PINGs overtake what is queued, and the answer to this one shall say that the GOAWAY is known.
    if (frame->hd.type == NGHTTP2_GOAWAY && s.drain_ == session::drain::announced) {
      s.drain_due_ = session::drain_step::ping;
    }
    auto* st = s.find(frame->hd.stream_id);
    if (!st) return 0;
    if (is_provoked(*frame, *st)) s.guard_.spend(spending::resets);
    if (frame->hd.type == NGHTTP2_HEADERS && s.config_.role == role::client && st->local == progress::head) {
      st->local = progress::body;  // the request: no operation waits for it
      s.begun_.push_back(st->id);
      if (st->out.at_end() && st->out.has_trailers()) s.due_trailers_.push_back(st->id);
    } else if (frame->hd.type == NGHTTP2_HEADERS && !st->header_ops.empty()) {
      s.emit(event::kind::sent, st->id, st->header_ops.pop_front());
      st->header_ops.rest();  // the next, if any, are trailers
    }
    const bool carries_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries_end && ends_stream(*frame)) {
      st->local = progress::ended;
      // A server may end before the request does; it then wants no more of it (RFC 9113, section 8.1).
      if (st->orphan && st->remote != progress::ended) s.to_stop_.push_back(st->id);
    }
    return 0;
  }

  static int on_frame_not_send(nghttp2_session*, const nghttp2_frame* frame, int error, void* user) {
    auto& s = self(user);
    auto* st = s.find(frame->hd.stream_id);
    if (st && frame->hd.type == NGHTTP2_HEADERS && !st->failed && !st->closed) {
      const auto why = error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED ? errc::refused : errc::limit_exceeded;
      failure f;
      f.code = why;
      f.message = fault(frame->headers, error);
      f.http2_code = raw(h2::code::internal_error);
      s.fail(*st, std::move(f));
      // For the peer a stream whose request was not sent is idle: to reset it would break the connection.
      if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) s.to_reset_.emplace_back(st->id, raw(h2::code::internal_error));
    }
    return 0;
  }
};

namespace {

// The engine is C, and no exception may pass through it: it is told that the callback failed, and the session finds out
// why once the engine has returned. Some must not fail, because the engine would lose what it was about to free.
template <auto Callback, int Result = NGHTTP2_ERR_CALLBACK_FAILURE>
struct guarded;

template <class R, class... Args, R (*Callback)(Args...), int Result>
struct guarded<Callback, Result> {
  static R call(Args... args) noexcept {
    try {
      return Callback(args...);
    } catch (...) {
      auto* user = std::get<sizeof...(args) - 1>(std::tie(args...));
      session_callbacks::run_out(user);
      return Result;
    }
  }
};

}  // namespace

void session::close_stream(stream& s, std::uint32_t http2_code) {
  if (s.closed) return;
  // An answer that did not want the rest of the request is no failure either.
  const bool answered = s.orphan && s.local == progress::ended && !s.reset_by_peer;
  if ((s.remote == progress::ended || answered) && http2_code == NGHTTP2_NO_ERROR) {
    if (s.remote != progress::ended) {
      s.send_end = errc::stream_reset;
      s.in.end(s.send_end);
    }
    // Complete; or RST_STREAM(NO_ERROR) after a whole response: the peer wants no more of the request.
    if (s.local != progress::ended) {
      s.send_end = errc::stream_reset;
      if (s.out.closed() && s.out.bytes() == 0 && !s.out.has_trailers()) {
        outgoing nothing;
        s.out.read(nothing, 0, completed_);
        complete_sends(s);
        end_unsent(s);
      }
      s.out.clear();
    }
  } else {
    fail(s, stream_failure(s, http2_code));
  }
  s.closed = true;
  record_end(s);
  // A request that was refused before it was complete was not announced: nobody will release it.
  if (config_.role == role::server && s.remote == progress::head) {
    s.orphan = true;
    if (config_.tell_rejected && s.failed) rejected_.push_back(s.failed);
  }
  --active_;
  granted_ -= s.window;
  clear_deadlines(s);
  emit(event::kind::closed, s.id);
  to_erase_.push_back(s.id);
}

nghttp2_data_provider payload_source(stream& s) noexcept {
  nghttp2_data_provider source{};
  source.source.ptr = &s;
  source.read_callback = guarded<session_callbacks::on_read>::call;
  return source;
}

nghttp2_session* make_engine(bool server, const peer_limits& limits, session* owner, engine_memory& memory) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_session_callbacks, void (*)(nghttp2_session_callbacks*)> keep_callbacks(
      callbacks, nghttp2_session_callbacks_del);
  if (nghttp2_option_new(&option) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_option, void (*)(nghttp2_option*)> keep_option(option, nghttp2_option_del);

  using on = session_callbacks;
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, guarded<on::on_begin_headers>::call);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, guarded<on::on_header>::call);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, guarded<on::on_data_chunk>::call);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, guarded<on::on_frame_recv>::call);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, guarded<on::on_invalid_frame>::call);
  nghttp2_session_callbacks_set_error_callback2(callbacks, guarded<on::on_error>::call);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, guarded<on::on_stream_close, 0>::call);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, guarded<on::on_data>::call);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, guarded<on::on_frame_send>::call);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, guarded<on::on_frame_not_send>::call);

  nghttp2_option_set_no_auto_window_update(option, 1);  // the ledger decides
  nghttp2_option_set_no_closed_streams(option, 1);      // they serve only RFC 7540 priorities
  // Its own limit counts reads as well, and refuses a legal block that comes byte by byte: we count.
  nghttp2_option_set_max_continuations(option, std::numeric_limits<std::size_t>::max());
  // Its limit of resets reads another clock than ours, and would be in the way of a larger one.
  lift_reset_limit(option);
  nghttp2_option_set_max_outbound_ack(option, most_queued(limits));
  // To a client it is an unknown frame like others.
  if (server) nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);

  nghttp2_session* engine = nullptr;
  const auto make = server ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  if (make(&engine, callbacks, owner, option, memory.allocator()) != 0) throw std::bad_alloc();
  return engine;
}

}  // namespace duplex::core
