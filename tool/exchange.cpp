// One request and its reply, as the server's handlers see it.

#include "exchange.hpp"

#include "units.hpp"

#include <utility>

namespace duplex::tool {

exchange::exchange(request head, h2::stream s, traffic& counts)
    : head_(std::move(head)), target_(head_.path()), stream_(std::move(s)), counts_(counts) {}

std::string_view exchange::path() const noexcept {
  return std::string_view(target_).substr(0, std::string_view(target_).find('?'));
}

std::string_view exchange::last_part() const noexcept { return path().substr(path().rfind('/') + 1); }

std::optional<std::string_view> exchange::query(std::string_view name) const noexcept {
  std::string_view left = std::string_view(target_).substr(path().size());
  while (!left.empty()) {
    left.remove_prefix(1);  // ? or &
    const auto part = left.substr(0, left.find('&'));
    left.remove_prefix(part.size());
    if (part.starts_with(name) && part.substr(name.size()).starts_with('=')) return part.substr(name.size() + 1);
  }
  return std::nullopt;
}

asio::awaitable<std::optional<std::string>> exchange::next() {
  for (;;) {
    auto m = co_await stream_.async_recv();
    if (std::holds_alternative<done>(m)) {
      request_ended_ = true;
      co_return std::nullopt;
    }
    if (auto* d = std::get_if<data>(&m)) {
      received_ += d->bytes.size();
      counts_.received(d->bytes.size());
      co_return std::move(d->bytes);
    }
  }
}

asio::awaitable<void> exchange::respond(int status, fields headers) {
  if (head_.method == "HEAD") co_return co_await respond_empty(status, std::move(headers));
  response reply{status, std::move(headers)};
  status_ = status;
  co_await stream_.async_send_response(std::move(reply));
}

asio::awaitable<void> exchange::respond_empty(int status, fields headers) {
  co_await skip_short_body();
  response reply{status, std::move(headers)};
  status_ = status;
  ended_ = true;
  co_await stream_.async_send_response(std::move(reply), h2::fin);
}

asio::awaitable<void> exchange::send(std::string_view bytes) {
  if (ended_ || bytes.empty()) co_return;
  co_await stream_.async_send(bytes);
  sent_ += bytes.size();
  counts_.sent(bytes.size());
}

asio::awaitable<void> exchange::end() {
  if (std::exchange(ended_, true)) co_return;
  co_await stream_.async_send(std::string_view(), h2::fin);
}

asio::awaitable<void> exchange::end(fields trailing) {
  if (std::exchange(ended_, true)) co_return;
  co_await stream_.async_send_trailers(std::move(trailing));
}

asio::awaitable<void> exchange::respond_whole(int status, std::string_view content_type, std::string body) {
  fields headers{{"content-length", std::to_string(body.size())}};
  if (!content_type.empty()) headers.add("content-type", content_type);
  co_await skip_short_body();
  co_await respond(status, std::move(headers));
  co_await send(body);
  co_await end();
}

// A client may be told by RST_STREAM(NO_ERROR) that its body is not wanted (RFC 9113, section 8.1), and curl 7.88 takes
// that for an error. Where it has said that there is little to come, that is read before the answer.
asio::awaitable<void> exchange::skip_short_body() {
  constexpr std::size_t little = 65536;
  const auto length = parse_count(head_.headers.value_or("content-length", ""));
  if (request_ended_ || !length || *length > little) co_return;
  while (co_await next()) {
  }
}

void exchange::reset(std::uint32_t code) {
  ended_ = true;
  stream_.reset(code);
}

}  // namespace duplex::tool
