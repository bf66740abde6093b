#pragma once
// One request and its reply, as the server's handlers see it.

#include "traffic.hpp"

#include <duplex/h2/stream.hpp>
#include <duplex/message.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace duplex::tool {

namespace asio = boost::asio;

/// The stream with what every handler needs around it: the parts of the path, counting, and no body for HEAD.
/// Errors of the stream are thrown, and end the handler.
class exchange {
 public:
  exchange(request head, h2::stream s, traffic& counts);

  [[nodiscard]] const request& head() const noexcept { return head_; }
  [[nodiscard]] h2::stream& stream() noexcept { return stream_; }
  [[nodiscard]] const h2::stream& stream() const noexcept { return stream_; }
  [[nodiscard]] traffic& counts() noexcept { return counts_; }

  /// Without the query.
  [[nodiscard]] std::string_view path() const noexcept;
  /// The last part of the path: `404` of `/status/404`.
  [[nodiscard]] std::string_view last_part() const noexcept;
  /// The value of `name` in the query. None if it is not there.
  [[nodiscard]] std::optional<std::string_view> query(std::string_view name) const noexcept;

  /// The next piece of the request's body; none at its end.
  asio::awaitable<std::optional<std::string>> next();

  asio::awaitable<void> respond(int status, fields headers);
  asio::awaitable<void> send(std::string_view bytes);
  asio::awaitable<void> end();
  asio::awaitable<void> end(fields trailing);
  /// Reads a request's body to its end if the request said that it is short.
  asio::awaitable<void> skip_short_body();
  /// The head alone, which is all of it.
  asio::awaitable<void> respond_empty(int status, fields headers);
  /// All of it at once.
  asio::awaitable<void> respond_whole(int status, std::string_view content_type, std::string body);
  void reset(std::uint32_t code);

  // For the log.
  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] std::size_t received() const noexcept { return received_; }
  [[nodiscard]] std::size_t sent() const noexcept { return sent_; }

 private:
  request head_;
  std::string target_;
  h2::stream stream_;
  traffic& counts_;
  int status_ = 0;
  bool ended_ = false;
  bool request_ended_ = false;
  std::size_t received_ = 0;
  std::size_t sent_ = 0;
};

}  // namespace duplex::tool
