#pragma once
// Whom a pool talks to, and the connections it has to them: values and choices, no I/O.

#include "core/lower.hpp"
#include "core/outbox.hpp"
#include "net/connection.hpp"
#include "net/target.hpp"

#include <duplex/options.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace duplex::h2 {

/// Everything that decides whom we talk to and whom we trust. Opens share connections only if theirs are equal.
struct origin_key {
  bool tls = true;
  std::string host{};  // in lower case
  std::uint16_t port = 0;
  tls_options trust{};
  std::string connect_to{};
  std::string unix_socket{};
  address_family family = address_family::any;
  tcp_options tcp{};
  std::optional<std::string> proxy{};
  std::optional<std::string> proxy_except{};
  tls_options proxy_trust{};
  std::vector<std::string> proxy_headers{};
  bool proxy_http2 = false;
  resolve_function resolver{};  // whoever answers in cleartext is who it says

  friend auto operator<=>(const origin_key&, const origin_key&) = default;
};

[[nodiscard]] inline origin_key key_of(const net::target& where, const options& opts) {
  origin_key key{where.tls,        where.host,  where.port,       opts.tls,       opts.connect_to,
                 opts.unix_socket, opts.family, opts.tcp,         opts.proxy.url, opts.proxy.except,
                 opts.proxy.tls,   {},          opts.proxy.http2, opts.resolver};
  for (const auto& f : opts.proxy.headers) key.proxy_headers.push_back(f.name + ":" + f.value);
  key.host = core::lower(std::move(key.host));
  return key;
}

/// One connection of a pool, or the dial that will be one.
struct pooled {
  core::op_id id = 0;
  std::shared_ptr<net::connection_handle> link{};        // null while it is being dialed
  std::unique_ptr<asio::cancellation_signal> dialing{};  // ends the dial
  core::time_point dialed{};                             // when that began
  options::duration patience{};                          // the longest connect_timeout of the opens that wait for it
  [[nodiscard]] core::time_point dial_ends() const { return core::after(dialed, patience); }
  /// As it was last reported.
  net::connection_load load{};
  /// Opens that were given to it and are not answered.
  std::size_t assigned = 0;
  bool idle = false;

  [[nodiscard]] std::size_t used() const noexcept { return load.streams + assigned; }
  /// Whether its places are not known yet. Until then it takes one stream: more than the limit would be refused.
  [[nodiscard]] bool coming() const noexcept { return !link || !load.limit; }
  [[nodiscard]] bool has_place() const noexcept { return link && used() < load.limit.value_or(1); }
};

/// The connections with one key, and the opens that wait for them.
struct origin {
  origin_key key{};
  std::vector<pooled> links{};
  std::deque<core::op_id> queue{};
  /// The last attempt to have more connections failed; the next open tries again.
  bool saturated = false;
  /// How often a connection ended because our keepalive asked too often.
  unsigned scoldings = 0;

  /// The time for the next connection: what was wanted, doubled each time as gRPC's clients do, up to two hours.
  [[nodiscard]] std::optional<options::duration> keepalive_time(std::optional<options::duration> wanted) const {
    constexpr options::duration longest = std::chrono::hours(2);
    constexpr unsigned most_doublings = 24;
    if (!wanted || *wanted >= longest) return wanted;
    return std::min(*wanted * (options::duration::rep{1} << std::min(scoldings, most_doublings)), longest);
  }

  [[nodiscard]] pooled* find(core::op_id id) {
    const auto at = std::find_if(links.begin(), links.end(), [id](const pooled& p) { return p.id == id; });
    return at == links.end() ? nullptr : &*at;
  }
  [[nodiscard]] pooled* least_loaded() {
    pooled* best = nullptr;
    for (auto& p : links) {
      if (p.has_place() && (!best || p.used() < best->used())) best = &p;
    }
    return best;
  }
  /// Whether waiting opens need another connection.
  [[nodiscard]] bool wants_more(std::size_t limit) const {
    if (queue.empty() || links.size() >= limit) return false;
    return links.empty() || (!saturated && std::none_of(links.begin(), links.end(), std::mem_fn(&pooled::coming)));
  }
};

}  // namespace duplex::h2
