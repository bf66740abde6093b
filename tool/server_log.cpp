// The log of `duplex serve`.
//
// A line of text: time, peer, #connection, then [stream] and the request, or < or >, [stream] and the frame.

#include "server_log.hpp"

#include "exit_status.hpp"
#include "failure_json.hpp"
#include "frame_log.hpp"
#include "utc.hpp"

#include <unistd.h>

#include <cstdint>
#include <iomanip>
#include <sstream>
#include <string_view>

namespace duplex::tool {
namespace {

std::string lost_events(std::uint64_t lines) {
  return R"({"event":"lost","time":")" + utc_now() + R"(","lines":)" + std::to_string(lines) + "}\n";
}

std::string lost_lines(std::uint64_t lines) {
  return utc_now() + " duplex: " + std::to_string(lines) + " lines were lost\n";
}

// What a terminal would obey, or not understand, is escaped. A client writes no line of its own.
std::string printable(std::string_view text, bool has_lines = false) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 && byte < 0x7f) || (has_lines && c == '\n')) {
      out += c;
    } else {
      out.append("\\x").append({digits[byte >> 4U], digits[byte & 0xfU]});
    }
  }
  return out;
}

std::string quoted(const std::string& text) {
  std::ostringstream out;
  out << std::quoted(text);
  return out.str();
}

std::string error_of(const failure& why) {
  return why.code.category() == error_category() ? std::string(to_string(static_cast<errc>(why.code.value())))
                                                 : why.code.message();
}

boost::json::object event_of(std::string_view what) { return {{"event", what}, {"time", utc_now()}}; }

boost::json::object event_of(std::string_view what, const h2::connection_info& client) {
  auto event = event_of(what);
  event["connection"] = client.id;
  event["peer"] = json_text(client.peer);
  return event;
}

// Of whom a line of text is.
std::string head_of(const h2::connection_info& client) {
  return utc_now() + " " + client.peer + " #" + std::to_string(client.id) + " ";
}

void add_tls(boost::json::object& event, const h2::connection_info& client) {
  if (client.tls_version.empty()) return;
  event["tls"] = json_text(client.tls_version);
  event["tls_cipher"] = json_text(client.tls_cipher);
  if (!client.tls_alpn.empty()) event["alpn"] = json_text(client.tls_alpn);
  if (!client.tls_server_name.empty()) event["sni"] = json_text(client.tls_server_name);
  if (!client.peer_certificate.empty()) event["certificate_subject"] = json_text(client.peer_certificate);
}

std::string tls_of(const h2::connection_info& client) {
  if (client.tls_version.empty()) return {};
  auto out = " tls=" + client.tls_version + " cipher=" + client.tls_cipher;
  if (!client.tls_alpn.empty()) out += " alpn=" + client.tls_alpn;
  if (!client.tls_server_name.empty()) out += " sni=" + quoted(client.tls_server_name);
  if (!client.peer_certificate.empty()) out += " certificate=" + quoted(client.peer_certificate);
  return out;
}

boost::json::object to_event(const h2::request_report& r) {
  auto event = event_of("request", r.client);
  event["stream"] = r.stream_id;
  event["method"] = json_text(r.head.method);
  event["authority"] = json_text(r.head.authority());
  event["path"] = json_text(r.head.path());
  event["status"] = r.status;
  event["received"] = r.bytes_received;
  event["sent"] = r.bytes_sent;
  event["us"] = r.duration.count();
  add_tls(event, r.client);
  if (r.why) event["error"] = json_text(error_of(*r.why));
  return event;
}

// Neither a method nor a URL has a space, or a quote that is not its own.
std::string to_line(const h2::request_report& r) {
  auto out = head_of(r.client) + "[" + std::to_string(r.stream_id) + "] " + r.head.method + " " + r.head.url + " " +
             std::to_string(r.status) + " " + std::to_string(r.bytes_received) + " " + std::to_string(r.bytes_sent) +
             " " + std::to_string(r.duration.count()) + "us" + tls_of(r.client);
  if (r.why) out += " error=" + error_of(*r.why);
  return out;
}

boost::json::object to_event(const h2::connection_info& client, const frame_info& f) {
  auto event = event_of("frame", client);
  event["stream"] = f.stream_id;
  event["sent"] = f.sent;
  event["type"] = f.type;
  event["flags"] = f.flags;
  event["length"] = f.length;
  event["text"] = json_text(f.text);
  return event;
}

}  // namespace

server_log::server_log(const log_settings& wanted)
    : wanted_(wanted), file_(STDOUT_FILENO, wanted.json ? lost_events : lost_lines) {
  if (wanted.verbose) complaints_.emplace(STDERR_FILENO, lost_lines);
}

void server_log::listening(const std::string& url) { file_.write("listening on " + url + "\n"); }

void server_log::request(const h2::request_report& r) {
  wanted_.json ? write(to_event(r)) : file_.write(printable(to_line(r)) + "\n");
}

void server_log::frame(const h2::connection_info& client, const frame_info& f) {
  wanted_.json ? write(to_event(client, f)) : file_.write(printable(to_lines(f, head_of(client)), true));
}

void server_log::failed(const h2::connection_info& client, const failure& why) {
  const problem error(why.code, why, operation::open);
  complain(error.message());
  if (!wanted_.json) return;
  auto event = event_of("connection", client);
  add_failure(event, error);
  write(event);
}

void server_log::drain(const h2::server_stats& now) {
  auto event = event_of("drain");
  event["connections"] = now.connections;
  event["streams"] = now.streams;
  tell_drain(event, "draining: streams under way: " + std::to_string(now.streams) +
                        ", connections: " + std::to_string(now.connections));
}

void server_log::drained(const h2::server_stats& before, const h2::server_stats& now, std::chrono::milliseconds took) {
  const auto failed = now.requests_failed - before.requests_failed;
  const auto finished = now.requests_done - before.requests_done - failed;
  auto event = event_of("drained");
  event["finished"] = finished;
  event["failed"] = failed;
  event["ms"] = took.count();
  tell_drain(event, "drained in " + std::to_string(took.count()) + "ms: streams finished: " + std::to_string(finished) +
                        ", reset or lost: " + std::to_string(failed));
}

void server_log::complain(const std::string& text) {
  if (complaints_) complaints_->write(utc_now() + " duplex: " + text + "\n");
}

void server_log::tell_drain(const boost::json::object& event, const std::string& text) {
  complain(text);
  if (wanted_.json) {
    write(event);
  } else if (wanted_.requests || wanted_.frames) {
    file_.write(utc_now() + " " + text + "\n");
  }
}

}  // namespace duplex::tool
