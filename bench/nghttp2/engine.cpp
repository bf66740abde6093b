#include "engine.hpp"

#include <stdexcept>

namespace bench {

read_buffer& shared_buffer() {
  thread_local read_buffer buffer{};
  return buffer;
}

callbacks_ptr make_callbacks() {
  nghttp2_session_callbacks* raw = nullptr;
  if (nghttp2_session_callbacks_new(&raw) != 0) throw std::bad_alloc();
  return callbacks_ptr(raw);
}

nghttp2_nv field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

void submit_settings(nghttp2_session* engine, std::uint32_t streams) {
  std::vector<nghttp2_settings_entry> list = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(window)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams},
  };
  nghttp2_submit_settings(engine, NGHTTP2_FLAG_NONE, list.data(), list.size());
  nghttp2_session_set_local_window_size(engine, NGHTTP2_FLAG_NONE, 0, window);
}

void engine::pull() {
  out_.clear();
  written_ = 0;
  while (out_.size() < chunk) {
    const std::uint8_t* bytes = nullptr;
    const auto n = nghttp2_session_mem_send(session_.get(), &bytes);
    if (n < 0) throw std::runtime_error(nghttp2_strerror(static_cast<int>(n)));
    if (n == 0) return;
    out_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n));
  }
}

engine::outcome engine::flush_some() {
  // What was pulled before may not be all: since then something was read.
  dry_ = !blocked();
  if (!blocked()) pull();
  dry_ = dry_ && out_.size() < chunk;
  if (!blocked()) return outcome::nothing;
  while (blocked()) {
    const auto n = link_.write(std::string_view(out_).substr(written_));
    if (n == 0) return outcome::blocked;
    written_ += n;
  }
  return outcome::done;
}

engine::outcome engine::flush() {
  auto last = flush_some();
  while (last == outcome::done) last = flush_some();
  return last;
}

engine::outcome engine::read(read_buffer& buffer) {
  const auto n = link_.read(buffer.data(), buffer.size());
  if (!n) return outcome::nothing;
  if (*n == 0) return outcome::end;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(buffer.data());
  const auto used = nghttp2_session_mem_recv(session_.get(), bytes, *n);
  if (used < 0) throw std::runtime_error(nghttp2_strerror(static_cast<int>(used)));
  return outcome::done;
}

}  // namespace bench
