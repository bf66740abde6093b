#pragma once
// What leaves in one write: frames in one stretch of memory, and between them the payload that stayed where it was.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::core {

class outgoing {
 public:
  /// Payload in pieces of at least this many bytes is not copied: below it another piece of a write costs more.
  static constexpr std::size_t least_lent = 4096;

  void append(std::string_view bytes) { own_.append(bytes); }

  /// As `append`, but what is large is only pointed to.
  void lend(std::string_view bytes);

  [[nodiscard]] std::size_t size() const noexcept { return own_.size() + lent_bytes_; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// All of it in order, none empty; the caller may cut them down. Valid until something else is called.
  [[nodiscard]] std::span<std::string_view> pieces();

  void clear() noexcept;

 private:
  struct loan {
    std::size_t behind;  // so many bytes of `own_`
    std::string_view bytes;
  };

  std::string own_;
  std::vector<loan> lent_;
  std::size_t lent_bytes_ = 0;
  std::vector<std::string_view> pieces_;
};

}  // namespace duplex::core
