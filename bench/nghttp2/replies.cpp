#include "replies.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace bench {
namespace {

constexpr std::uint32_t most_streams = 60000;

using reply = replies::reply;

reply* find(nghttp2_session* s, std::int32_t id) {
  return static_cast<reply*>(nghttp2_session_get_stream_user_data(s, id));
}

int on_begin(nghttp2_session* s, const nghttp2_frame* frame, void* user) {
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  auto& r = static_cast<replies*>(user)->streams[frame->hd.stream_id];
  return nghttp2_session_set_stream_user_data(s, frame->hd.stream_id, &r);
}

int on_header(nghttp2_session* s, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
              const std::uint8_t* value, std::size_t value_size, std::uint8_t, void*) {
  auto* r = find(s, frame->hd.stream_id);
  if (!r) return 0;
  const std::string_view n(reinterpret_cast<const char*>(name), name_size);
  const std::string_view v(reinterpret_cast<const char*>(value), value_size);
  if (n == ":path") r->path = v.starts_with("/sink") ? 's' : v.starts_with("/source") ? 'd' : 'e';
  if (n == "content-type") r->grpc = v.starts_with("application/grpc");
  return 0;
}

std::size_t take_echo(reply& r, std::uint8_t* to, std::size_t size) {
  const auto n = std::min(size, r.waiting.size() - r.taken);
  std::copy_n(r.waiting.data() + r.taken, n, to);
  r.taken += n;
  // What was taken is moved over when it is the greater part, which costs each byte one move at most.
  if (r.taken * 2 >= r.waiting.size()) {
    r.waiting.erase(0, r.taken);
    r.taken = 0;
  }
  return n;
}

std::size_t take_source(reply& r, std::uint8_t* to, std::size_t size) {
  constexpr std::array<std::uint8_t, 5> prefix = {0, 0, 1, 0, 0};  // a message of 64 KiB
  std::memset(to, 'x', size);
  if (r.grpc) {
    constexpr auto period = chunk + prefix.size();
    for (std::size_t i = 0; i < size; ++i) {
      const auto at = (r.produced + i) % period;
      if (at < prefix.size()) {
        to[i] = prefix[at];
      } else {
        i += period - at - 1;
      }
    }
  }
  r.produced += size;
  return size;
}

ssize_t read_body(nghttp2_session* s, std::int32_t id, std::uint8_t* to, std::size_t size, std::uint32_t* flags,
                  nghttp2_data_source* source, void*) {
  auto& r = *static_cast<reply*>(source->ptr);
  if (r.path == 'd') return static_cast<ssize_t>(take_source(r, to, size));
  const auto n = take_echo(r, to, size);
  // The sender may go on when its bytes have left: that bounds what waits here.
  if (n > 0) nghttp2_session_consume(s, id, n);
  if (r.ended && r.waiting.empty()) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (r.grpc) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::array status = {field("grpc-status", "0")};
      nghttp2_submit_trailer(s, id, status.data(), status.size());
    }
  } else if (n == 0) {
    r.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(n);
}

void answer(nghttp2_session* s, std::int32_t id, reply& r) {
  r.answered = true;
  const std::array head = {field(":status", "200"), field("content-type", "application/grpc")};
  nghttp2_data_provider body{};
  body.source.ptr = &r;
  body.read_callback = read_body;
  nghttp2_submit_response(s, id, head.data(), head.size(), &body);
}

void resume(nghttp2_session* s, std::int32_t id, reply& r) {
  if (!r.deferred) return;
  r.deferred = false;
  nghttp2_session_resume_data(s, id);
}

int on_frame(nghttp2_session* s, const nghttp2_frame* frame, void*) {
  const auto id = frame->hd.stream_id;
  auto* r = find(s, id);
  if (!r) return 0;
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) r->ended = true;
  if (!r->answered) {
    answer(s, id, *r);
  } else if (r->ended || !r->waiting.empty()) {
    resume(s, id, *r);
  }
  return 0;
}

int on_data(nghttp2_session* s, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void*) {
  auto* r = find(s, id);
  if (r && r->path == 'e') {
    r->waiting.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }
  return nghttp2_session_consume(s, id, size);
}

int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
  static_cast<replies*>(user)->streams.erase(id);
  return 0;
}

}  // namespace

session_ptr make_server_session(replies& state) {
  const auto callbacks = make_callbacks();
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks.get(), on_begin);
  nghttp2_session_callbacks_set_on_header_callback(callbacks.get(), on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks.get(), on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks.get(), on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks.get(), on_close);
  nghttp2_option* raw = nullptr;
  nghttp2_option_new(&raw);
  const option_ptr options(raw);
  nghttp2_option_set_no_auto_window_update(raw, 1);
  nghttp2_option_set_no_closed_streams(raw, 1);
  nghttp2_session* made = nullptr;
  nghttp2_session_server_new2(&made, callbacks.get(), &state, raw);
  session_ptr s(made);
  submit_settings(made, most_streams);
  return s;
}

}  // namespace bench
