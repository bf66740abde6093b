// What proxies answer: however it is made, a codec comes to an end within a bound, says why in one line that can be
// printed, and asks for nothing once it is over.

#include "core/validate.hpp"
#include "fuzz/input.hpp"
#include "net/http_connect.hpp"
#include "net/proxy.hpp"
#include "net/socks5.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace duplex::fuzz {
namespace {

// More than the longest talk of any codec takes: the replies to CONNECT are bounded one by one, and 1xx are many.
constexpr std::size_t most_steps = std::size_t{1} << 20;

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= ' ' && c != 0x7f; });
}

template <class Codec>
void talk(Codec codec, input in) {
  auto step = codec.begin();
  require(!step.send.empty() && step.refused.empty());
  for (std::size_t i = 0; !step.over(); ++i) {
    require(i < most_steps && step.refused.empty());
    const auto piece = in.bytes(step.read);
    if (piece.size() < step.read) return;  // the connection ends
    step = codec.feed(piece);
  }
  require(printable(step.refused));
  require(step.refused.empty() || step.send.empty());
}

void check_proxy_url(const std::string& text) {
  const auto parsed = net::parse_proxy(text, "option proxy.url");
  if (const auto* bad = std::get_if<std::string>(&parsed)) return require(!bad->empty() && printable(*bad));
  const auto& good = std::get<net::proxy>(parsed);
  require(!good.where.host.empty() && good.where.port != 0);
  const bool told = !good.password.empty() && good.name().find(":" + good.password + "@") != std::string::npos;
  require(!told);
}

}  // namespace
}  // namespace duplex::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace duplex;
  fuzz::input in(data, size);
  const auto what = in.byte();
  if (what % 4 == 0) {
    fuzz::talk(net::http_connect("example.com:443", {}), in);
  } else if (what % 4 == 1) {
    fuzz::talk(net::socks5("example.com", 443, std::nullopt), in);
  } else if (what % 4 == 2) {
    fuzz::talk(net::socks5("10.0.0.1", 443, net::socks5::login{"user", "password"}), in);
  } else {
    const std::string text(in.all());
    fuzz::check_proxy_url(text);
    (void)net::in_no_proxy(text, "www.example.com");
    (void)net::in_no_proxy(text, "10.1.2.3");
  }
  return 0;
}
