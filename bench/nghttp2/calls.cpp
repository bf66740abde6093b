#include "calls.hpp"

#include <array>
#include <cstring>
#include <stdexcept>

namespace bench {
struct calls::callbacks {
  static call* find(nghttp2_session* s, std::int32_t id) {
    return static_cast<call*>(nghttp2_session_get_stream_user_data(s, id));
  }

  static int on_frame(nghttp2_session* s, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<calls*>(user);
    auto* one = find(s, frame->hd.stream_id);
    if (one && frame->hd.type == NGHTTP2_HEADERS && self.on_head) self.on_head(*one);
    return 0;
  }

  static int on_data(nghttp2_session* s, std::uint8_t, std::int32_t id, const std::uint8_t*, std::size_t size,
                     void* user) {
    auto& self = *static_cast<calls*>(user);
    auto* one = find(s, id);
    if (!one) return 0;
    one->received += size;
    if (self.on_data) self.on_data(*one);
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    auto& self = *static_cast<calls*>(user);
    const auto found = self.all_.find(id);
    const auto one = std::move(found->second);
    self.all_.erase(found);
    if (self.on_close) {
      self.on_close(*one);
    } else {
      self.ended_ = true;
    }
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t size, std::uint32_t* flags,
                           nghttp2_data_source* source, void* user) {
    auto& self = *static_cast<calls*>(user);
    auto& one = *static_cast<call*>(source->ptr);
    if (one.out.empty()) {
      one.deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    const auto n = one.out.copy(reinterpret_cast<char*>(to), size);
    one.out.remove_prefix(n);
    if (one.out.empty()) {
      if (one.fin) *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (self.on_sent) self.on_sent(one);
    }
    return static_cast<ssize_t>(n);
  }
};

calls::calls(link l, const plan& p)
    : authority_("127.0.0.1:" + std::to_string(p.port)),
      path_(p.path()),
      scheme_(p.tls() ? "https" : "http"),
      grpc_(p.grpc),
      buffer_(shared_buffer()),
      engine_(std::move(l), make_session()),
      blocking_(!p.epoll) {}

session_ptr calls::make_session() {
  const auto list = make_callbacks();
  nghttp2_session_callbacks_set_on_frame_recv_callback(list.get(), callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(list.get(), callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(list.get(), callbacks::on_close);
  nghttp2_option* raw = nullptr;
  nghttp2_option_new(&raw);
  const option_ptr options(raw);
  nghttp2_option_set_peer_max_concurrent_streams(raw, 60000);
  nghttp2_session* made = nullptr;
  nghttp2_session_client_new2(&made, list.get(), this, raw);
  session_ptr s(made);
  submit_settings(made, 100);
  return s;
}

call& calls::open() {
  auto made = std::make_unique<call>();
  auto& one = *made;
  const std::array head = {field(":method", "POST"), field(":scheme", scheme_),
                           field(":path", path_),    field(":authority", authority_),
                           field("te", "trailers"),  field("content-type", "application/grpc")};
  const std::size_t fields = grpc_ ? head.size() : head.size() - 2;
  nghttp2_data_provider body{};
  body.source.ptr = &one;
  body.read_callback = callbacks::read_body;
  one.id = nghttp2_submit_request(engine_.session(), nullptr, head.data(), fields, &body, &one);
  if (one.id < 0) throw std::runtime_error(nghttp2_strerror(one.id));
  all_.emplace(one.id, std::move(made));
  return one;
}

void calls::send(call& one, std::string_view bytes, bool fin) {
  one.out = bytes;
  one.fin = fin;
  if (!one.deferred) return;
  one.deferred = false;
  nghttp2_session_resume_data(engine_.session(), one.id);
}

void calls::turn() {
  using outcome = engine::outcome;
  if (blocking_) {
    engine_.flush();
  } else {
    // Read between writes, so that both directions move.
    const bool more = engine_.flush_some() == outcome::done && !engine_.dry();
    if (!more && !engine_.transport().pending()) engine_.transport().wait(engine_.blocked());
  }
  if (engine_.read(buffer_) == outcome::end) throw std::runtime_error("the server ended the connection");
  if (ended_) throw std::runtime_error("the server ended the stream");
}

}  // namespace bench
