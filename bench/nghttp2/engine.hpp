#pragma once
// nghttp2 on a socket: what the client and the server share. Frames leave in writes of about 64 KiB.

#include "common/link.hpp"
#include "common/plan.hpp"

#include <nghttp2/nghttp2.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// What bulk transfers need on a fast path.
inline constexpr std::int32_t window = std::int32_t{16} << 20;

struct nghttp2_deleter {
  void operator()(nghttp2_session* s) const noexcept { nghttp2_session_del(s); }
  void operator()(nghttp2_session_callbacks* c) const noexcept { nghttp2_session_callbacks_del(c); }
  void operator()(nghttp2_option* o) const noexcept { nghttp2_option_del(o); }
};
using callbacks_ptr = std::unique_ptr<nghttp2_session_callbacks, nghttp2_deleter>;
using option_ptr = std::unique_ptr<nghttp2_option, nghttp2_deleter>;
using session_ptr = std::unique_ptr<nghttp2_session, nghttp2_deleter>;
// With room for the heads of the frames, so that a message of 64 KiB is read at once, as it is without HTTP/2.
using read_buffer = std::array<char, chunk + chunk / 8>;

/// One for all connections of a thread: what was read is used up before the next read.
[[nodiscard]] read_buffer& shared_buffer();

[[nodiscard]] callbacks_ptr make_callbacks();
/// A header field whose name and value are literals, or outlive the call.
[[nodiscard]] nghttp2_nv field(std::string_view name, std::string_view value);
/// Announces windows of 16 MiB, and as a server `streams` at a time.
void submit_settings(nghttp2_session* engine, std::uint32_t streams);

class engine {
 public:
  engine(link l, session_ptr s) : link_(std::move(l)), session_(std::move(s)) {}

  enum class outcome { done, nothing, blocked, end };
  /// Writes what there is, until there is no more or the socket takes no more.
  outcome flush();
  /// As `flush`, a single write of at most 64 KiB.
  outcome flush_some();
  /// Reads once.
  outcome read(read_buffer& buffer);

  [[nodiscard]] nghttp2_session* session() const noexcept { return session_.get(); }
  [[nodiscard]] bool blocked() const noexcept { return written_ < out_.size(); }
  /// The last `flush_some` wrote all there was.
  [[nodiscard]] bool dry() const noexcept { return dry_; }
  [[nodiscard]] link& transport() noexcept { return link_; }
  [[nodiscard]] const link& transport() const noexcept { return link_; }

 private:
  void pull();

  link link_;
  session_ptr session_;
  std::string out_;
  std::size_t written_ = 0;
  bool dry_ = false;
};

}  // namespace bench
