// What the session says of its failures: who, why, and what to try (RFC 9113, sections 3.4, 5.4 and 6.8).

#include "core/session.hpp"
#include "core/stranger.hpp"
#include "core/validate.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace duplex::core {
namespace {

// The first line that a peer said, fit for a log.
std::string first_line(std::string_view bytes) { return quoted(bytes.substr(0, bytes.find_first_of("\r\n"))); }

// What an answer of HTTP/1.1 has to do with the upgrade that RFC 9113, section 3.1, dropped.
std::string_view about_upgrade(std::string_view answer) {
  constexpr auto status_at = std::string_view("HTTP/1.1 ").size();
  const auto status = answer.substr(std::min(status_at, answer.size()), 3);
  if (status != "101" && status != "426" && answer.find("h2c") == std::string_view::npos) return {};
  return "; RFC 9113 dropped the upgrade to h2c, and http:// speaks HTTP/2 from the first byte (prior knowledge)";
}

}  // namespace

// A server that answers our preface in another protocol.
void session::fail_stranger(stranger who) {
  failure why;
  why.code = errc::protocol_not_negotiated;
  why.message = config_.peer;
  if (who == stranger::tls) {
    why.message += " speaks TLS on this port; use https://";
  } else if (who == stranger::other) {
    why.message += " does not speak HTTP/2 on this port: it answered the preface with " + first_line(preface_);
  } else {
    why.message += " answered the preface of HTTP/2 with HTTP/1.x: " + first_line(preface_);
    why.message += about_upgrade(preface_);
  }
  why.origin = origin::peer;
  fail_connection(std::move(why));
  close_all();
}

// A client whose first bytes are not the preface.
std::string session::explain_preface() const {
  if (preface_.starts_with(tls_records[1].front())) return config_.peer + " speaks TLS on a port without it";
  return config_.peer + " does not begin with the preface of HTTP/2, but with " + first_line(preface_);
}

std::string session::explain_goaway() const {
  auto text = config_.peer + " ended the connection with GOAWAY " + h2::code_name(goaway_.code);
  if (!goaway_.debug_data.empty()) text += " " + quoted(goaway_.debug_data);
  return text;
}

failure session::stream_failure(const stream& s, std::uint32_t http2_code) const {
  failure f;
  f.http2_code = http2_code;
  f.origin = origin::peer;
  // Whatever the peer says now: who has answered has processed the request.
  const bool unseen = s.remote == progress::head;
  const bool above_goaway = config_.role == role::client && goaway_.received && !s.reset_by_peer &&
                            (s.id > goaway_.last_stream_id || s.local == progress::head);
  if (above_goaway) {
    f.code = errc::refused;
    f.message = explain_goaway() + " before this stream";
    f.scope = scope::connection;
    f.http2_code = goaway_.code;
    f.last_stream_id = goaway_.last_stream_id;
    f.debug_data = goaway_.debug_data;
    f.retry_safe = unseen;
  } else if (s.reset_by_peer && http2_code == NGHTTP2_REFUSED_STREAM) {
    f.code = errc::refused;
    f.message = config_.peer + " refused the stream";
    f.retry_safe = unseen;
  } else if (s.reset_by_peer) {
    f.code = errc::stream_reset;
    f.message = config_.peer + " reset the stream with " + h2::code_name(http2_code);
    const auto most = nghttp2_session_get_remote_settings(engine_.get(), NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
    if (unseen && s.head_bytes > most) {
      f.message += "; by its SETTINGS it takes header sections of " + std::to_string(most) +
                   " bytes, and that of the request has " + std::to_string(s.head_bytes);
    }
  } else {
    f.code = errc::protocol_error;
    f.message = config_.peer + " broke HTTP/2: " + (s.invalid_frame ? *s.invalid_frame : h2::code_name(http2_code));
  }
  return f;
}

}  // namespace duplex::core
