// Members of the library's options, and the flags that set them.

#include "flag_names.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace duplex::tool {
namespace {

using row = std::pair<std::string_view, std::string_view>;

constexpr std::array flags{
    row{"tls.ca_file", "--cacert"},
    row{"tls.ca_path", "--capath"},
    row{"tls.cert_file", "--cert"},
    row{"tls.key_password", "--pass"},
    row{"tls.sni", "--sni"},
    row{"tls.pinned_keys", "--pinnedpubkey"},
    row{"tls.min_version", "--tlsv1.3"},
    row{"tls.max_version", "--tls-max"},
    row{"tls.key_file", "--key"},
    row{"tls.server_name", "--servername"},
    row{"tls.keylog_file", "--keylog"},
    row{"cert_file", "--cert"},
    row{"key_file", "--key"},
    row{"key_password", "--pass"},
    row{"client_ca_file", "--client-ca"},
    row{"keylog_file", "--keylog"},
    row{"address", "--listen"},
    row{"connect_to", "--connect-to"},
    row{"unix_socket", "--unix-socket"},
    row{"proxy.url", "--proxy"},
    row{"proxy.tls.ca_file", "--proxy-cacert"},
    row{"tcp.local_address", "--interface"},
    row{"tcp.keepalive", "--tcp-keepalive"},
    row{"tcp.user_timeout", "--tcp-user-timeout"},
    row{"connect_timeout", "--connect-timeout"},
    row{"recv_timeout", "--recv-timeout"},
    row{"send_timeout", "--send-timeout"},
    row{"keepalive_time", "--keepalive-time"},
    row{"keepalive_timeout", "--keepalive-timeout"},
    row{"handshake_timeout", "--handshake-timeout"},
    row{"idle_timeout", "--idle-timeout"},
    row{"stream_window", "--window-size"},
    row{"connection_window", "--connection-window-size"},
    row{"max_recv_buffer", "--max-recv-buffer"},
    row{"backlog", "--backlog"},
    row{"max_connections", "--max-connections"},
    row{"max_connections_per_address", "--max-connections-per-address"},
    row{"max_streams", "--max-streams"},
    row{"max_header_bytes", "--max-header-bytes"},
    row{"max_header_fields", "--max-header-fields"},
    row{"max_time", "--max-time"},
    row{"max_concurrent_streams", "--max-concurrent-streams"},
};

constexpr std::string_view ends = " ,;:";

// `limits.pings` is `--limit pings`.
constexpr std::string_view of_limits = "limits.";

// Those that begin or end something, not those that are part of it.
std::size_t quotes(std::string_view word) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\\') {
      ++i;
    } else if (word[i] == '"') {
      ++count;
    }
  }
  return count;
}

}  // namespace

std::string with_flags(std::string_view message) {
  std::string out;
  bool in_quotes = false;
  while (!message.empty()) {
    const auto word = message.substr(0, std::min(message.find_first_of(ends), message.size()));
    const auto found = std::find_if(flags.begin(), flags.end(), [&](const row& r) { return r.first == word; });
    // "address" is a word of its own right, except behind "option".
    const bool named = word != "address" || out.ends_with("option ");
    if (word.starts_with(of_limits) && !in_quotes) {
      out.append("--limit ").append(word.substr(of_limits.size()));
    } else {
      out += found != flags.end() && !in_quotes && named ? found->second : word;
    }
    if (quotes(word) % 2 == 1) in_quotes = !in_quotes;
    message.remove_prefix(word.size());
    if (message.empty()) break;
    out += message.front();
    message.remove_prefix(1);
  }
  return out;
}

}  // namespace duplex::tool
