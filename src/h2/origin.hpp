#pragma once
// Whom a pool talks to, and the connections it has to them: values and choices, no I/O.

#include "core/outbox.hpp"
#include "net/connection.hpp"
#include "net/target.hpp"

#include <duplex/options.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
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

  friend auto operator<=>(const origin_key&, const origin_key&) = default;
};

[[nodiscard]] inline origin_key key_of(const net::target& where, const options& opts) {
  origin_key key{where.tls, where.host, where.port, opts.tls, opts.connect_to, opts.unix_socket, opts.family};
  for (auto& c : key.host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return key;
}

/// One connection of a pool, or the dial that will be one.
struct pooled {
  core::op_id id = 0;
  std::shared_ptr<net::connection_handle> link{};        // null while it is being dialed
  std::unique_ptr<asio::cancellation_signal> dialing{};  // ends the dial
  core::time_point dialed{};                             // when that began
  options::duration patience{};                          // the longest connect_timeout of the opens that waited for it
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
  void wait_for_dials(options::duration patience) {
    for (auto& p : links) p.patience = std::max(p.patience, patience);
  }
  /// Those that have taken as long as anybody would wait for them; or all.
  void stop_dialing(core::time_point now = core::time_point::max()) {
    const auto over = [now](const pooled& p) { return p.dialing && core::after(p.dialed, p.patience) <= now; };
    for (const auto& p : links) {
      if (over(p)) p.dialing->emit(asio::cancellation_type::terminal);
    }
    std::erase_if(links, over);
  }
  /// Whether waiting opens need another connection.
  [[nodiscard]] bool wants_more(std::size_t limit) const {
    if (queue.empty() || links.size() >= limit) return false;
    return links.empty() || (!saturated && std::none_of(links.begin(), links.end(), std::mem_fn(&pooled::coming)));
  }
};

}  // namespace duplex::h2
