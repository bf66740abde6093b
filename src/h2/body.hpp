#pragma once
// Reads a body piece by piece, whatever it is made of.

#include <duplex/h2/body.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace duplex::h2 {

class body_reader {
 public:
  struct piece {
    /// Valid until the next call.
    std::string_view bytes{};
    bool last = false;
  };

  body_reader(body_source source, std::size_t chunk_size) : source_(std::move(source)), chunk_size_(chunk_size) {}

  /// Opens the file, if it is one, and returns what is wrong with it.
  [[nodiscard]] std::optional<std::string> open();

  /// After `open`: the size, where it is known.
  [[nodiscard]] const std::optional<std::uint64_t>& size() const noexcept { return size_; }

  /// Not called again after the last piece. Throws what the producer throws, or a `system_error` about the file.
  [[nodiscard]] boost::asio::awaitable<piece> next();

 private:
  [[nodiscard]] std::optional<std::string> open_file(const std::filesystem::path& path);
  [[nodiscard]] piece read_file(const std::filesystem::path& path);
  [[nodiscard]] piece take(body_source::piece made);

  body_source source_;
  std::size_t chunk_size_;
  std::optional<std::uint64_t> size_;
  std::uint64_t taken_ = 0;
  std::ifstream file_;
  std::string held_;
};

}  // namespace duplex::h2
