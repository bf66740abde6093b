#pragma once
// Which handler answers which request: by its path and its method.

#include <duplex/h2/request_handler.hpp>

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace duplex::h2 {

/// A request handler that hands each request to another one; give it to a `server`. Of all prefixes of the path the
/// longest decides, and then the method. Without a prefix that fits, the answer is 404; with none of its methods, 405
/// with those that there are in `allow` (RFC 9110, sections 15.5.5 and 15.5.6).
///
/// A value; copies share the handlers. Not to be changed while a server has it: a server takes a copy.
class router {
 public:
  /// Requests with this method, any if it is empty, whose path is `prefix` or begins with it and a slash:
  /// `/a` takes `/a`, `/a/b` and `/a?b`, and not `/ab`; `/` takes all. A query is no part of the path. An extended
  /// CONNECT (RFC 8441) has a path like others. What was there for the same method and prefix is replaced. `handler`
  /// is called as that of `server`. Throws `boost::system::system_error` with `errc::invalid_argument` if `prefix`
  /// does not begin with a slash.
  template <class Handler>
  router& add(std::string_view method, std::string_view prefix, Handler handler) {
    return add_handler(method, prefix, make_request_handler(std::move(handler)));
  }

  void operator()(request head, stream s) const;

 private:
  using methods = std::map<std::string, request_handler, std::less<>>;

  router& add_handler(std::string_view method, std::string_view prefix, request_handler handler);
  [[nodiscard]] const methods* find(std::string_view path) const;

  std::map<std::string, methods, std::less<>> routes_;
};

}  // namespace duplex::h2
