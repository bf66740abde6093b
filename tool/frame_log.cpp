// -v: how the connection was made and which frames travel on it, on standard error.

#include "frame_log.hpp"

#include "connection_facts.hpp"
#include "utc.hpp"

#include <duplex/h2/code.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

namespace duplex::tool {
namespace {

std::string milliseconds(std::chrono::microseconds time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f ms", static_cast<double>(time.count()) / 1000);
  return text.data();
}

std::string about_certificate(const h2::connection_info& info) {
  std::string lines;
  if (!info.peer_certificate.empty()) lines += "* Certificate subject: " + info.peer_certificate + "\n";
  if (!info.certificate_issuer.empty()) lines += "* Certificate issuer: " + info.certificate_issuer + "\n";
  if (info.certificate_expires) lines += "* Certificate expires: " + to_iso(*info.certificate_expires) + "\n";
  return lines;
}

std::string times_of(const h2::dial_times& times) {
  std::string out;
  for (const auto& [step, time] : {std::pair("resolve", times.resolve), std::pair("connect", times.connect),
                                   std::pair("proxy", times.proxy), std::pair("TLS", times.tls)}) {
    if (time) out.append(out.empty() ? "" : ", ").append(step).append(" ").append(milliseconds(*time));
  }
  return out.empty() ? "no time" : out;
}

}  // namespace

std::string to_lines(const frame_info& info, const std::string& prefix) {
  // The first line of the text names the frame, the others are its fields.
  const auto mark = prefix + (info.sent ? "> " : "< ");
  const std::string_view text = info.text;
  const auto first_end = text.find('\n');
  std::string lines = mark + "[" + std::to_string(info.stream_id) + "] ";
  lines.append(text.substr(0, first_end)).append(", ").append(std::to_string(info.length)).append(" bytes\n");
  for (auto begin = first_end; begin != std::string_view::npos;) {
    const auto end = text.find('\n', begin + 1);
    lines.append(mark).append("    ").append(text.substr(begin + 1, end - begin - 1)).append("\n");
    begin = end;
  }
  return lines;
}

void frame_log::frame(const frame_info& info) {
  auto lines = to_lines(info);
  constexpr std::uint8_t settings = 4;
  if (!began_) began_ = clock::now();
  if (!settings_came_ && !info.sent && info.type == settings) {
    settings_came_ = true;
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - *began_);
    lines += "* Settings of the peer after " + milliseconds(since) + "\n";
  }
  write(lines);
}

void frame_log::connected(const h2::connection_info& info) {
  std::string lines;
  for (const auto& tried : info.attempts) {
    if (tried.address != info.peer) lines += "* Tried " + told(tried) + "\n";
  }
  lines += "* Connected to " + info.peer + "\n";
  if (!info.proxy.empty()) lines += "* Tunnel through the proxy " + info.proxy + "\n";
  if (info.tls_version.empty()) {
    lines += "* Cleartext, HTTP/2 with prior knowledge\n";
  } else {
    lines += "* " + info.tls_version + " / " + info.tls_cipher + "\n* ALPN: h2\n";
    if (info.tls_resumed) lines += "* Session resumed\n";
    lines += about_certificate(info);
  }
  lines += "* Took: " + times_of(info.times) + "\n";
  holding_ = false;
  write(lines + held_);
  held_.clear();
}

void frame_log::dialed_in_vain(const h2::connection_info& info) {
  std::string lines;
  if (!info.proxy.empty()) lines += "* By the proxy " + info.proxy + "\n";
  for (const auto& tried : info.attempts) lines += "* Tried " + told(tried) + "\n";
  write(lines + "* Took: " + times_of(info.times) + "\n");
}

void frame_log::explain(const failure& why) {
  std::string lines = "* Failed: ";
  lines.append(to_string(why.origin)).append(", the ").append(to_string(why.scope));
  if (why.http2_code) lines += ", " + h2::code_name(*why.http2_code);
  if (why.last_stream_id) lines += ", last stream " + std::to_string(*why.last_stream_id);
  lines += ", " + std::to_string(why.bytes_sent) + " bytes sent, ";
  write(lines + (why.retry_safe ? "safe to retry\n" : "not safe to retry\n"));
}

void frame_log::failed() {
  if (!holding_) return;
  holding_ = false;
  write(held_);
  held_.clear();
}

void frame_log::write(const std::string& lines) {
  if (holding_) {
    held_ += lines;
  } else {
    std::fwrite(lines.data(), 1, lines.size(), stderr);
  }
}

}  // namespace duplex::tool
