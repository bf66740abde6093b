#pragma once
// A byte stream below HTTP/2: TCP, a Unix socket, TLS over one of them, or memory. Nothing here blocks or buffers
// ahead: what cannot go on says `would_block`, and then one waits.

#include <duplex/error.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/strand.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace duplex::net {

namespace asio = boost::asio;

using strand = asio::strand<asio::any_io_executor>;

enum class direction { reading, writing };

/// Of a write: TLS has half a message of the peer's, and can say nothing before it has the rest.
constexpr auto needs_input = asio::error::in_progress;

/// To be used by one thread at a time.
class transport {
 public:
  using wait_handler = asio::any_completion_handler<void(error_code)>;

  transport() = default;
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;
  virtual ~transport() = default;

  /// Takes what has arrived. Less than fits means that there was no more. Without any: `would_block`; or `eof` after
  /// the peer's end, which may also be said with its last bytes; or no error, if what was there had nothing for the
  /// caller: let others have their turn, and call again.
  virtual std::size_t read_some(asio::mutable_buffer to, error_code& ec) = 0;

  /// Sends what there is room for, and says how much that was. `would_block`: wait and call again, with what is left,
  /// which may be nothing: what was taken may still have to leave. `needs_input`: call again with what is left when
  /// more was read.
  virtual std::size_t write_some(asio::const_buffer from, error_code& ec) = 0;

  /// As above, of several pieces in a row, none of which is empty.
  virtual std::size_t write_pieces(std::span<const std::string_view> pieces, error_code& ec) {
    std::size_t total = 0;
    ec = {};
    for (const auto piece : pieces) {
      const auto n = write_some(asio::buffer(piece), ec);
      total += n;
      if (ec || n < piece.size()) break;
    }
    return total;
  }

  /// Tells the peer that nothing follows; what it still sends is dropped until its end. `would_block`: wait for
  /// writing, and call again.
  virtual error_code shutdown() = 0;

  /// How many bytes that were sent the peer has not taken yet, as far as that can be known; `close` may lose them.
  [[nodiscard]] virtual std::size_t untaken() { return 0; }

  /// Ends at once; what waits completes with an error.
  virtual void close() = 0;

  /// Completes when another attempt is worth it. One wait in each direction at a time; its handler runs on the
  /// transport's executor, never inside the call.
  virtual void async_wait(direction what, wait_handler handler) = 0;

  [[nodiscard]] virtual asio::any_io_executor get_executor() = 0;

  /// Nothing has moved for a while: gives back memory that is there for more of it.
  virtual void rest() {}

  /// Ends the waits, whose handlers see `operation_aborted`, and leaves the executor alone until the next one. Returns
  /// the descriptor that can be waited for without it; -1 if there is none.
  virtual int detach() { return -1; }
};

/// Whether an operation only has to be tried again later.
[[nodiscard]] inline bool must_wait(error_code ec) {
  return ec == asio::error::would_block || ec == asio::error::try_again;
}

}  // namespace duplex::net
