// CONNECT, its reply parsed by Boost.Beast.

#include "net/http_connect.hpp"

#include "core/validate.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <openssl/evp.h>

#include <utility>
#include <vector>

namespace duplex::net {
namespace http = boost::beast::http;

std::string refusal_of(int status, const std::string& reason, const std::string& authenticate) {
  constexpr int ok = 200;
  constexpr int redirect = 300;
  constexpr int wants_login = 407;
  if (status >= ok && status < redirect) return "";
  auto why = "it answered " + std::to_string(status);
  if (!reason.empty()) why += " " + core::quoted(reason);
  if (status != wants_login) return why;
  return why + ": it wants a user and password" + (authenticate.empty() ? "" : ", by " + core::quoted(authenticate));
}

std::string basic_credentials(const std::string& user, const std::string& password) {
  const auto plain = user + ":" + password;
  std::vector<unsigned char> text(4 * ((plain.size() + 2) / 3) + 1);  // and a zero
  const auto size = EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(plain.data()),
                                    static_cast<int>(plain.size()));
  return "Basic " + std::string(text.begin(), text.begin() + size);
}

http_connect::http_connect(const std::string& authority, const fields& extra) {
  request_ = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  for (const auto& f : extra) request_ += f.name + ": " + f.value + "\r\n";
  request_ += "\r\n";
}

proxy_step http_connect::begin() { return {request_, 1, {}}; }

// Only a whole head is given to the parser, which may take it in pieces or not.
proxy_step http_connect::feed(std::string_view bytes) {
  head_ += bytes;
  taken_ += bytes.size();
  if (!head_.ends_with("\r\n\r\n") && !head_.ends_with("\n\n")) {
    constexpr std::string_view protocol = "HTTP/1.";
    if (!protocol.starts_with(std::string_view(head_).substr(0, protocol.size()))) {
      return proxy_step::refuse("it does not speak HTTP/1.1");
    }
    if (taken_ >= largest_reply) return proxy_step::refuse("the heads of its replies are above 16 KiB");
    return {{}, 1, {}};
  }
  http::response_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(largest_reply));
  parser.skip(true);  // whatever body it announces, there is none behind 2xx, and no need for another's
  boost::system::error_code ec;
  parser.put(boost::asio::buffer(head_), ec);
  if (ec || !parser.is_header_done()) return proxy_step::refuse("its reply is no HTTP: " + ec.message());
  const auto status = parser.get().result_int();
  if (status >= 100 && status < 200) {
    head_.clear();
    return {{}, 1, {}};
  }
  const auto& head = parser.get();
  auto why = refusal_of(static_cast<int>(status), std::string(head.reason()),
                        std::string(head[http::field::proxy_authenticate]));
  return {{}, 0, std::move(why)};
}

}  // namespace duplex::net
