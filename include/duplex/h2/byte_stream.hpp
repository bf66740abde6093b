#pragma once
// A stream as Asio's AsyncReadStream and AsyncWriteStream: whatever is written for a socket runs over it. With the
// method CONNECT it is a tunnel (RFC 9113, section 8.5).

#include <duplex/error.hpp>
#include <duplex/h2/stream.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace duplex::h2 {

/// The bytes of a stream's DATA, without their boundaries: `asio::async_read_until`, `asio::ssl::stream<byte_stream>`
/// and `connection::over` take it for a socket.
///
/// On a client the response belongs to whoever made the stream: `recv` it first, and look at it. A response that nobody
/// has taken is passed over if its status is 2xx, and fails the read with `errc::proxy_failed` if not. On a server
/// `send_response` comes first. Trailers are dropped. The peer's end is `asio::error::eof`; every other error is
/// the stream's. `failure()` has the words.
///
/// Flow control: one message at a time is taken from the stream, when a read finds nothing left of the one before; what
/// a read leaves of it waits here. With `flow_control::automatic` its bytes are returned to the peer's window when it
/// is taken, with `flow_control::manual` as they are read, so that then no more than the window is ever here. A peer
/// that is not read stops in both.
///
/// Thread-safety: one read, one write and everything else at the same time, on any threads; two reads, two writes or an
/// assignment at the same time are not safe. Executors and exceptions as for `stream`. Destroyed, it lets its stream
/// go: pending operations complete with `errc::canceled`, and if it was the last handle the stream is reset.
/// Cancellation, of any type: a cancelled read has lost nothing, a cancelled write resets the stream, because the peer
/// could not know what is missing.
class byte_stream {
 public:
  using executor_type = stream::executor_type;
  using lowest_layer_type = byte_stream;
  using io_handler = asio::any_completion_handler<void(error_code, std::size_t)>;

  /// Takes over the reading of `s`, which is in passive mode.
  explicit byte_stream(stream s);
  byte_stream(byte_stream&&) noexcept;
  byte_stream& operator=(byte_stream&&) noexcept;
  ~byte_stream();

  /// The stream's.
  [[nodiscard]] executor_type get_executor() const;
  /// Nothing is below: what `asio::ssl::stream` takes for the socket.
  [[nodiscard]] lowest_layer_type& lowest_layer() noexcept { return *this; }
  [[nodiscard]] const lowest_layer_type& lowest_layer() const noexcept { return *this; }
  [[nodiscard]] stream& get_stream() noexcept;
  [[nodiscard]] const stream& get_stream() const noexcept;
  /// Why the stream failed; or who refused the tunnel, and with which status.
  [[nodiscard]] std::optional<duplex::failure> failure() const;

  /// Reads what there is, and waits while that is nothing; at most `options::recv_timeout` if the stream has one, then
  /// `errc::timeout`, and it can be read on. Completion signature: `void(error_code, std::size_t)`; the buffers' memory
  /// stays the caller's and valid until then.
  template <class Buffers, asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    requires asio::is_mutable_buffer_sequence<Buffers>::value
  auto async_read_some(const Buffers& buffers, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [state = state_, into = first_of<asio::mutable_buffer>(buffers)](auto handler) {
          start_read(state, into, io_handler(std::move(handler)));
        },
        token);
  }

  /// Sends without copying, as `stream::async_send`: completes when all of it (of the first few buffers, if they are
  /// many) was framed within the peer's windows. Completion signature: `void(error_code, std::size_t)`.
  template <class Buffers, asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    requires asio::is_const_buffer_sequence<Buffers>::value
  auto async_write_some(const Buffers& buffers, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [state = state_, from = first_of<asio::const_buffer>(buffers)](auto handler) {
          start_write(state, from, io_handler(std::move(handler)));
        },
        token);
  }

  /// As the asynchronous ones, blocking; a write as `stream::send`. Errors: also `would_deadlock`.
  template <class Buffers>
    requires asio::is_mutable_buffer_sequence<Buffers>::value
  std::size_t read_some(const Buffers& buffers) {
    return read(first_of<asio::mutable_buffer>(buffers));
  }
  template <class Buffers>
    requires asio::is_mutable_buffer_sequence<Buffers>::value
  std::size_t read_some(const Buffers& buffers, error_code& ec) {
    return read(first_of<asio::mutable_buffer>(buffers), ec);
  }
  template <class Buffers>
    requires asio::is_const_buffer_sequence<Buffers>::value
  std::size_t write_some(const Buffers& buffers) {
    return write(first_of<asio::const_buffer>(buffers));
  }
  template <class Buffers>
    requires asio::is_const_buffer_sequence<Buffers>::value
  std::size_t write_some(const Buffers& buffers, error_code& ec) {
    return write(first_of<asio::const_buffer>(buffers), ec);
  }

  /// Ends our side behind what was written (END_STREAM); reading goes on. Never blocks, never fails.
  void shutdown_send();

  /// Ends the stream, and its connection if that is its own (`stream::close`). Pending operations complete with
  /// `errc::canceled`. Never blocks, never fails.
  void close();

 private:
  struct state;
  struct read_op;

  // As many as one read fills, or one write sends.
  static constexpr std::size_t most_buffers = 8;
  template <class Buffer>
  struct some {
    std::array<Buffer, most_buffers> list{};
    std::size_t count = 0;
    std::size_t bytes = 0;
  };
  template <class Buffer, class Buffers>
  static some<Buffer> first_of(const Buffers& buffers) {
    some<Buffer> out;
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto it = asio::buffer_sequence_begin(buffers); it != end && out.count < most_buffers; ++it) {
      const Buffer piece(*it);
      if (piece.size() == 0) continue;
      out.list[out.count++] = piece;
      out.bytes += piece.size();
    }
    return out;
  }

  static void start_read(const std::shared_ptr<state>& from, const some<asio::mutable_buffer>& into,
                         io_handler handler);
  static void start_write(const std::shared_ptr<state>& to, const some<asio::const_buffer>& from, io_handler handler);
  std::size_t read(const some<asio::mutable_buffer>& into);
  std::size_t read(const some<asio::mutable_buffer>& into, error_code& ec);
  std::size_t write(const some<asio::const_buffer>& from);
  std::size_t write(const some<asio::const_buffer>& from, error_code& ec);

  std::shared_ptr<state> state_;
};

}  // namespace duplex::h2
