#pragma once
// A transport over any byte stream that reads and writes asynchronously: what was read waits here until it is asked
// for, what was written until it has left.

#include "net/transport.hpp"

#include <duplex/h2/lower_stream.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace duplex::net {

class stream_transport final : public transport {
 public:
  /// What is read ahead at most, and as much that waits to be written.
  static constexpr std::size_t buffer_size = std::size_t{16} << 10;
  static constexpr std::size_t output_size = std::size_t{64} << 10;

  /// `executor` is the strand on which this is used; so is `below`.
  stream_transport(asio::any_io_executor executor, std::shared_ptr<h2::lower_stream> below);
  stream_transport(const stream_transport&) = delete;
  stream_transport& operator=(const stream_transport&) = delete;
  ~stream_transport() override;

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override;
  std::size_t write_some(asio::const_buffer from, error_code& ec) override;
  std::size_t write_pieces(std::span<const std::string_view> pieces, error_code& ec) override;
  error_code shutdown() override;
  void close() override;
  void async_wait(direction what, wait_handler handler) override;
  asio::any_io_executor get_executor() override;

 private:
  struct state;
  std::shared_ptr<state> state_;  // of the operations as well
};

}  // namespace duplex::net
