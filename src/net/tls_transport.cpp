// TLS over another transport.

#include "net/tls_transport.hpp"

#include "net/scratch.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace duplex::net {

tls_transport::tls_transport(std::unique_ptr<transport> below, std::shared_ptr<asio::ssl::context> context,
                             tls_engine::role as)
    : below_(std::move(below)), engine_(std::move(context), as) {}

// Ciphertext on its way out.
error_code tls_transport::flush() {
  error_code ec;
  while (!ec && !engine_.drained()) engine_.sent(below_->write_some(engine_.output(), ec));
  return ec;
}

// Lends the engine what has arrived.
void tls_transport::take_input(asio::mutable_buffer cipher, error_code& ec) {
  const auto n = below_->read_some(cipher, ec);
  if (ec == asio::error::eof) {
    engine_.feed_end();
    ec = {};
  }
  if (n > 0) engine_.feed(asio::buffer(cipher, n));
}

// Behind our close_notify the peer's bytes are of no use, but a socket that is closed before they are read answers with
// RST, and the peer loses what it has not read yet. They are decrypted all the same: its end may be a close_notify,
// long before it closes its socket.
std::size_t tls_transport::read_some(asio::mutable_buffer to, error_code& ec) {
  const auto n = read_plain(to, ec);
  if (ended_) return 0;
  // The peer's end may have come with its last bytes. Nobody may have to wait for more of its input to be told.
  if (n < to.size() && engine_.over()) (void)engine_.read(to + n, ec);
  return n;
}

// One piece of input at a time: there may be no end of it, and no plaintext in it.
std::size_t tls_transport::read_plain(asio::mutable_buffer to, error_code& ec) {
  cipher_memory cipher;
  auto n = engine_.read(to, ec);
  if (must_wait(ec)) {
    take_input(cipher.get(), ec);
    if (!ec) {
      n = engine_.read(to, ec);
      if (must_wait(ec)) ec = {};
    }
  }
  engine_.keep();
  // What the engine has to say by itself, an alert or a key update, leaves with the next write otherwise.
  if (!engine_.drained()) (void)flush();
  return n;
}

std::size_t tls_transport::write_some(asio::const_buffer from, error_code& ec) {
  ec = flush();
  if (ec || from.size() == 0) return 0;
  from = asio::buffer(from, scratch::size);
  auto& memory = scratch::here().records;
  engine_.lend_output(std::exchange(memory, {}));
  const auto n = engine_.write(from, ec);
  if (must_wait(ec)) ec = needs_input;
  if (const auto broken = flush(); broken) ec = broken;
  if (engine_.drained()) memory = engine_.take_output();
  return n;
}

// Joined, because each piece would be a record of its own.
std::size_t tls_transport::write_pieces(std::span<const std::string_view> pieces, error_code& ec) {
  if (pieces.size() == 1) return write_some(asio::buffer(pieces.front()), ec);
  auto& joined = scratch::here().joined;
  joined.clear();
  for (const auto piece : pieces) joined.append(piece.substr(0, scratch::size - joined.size()));
  return write_some(asio::buffer(joined), ec);
}

error_code tls_transport::shutdown() {
  if (!std::exchange(ended_, true)) engine_.shutdown();
  if (const auto ec = flush()) return ec;
  return below_->shutdown();
}

// As far as one piece of input goes; nothing if there may be more.
std::optional<error_code> tls_transport::step() {
  auto ec = engine_.handshake();
  if (const auto broken = flush(); broken && !must_wait(broken)) return ec && !must_wait(ec) ? ec : broken;
  if (!must_wait(ec)) return ec;
  cipher_memory cipher;
  take_input(cipher.get(), ec);
  if (ec) return ec;
  engine_.keep();
  return std::nullopt;
}

void tls_transport::async_handshake(wait_handler handler) {
  const auto ec = step();
  if (!ec) {
    return asio::post(get_executor(),
                      [this, handler = std::move(handler)]() mutable { async_handshake(std::move(handler)); });
  }
  if (!must_wait(*ec)) {
    return asio::post(get_executor(), [handler = std::move(handler), ec]() mutable { std::move(handler)(*ec); });
  }
  const auto what = engine_.drained() ? direction::reading : direction::writing;
  below_->async_wait(what, [this, handler = std::move(handler)](error_code waited) mutable {
    if (waited) return std::move(handler)(waited);
    async_handshake(std::move(handler));
  });
}

}  // namespace duplex::net
