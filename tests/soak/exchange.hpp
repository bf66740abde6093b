#pragma once
// What clients and servers do with each other: one stream that carries known bytes up, down or both ways, and what must
// be true of it whatever the path did.

#include "choice.hpp"
#include "content.hpp"
#include "report.hpp"

#include <duplex/duplex.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace duplex::soak {

namespace asio = boost::asio;

enum class direction { upload, download, echo };

/// One exchange, chosen by a client. The request tells the server.
struct exchange {
  direction way = direction::echo;
  std::uint64_t seed = 0;
  std::size_t bytes = 0;
  std::size_t piece = 1;
  bool manual = false;
  /// Give up after so many bytes.
  std::size_t patience = infinity;

  static exchange chosen(choice& c);
  [[nodiscard]] request head(const std::string& url) const;
  [[nodiscard]] options settings() const;
  [[nodiscard]] const char* name() const;
  [[nodiscard]] std::size_t up() const { return way == direction::download ? 0 : bytes; }
  [[nodiscard]] std::size_t down() const { return way == direction::upload ? 0 : bytes; }
};

/// Checks what a client receives.
class receiver {
 public:
  receiver(const exchange& x, report& report) : x_(x), content_(x.seed), report_(report) {}

  /// False: there is no more, or the client has no more patience.
  [[nodiscard]] bool see(h2::stream& s, const message& m);
  [[nodiscard]] bool complete() const noexcept { return complete_; }

 private:
  const exchange& x_;
  content content_;
  report& report_;
  std::size_t received_ = 0;
  std::string count_{};
  bool complete_ = false;
};

/// Serves every exchange.
asio::awaitable<void> serve(request head, h2::stream s, report& report);

using blocking_open = std::function<h2::stream(const request&, options, error_code&)>;
/// One exchange in blocking style: sends on a thread of its own.
void run_blocking(const exchange& x, const std::string& url, const blocking_open& open, report& report);
/// One exchange in coroutine style.
asio::awaitable<void> run_coroutine(exchange x, std::string url, h2::client client, report& report);

}  // namespace duplex::soak
