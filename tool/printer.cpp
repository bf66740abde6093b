// How what happens on the stream looks on standard output.

#include "printer.hpp"

#include "connection_facts.hpp"
#include "failure_json.hpp"
#include "utc.hpp"

#include <boost/json/value.hpp>

#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace duplex::tool {
namespace {

constexpr std::size_t longest_line = std::size_t{64} << 10;

boost::json::object head_event(std::string_view name, int status, const fields& headers) {
  return {{"event", json_text(name)}, {"status", status}, {"headers", json_fields(headers)}};
}

void add_dial(boost::json::object& event, const h2::connection_info& info) {
  if (!info.proxy.empty()) event["proxy"] = json_text(info.proxy);
  boost::json::array tried;
  for (const auto& a : info.attempts) tried.push_back(json_text(told(a)));
  event["tried"] = std::move(tried);
  for (const auto& [step, time] :
       {std::pair("resolve_us", info.times.resolve), std::pair("connect_us", info.times.connect),
        std::pair("proxy_us", info.times.proxy), std::pair("tls_us", info.times.tls)}) {
    if (time) event[step] = time->count();
  }
}

boost::json::object to_event(const message& m, bool with_payload) {
  return std::visit(
      [&](const auto& value) -> boost::json::object {
        using type = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<type, response>) {
          return head_event("response", value.status, value.headers);
        } else if constexpr (std::is_same_v<type, informational>) {
          return head_event("informational", value.status, value.headers);
        } else if constexpr (std::is_same_v<type, trailers>) {
          return {{"event", "trailers"}, {"headers", json_fields(value.headers)}};
        } else if constexpr (std::is_same_v<type, done>) {
          return {{"event", "done"}};
        } else {
          boost::json::object event{{"event", "data"}, {"size", value.bytes.size()}};
          if (!with_payload) return event;
          add_bytes(event, "text", "base64", value.bytes);
          return event;
        }
      },
      m);
}

std::string lines_of(const fields& list) {
  std::string out;
  for (const auto& f : list) out.append(f.name).append(": ").append(f.value).append("\r\n");
  return out + "\r\n";
}

// HTTP/2 has no reason phrases; the space before where it was is part of the line (RFC 9112, section 4).
std::string status_line(int status) { return "HTTP/2 " + std::to_string(status) + " \r\n"; }

}  // namespace

printer printer::one_of_several(std::string url) const {
  printer other(*this);
  other.url_ = std::move(url);
  return other;
}

std::string printer::line(boost::json::object event) const {
  if (!url_.empty()) {
    event["stream"] = stream_id_;
    event["url"] = json_text(url_);
  }
  return clock_.line(event);
}

std::string printer::opened(std::int32_t stream_id, const h2::connection_info& info) {
  stream_id_ = stream_id;
  if (!is_json()) return {};
  boost::json::object event{{"event", "open"}, {"stream", stream_id}, {"protocol", "h2"}};
  event["tls"] =
      info.tls_version.empty() ? boost::json::value(nullptr) : boost::json::value(json_text(info.tls_version));
  if (!info.tls_version.empty()) {
    event["tls_resumed"] = info.tls_resumed;
    event["tls_cipher"] = json_text(info.tls_cipher);
    event["alpn"] = json_text(info.tls_alpn);
  }
  if (!info.peer_certificate.empty()) event["certificate_subject"] = json_text(info.peer_certificate);
  if (!info.certificate_issuer.empty()) event["certificate_issuer"] = json_text(info.certificate_issuer);
  if (info.certificate_expires) event["certificate_expires"] = json_text(to_iso(*info.certificate_expires));
  event["peer"] = json_text(info.peer);
  add_dial(event, info);
  return line(std::move(event));
}

std::string printer::received(message& m) { return is_json() ? as_json(m) : as_text(m); }

std::string printer::as_json(const message& m) const { return line(to_event(m, style_ == style::json)); }

std::string printer::as_text(message& m) {
  if (auto* payload = std::get_if<data>(&m)) {
    in_line_ = payload->bytes.back() != '\n';
    return url_.empty() ? std::move(payload->bytes) : whole_lines(payload->bytes);
  }
  if (std::holds_alternative<done>(m)) return std::exchange(held_, {});
  if (style_ != style::heads) return {};
  if (const auto* head = std::get_if<response>(&m)) return status_line(head->status) + lines_of(head->headers);
  if (const auto* head = std::get_if<informational>(&m)) return status_line(head->status) + lines_of(head->headers);
  if (const auto* tail = std::get_if<trailers>(&m)) {
    return std::exchange(held_, {}) + (in_line_ ? "\r\n" : "") + lines_of(tail->headers);
  }
  return {};
}

std::string printer::whole_lines(const std::string& bytes) {
  held_ += bytes;
  const auto last_newline = held_.rfind('\n');
  if (last_newline == std::string::npos && held_.size() < longest_line) return {};
  auto rest = last_newline == std::string::npos ? std::string() : held_.substr(last_newline + 1);
  held_.resize(held_.size() - rest.size());
  return std::exchange(held_, std::move(rest));
}

std::string printer::pong(std::chrono::microseconds round_trip) const {
  if (!is_json()) return {};
  return clock_.line({{"event", "pong"}, {"rtt_us", round_trip.count()}});
}

std::string printer::stats(const snapshot& now) const {
  if (!is_json()) return {};
  return clock_.line({{"event", "stats"}, {"stream", to_json(now.stream)}, {"connection", to_json(now.connection)}});
}

std::string printer::failed(const problem& error, const std::optional<h2::connection_info>& in_vain) {
  if (!is_json()) return std::exchange(held_, {});
  boost::json::object event{{"event", "error"}};
  add_failure(event, error);
  if (in_vain) add_dial(event, *in_vain);
  return line(std::move(event));
}

}  // namespace duplex::tool
