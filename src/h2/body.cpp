// Reads a body piece by piece.

#include "h2/body.hpp"

#include <duplex/error.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <variant>

namespace duplex::h2 {
namespace {

std::string unreadable(const std::filesystem::path& path, const std::string& why) {
  return "the file " + path.string() + " cannot be sent: " + why;
}

}  // namespace

std::optional<std::string> body_reader::open() {
  const auto& content = source_.content();
  if (const auto* bytes = std::get_if<std::string>(&content)) size_ = bytes->size();
  if (const auto* path = std::get_if<std::filesystem::path>(&content)) return open_file(*path);
  return std::nullopt;
}

std::optional<std::string> body_reader::open_file(const std::filesystem::path& path) {
  std::error_code ec;
  const auto kind = std::filesystem::status(path, ec);
  if (ec) return unreadable(path, ec.message());
  // To open a pipe can take for ever, and this thread has more to do.
  if (!std::filesystem::is_regular_file(kind)) return unreadable(path, "it is not a regular file");
  file_.open(path, std::ios::binary);
  if (!file_) return unreadable(path, std::generic_category().message(errno));
  size_ = std::filesystem::file_size(path, ec);
  if (ec) return unreadable(path, ec.message());
  return std::nullopt;
}

body_reader::piece body_reader::read_file(const std::filesystem::path& path) {
  const auto wanted = std::min<std::uint64_t>(chunk_size_, *size_ - taken_);
  held_.resize(wanted);
  file_.read(held_.data(), static_cast<std::streamsize>(wanted));
  if (static_cast<std::uint64_t>(file_.gcount()) != wanted) {
    throw boost::system::system_error(errc::invalid_argument,
                                      unreadable(path, "it ended early, or could not be read to its end"));
  }
  taken_ += wanted;
  return {held_, taken_ == *size_};
}

body_reader::piece body_reader::take(body_source::piece made) {
  if (!made) return {{}, true};
  held_ = std::move(*made);
  return {held_, false};
}

boost::asio::awaitable<body_reader::piece> body_reader::next() {
  const auto& content = source_.content();
  if (const auto* bytes = std::get_if<std::string>(&content)) {
    const auto chunk = std::string_view(*bytes).substr(taken_, chunk_size_);
    taken_ += chunk.size();
    co_return piece{chunk, taken_ == bytes->size()};
  }
  if (const auto* path = std::get_if<std::filesystem::path>(&content)) co_return read_file(*path);
  if (const auto* make = std::get_if<body_source::producer>(&content)) co_return take((*make)());
  auto made = co_await std::get<body_source::async_producer>(content)();
  co_return take(std::move(made));
}

}  // namespace duplex::h2
