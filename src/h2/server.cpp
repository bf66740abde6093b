// The public face of the server.

#include <duplex/h2/server.hpp>

#include "h2/launch.hpp"
#include "net/completion.hpp"
#include "net/server.hpp"

#include <utility>

namespace duplex::h2 {

server::server(std::vector<asio::any_io_executor> executors, server_options opts, request_handler handler, adapted)
    : impl_(std::make_shared<net::server>(std::move(executors), std::move(opts), std::move(handler))) {
  impl_->start();
}

server::server(server&&) noexcept = default;

server& server::operator=(server&& other) noexcept {
  if (this != &other) {
    if (impl_) impl_->close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

server::~server() {
  if (impl_) impl_->close();
}

std::uint16_t server::port() const noexcept { return impl_ ? impl_->port() : 0; }

std::string server::url() const { return impl_ ? impl_->urls().front() : std::string(); }

std::vector<std::string> server::urls() const { return impl_ ? impl_->urls() : std::vector<std::string>(); }

server_stats server::stats() const noexcept { return impl_ ? impl_->stats() : server_stats(); }

void server::reload_certificates() {
  if (impl_) impl_->reload_certificates();
}

request_handler launching(coroutine_handler handler) {
  return [shared = std::make_shared<coroutine_handler>(std::move(handler))](request head, stream s) {
    launch(shared, std::move(head), std::move(s));
  };
}

void server::start_shutdown(const std::shared_ptr<net::server>& impl, std::chrono::milliseconds grace,
                            stream::send_handler handler) {
  if (!impl) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed));
  impl->shutdown(grace, std::move(handler));
}

}  // namespace duplex::h2
