#pragma once
// TLS over another transport.

#include "net/tls_engine.hpp"
#include "net/transport.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace duplex::net {

class tls_transport final : public transport {
 public:
  /// Throws `boost::system::system_error` if OpenSSL cannot make a session.
  tls_transport(std::unique_ptr<transport> below, std::shared_ptr<asio::ssl::context> context, tls_engine::role as);

  /// Before the handshake: as the engine's.
  void write_early(std::string bytes) { engine_.write_early(std::move(bytes)); }
  /// Before anything else. `handler(error_code)`; keep the transport until then.
  void async_handshake(wait_handler handler);
  [[nodiscard]] SSL* native_handle() const noexcept { return engine_.native_handle(); }

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override;
  std::size_t write_some(asio::const_buffer from, error_code& ec) override;
  std::size_t write_pieces(std::span<const std::string_view> pieces, error_code& ec) override;
  error_code shutdown() override;
  void rest() override { engine_.rest(); }
  std::size_t untaken() override { return below_->untaken(); }
  void close() override { below_->close(); }
  void async_wait(direction what, wait_handler handler) override { below_->async_wait(what, std::move(handler)); }
  asio::any_io_executor get_executor() override { return below_->get_executor(); }
  int detach() override { return below_->detach(); }

 private:
  [[nodiscard]] error_code flush();
  void take_input(asio::mutable_buffer cipher, error_code& ec);
  [[nodiscard]] std::optional<error_code> step();
  std::size_t read_plain(asio::mutable_buffer to, error_code& ec);

  std::unique_ptr<transport> below_;
  tls_engine engine_;
  bool ended_ = false;  // by `shutdown`
};

}  // namespace duplex::net
