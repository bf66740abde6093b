// The error category, and the names of errors.

#include <duplex/error.hpp>

#include <array>
#include <cstddef>
#include <utility>

namespace duplex {
namespace {

struct entry {
  std::string_view name;
  const char* text;
};

// In the order of errc, from 1.
constexpr std::array<entry, 23> table{{
    {"closed", "the stream is closed"},
    {"send_closed", "the sending side is already closed"},
    {"timeout", "the operation timed out"},
    {"keepalive_timeout", "the peer did not answer a PING"},
    {"stream_reset", "the peer reset the stream"},
    {"refused", "the peer did not process the request"},
    {"goaway", "the peer ended the connection with GOAWAY"},
    {"connection_lost", "the connection was lost"},
    {"protocol_error", "the peer broke the protocol"},
    {"protocol_not_negotiated", "the peer does not speak HTTP/2"},
    {"resolve_failed", "the host name could not be resolved"},
    {"connect_failed", "could not connect"},
    {"proxy_failed", "the proxy refused"},
    {"tls_failed", "TLS failed"},
    {"certificate_invalid", "the certificate could not be verified"},
    {"recv_buffer_overflow", "more unread bytes than max_recv_buffer"},
    {"limit_exceeded", "a local limit was exceeded"},
    {"invalid_argument", "invalid argument"},
    {"recv_busy", "another recv is waiting"},
    {"active_mode", "messages go to the active handler"},
    {"would_deadlock", "a blocking call on a thread that runs the connection"},
    {"canceled", "the operation was canceled"},
    {"out_of_memory", "there was no memory left"},
}};
static_assert(table.size() == static_cast<std::size_t>(errc::out_of_memory));

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "duplex"; }
  std::string message(int value) const override {
    const auto index = static_cast<std::size_t>(value) - 1;
    return index < table.size() ? table.at(index).text : "unknown error";
  }
};

}  // namespace

const boost::system::error_category& error_category() noexcept {
  static const category instance;
  return instance;
}

error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), error_category()}; }

std::string_view to_string(errc e) noexcept {
  const auto index = static_cast<std::size_t>(e) - 1;
  return index < table.size() ? table[index].name : "unknown";
}

std::string_view to_string(origin o) noexcept {
  switch (o) {
    case origin::local:
      return "local";
    case origin::peer:
      return "peer";
    case origin::network:
      return "network";
  }
  return "unknown";
}

std::string_view to_string(scope s) noexcept { return s == scope::stream ? "stream" : "connection"; }

}  // namespace duplex
