#pragma once
// One question for the addresses of a host: to the system, or to the resolver of the options.

#include "net/transport.hpp"

#include <duplex/resolver.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace duplex::net {

namespace asio = boost::asio;

class lookup : public std::enable_shared_from_this<lookup> {
 public:
  using tcp = asio::ip::tcp;

  struct answer {
    /// What is wrong, for a person.
    std::optional<std::string> problem{};
    origin whose = origin::network;
    std::vector<tcp::endpoint> found{};
  };
  using handler = std::function<void(answer)>;

  lookup(const strand& executor, resolve_query what, resolve_function resolver);

  // On the strand.

  /// `done` is called once, never inside; not after `cancel`.
  void start(handler done);
  /// The system's resolver runs on, on Asio's thread for it, and whoever asks after it waits for it; a resolver of the
  /// options is told.
  void cancel();

 private:
  void ask_system(address_family family);
  void ask_resolver();
  void take(error_code ec, const std::vector<resolved_address>& list);
  /// By nothing of the network, and not inside the call.
  void fail(std::string why);
  void finish(answer a);

  strand strand_;
  resolve_query query_;
  resolve_function ask_;
  tcp::resolver system_;
  std::stop_source stop_;
  handler done_;  // empty: over
};

}  // namespace duplex::net
