// -v: how the connection was made and which frames travel on it, on standard error.

#include "frame_log.hpp"

#include <cstdio>
#include <string_view>

namespace duplex::tool {

void frame_log::frame(const frame_info& info) {
  // The first line of the text names the frame, the others are its fields.
  const std::string mark = info.sent ? "> " : "< ";
  const std::string_view text = info.text;
  const auto first_end = text.find('\n');
  std::string lines = mark + "[" + std::to_string(info.stream_id) + "] ";
  lines.append(text.substr(0, first_end)).append(", ").append(std::to_string(info.length)).append(" bytes\n");
  for (auto begin = first_end; begin != std::string_view::npos;) {
    const auto end = text.find('\n', begin + 1);
    lines.append(mark).append("    ").append(text.substr(begin + 1, end - begin - 1)).append("\n");
    begin = end;
  }
  write(lines);
}

void frame_log::connected(const h2::connection_info& info) {
  std::string lines = "* Connected to " + info.peer + "\n";
  if (info.tls_version.empty()) {
    lines += "* Cleartext, HTTP/2 with prior knowledge\n";
  } else {
    lines += "* " + info.tls_version + " / " + info.tls_cipher + "\n* ALPN: h2\n";
    if (info.tls_resumed) lines += "* Session resumed\n";
    if (!info.peer_certificate.empty()) lines += "* Certificate subject: " + info.peer_certificate + "\n";
  }
  holding_ = false;
  write(lines + held_);
  held_.clear();
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
