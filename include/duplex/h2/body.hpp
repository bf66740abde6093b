#pragma once
// Where the body of a request comes from (RFC 9110, section 6.4).

#include <boost/asio/awaitable.hpp>

#include <concepts>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace duplex::h2 {

/// A request body, as a value: nothing, bytes, a file, or a function that makes it piece by piece.
///
/// A function returns the next piece, and `std::nullopt` after the last one; an empty piece sends nothing. It is called
/// on the operation's executor, never concurrently, and only when its last piece was framed within the peer's windows,
/// so that one piece is in memory at a time. What it throws ends the exchange: the stream is reset.
class body_source {
 public:
  using piece = std::optional<std::string>;
  using producer = std::function<piece()>;
  /// The awaitable gets a terminal cancellation when the rest of the body is not wanted any more; the operation
  /// completes after it has ended.
  using async_producer = std::function<boost::asio::awaitable<piece>()>;
  using content_type = std::variant<std::string, std::filesystem::path, producer, async_producer>;

  /// No body.
  body_source() = default;

  // Implicit, so that a verb takes what the body is made of.
  body_source(std::string bytes) : content_(std::move(bytes)) {}            // NOLINT(google-explicit-constructor)
  body_source(std::string_view bytes) : content_(std::string(bytes)) {}     // NOLINT(google-explicit-constructor)
  body_source(const char* bytes) : body_source(std::string_view(bytes)) {}  // NOLINT(google-explicit-constructor)
  template <class F>
    requires std::is_invocable_r_v<piece, F&> && std::copy_constructible<F>
  body_source(F next) : content_(producer(std::move(next))) {}  // NOLINT(google-explicit-constructor)
  template <class F>
    requires std::same_as<std::invoke_result_t<F&>, boost::asio::awaitable<piece>> && std::copy_constructible<F>
  body_source(F next) : content_(async_producer(std::move(next))) {}  // NOLINT(google-explicit-constructor)

  /// The bytes of a regular file, as many as it has when the operation starts. It is read a chunk at a time, on the
  /// operation's executor.
  [[nodiscard]] static body_source from_file(std::filesystem::path path) {
    body_source b;
    b.content_ = std::move(path);
    return b;
  }

  [[nodiscard]] const content_type& content() const noexcept { return content_; }

 private:
  content_type content_;
};

}  // namespace duplex::h2
