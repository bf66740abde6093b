// Routing by path and method (RFC 9110, sections 9.1, 15.5.5 and 15.5.6).

#include <duplex/h2/router.hpp>

#include "core/validate.hpp"

#include <boost/system/system_error.hpp>

#include <utility>

namespace duplex::h2 {
namespace {

void answer(stream s, int status, fields headers) {
  headers.add("content-length", "0");
  s.async_send_response({status, std::move(headers)}, fin, [keep = s](error_code) {});
}

}  // namespace

router& router::add_handler(std::string_view method, std::string_view prefix, request_handler handler) {
  if (!prefix.starts_with('/')) {
    throw boost::system::system_error(errc::invalid_argument,
                                      "a route begins with a slash, unlike " + core::quoted(prefix));
  }
  while (prefix.size() > 1 && prefix.ends_with('/')) prefix.remove_suffix(1);
  routes_[std::string(prefix)][std::string(method)] = std::move(handler);
  return *this;
}

// From the whole path on, a part less each time.
const router::methods* router::find(std::string_view path) const {
  for (;;) {
    const auto at = routes_.find(path.empty() ? "/" : path);
    if (at != routes_.end()) return &at->second;
    if (path.empty() || path == "/") return nullptr;
    path = path.substr(0, path.rfind('/'));
  }
}

void router::operator()(request head, stream s) const {
  const auto target = head.path();
  const auto* found = find(std::string_view(target).substr(0, target.find('?')));
  if (!found) return answer(std::move(s), 404, {});
  auto at = found->find(head.method);
  if (at == found->end()) at = found->find(std::string_view());
  if (at != found->end()) return at->second(std::move(head), std::move(s));
  std::string allow;
  for (const auto& [method, handler] : *found) allow += (allow.empty() ? "" : ", ") + method;
  answer(std::move(s), 405, {{"allow", std::move(allow)}});
}

}  // namespace duplex::h2
