// Clients that do not begin with the preface of HTTP/2 (RFC 9113, sections 3.3 and 3.4). One of HTTP/1.x is told so in
// its own words: 505 (RFC 9110, section 15.6.6). Not 426, which has to name a protocol to upgrade to: the only one
// would be `h2c`, which RFC 9113 has taken out (section 3.1).

#include "core/session.hpp"
#include "core/session_engine.hpp"
#include "core/stranger.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace duplex::core {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// SETTINGS with nothing in it, and GOAWAY (PROTOCOL_ERROR) above no stream (section 3.4). Who speaks TLS to the port
// sees by it that there is none, and says so; a connection that is only closed could be anything.
constexpr auto http2_refusal = "\0\0\0\4\0\0\0\0\0\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\1"sv;

std::string http1_refusal(bool with_body, bool over_tls) {
  const std::string_view why = over_tls ? "This port speaks HTTP/2 only, with the ALPN protocol h2.\n"
                                        : "This port speaks HTTP/2 only, with prior knowledge.\n";
  std::string out = "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\ncontent-length: ";
  out += std::to_string(why.size()) + "\r\nconnection: close\r\n\r\n";
  return with_body ? out.append(why) : out;
}

}  // namespace

bool session::met_stranger() const noexcept {
  if (config_.role == role::client || config_.speaks == client_speaks::http2 || preface_checked_) return false;
  return config_.speaks == client_speaks::other || !preface.starts_with(preface_);
}

// Until the client has shown that it knows them, it gets no frames.
bool session::holds_back() const noexcept {
  return config_.speaks != client_speaks::http2 && !preface_checked_ && drain_ == drain::no;
}

void session::hear_client(std::string_view bytes) {
  preface_.append(bytes);
  const bool good = preface.starts_with(std::string_view(preface_).substr(0, preface.size()));
  if (config_.speaks == client_speaks::http2 || (good && config_.speaks == client_speaks::unknown)) {
    preface_checked_ = preface_.size() >= preface.size();
    feed_engine(bytes);
    preface_.resize(std::min(preface_.size(), preface.size()));
    return;
  }
  const auto who = judge_request(preface_);
  if (who != stranger::perhaps) refuse_client(who);
}

void session::refuse_client(stranger who) {
  const bool over_tls = config_.speaks == client_speaks::other;
  failure why;
  why.code = errc::protocol_not_negotiated;
  why.message = over_tls ? config_.peer + " does not offer h2 by ALPN" : explain_preface();
  why.origin = origin::peer;
  if (who == stranger::http1) {
    refusal_ = http1_refusal(!preface_.starts_with("HEAD "), over_tls);
  } else if (!over_tls) {
    refusal_ = http2_refusal;
  }
  fail_connection(std::move(why));
  close_all();
}

}  // namespace duplex::core
