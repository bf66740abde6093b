// What a server has done, in the text format of Prometheus.

#include "metrics.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <sstream>
#include <string_view>

namespace duplex::tool {
namespace {

constexpr std::string_view counter = "counter";
constexpr std::string_view gauge = "gauge";

void begin(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help);
  out.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void add(std::string& out, std::string_view name, const std::string& value) {
  out.append(name).append(" ").append(value).append("\n");
}

void add(std::string& out, std::string_view name, std::string_view label, std::string_view which, std::uint64_t value) {
  out.append(name).append("{").append(label).append("=\"").append(which).append("\"} ");
  out.append(std::to_string(value)).append("\n");
}

struct metric {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  std::uint64_t value;
};

// As short as it can be.
std::string number(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace

void request_metrics::count(const h2::request_report& r) {
  const std::chrono::duration<double> took = r.duration;
  const auto bucket = std::ranges::lower_bound(bounds, took.count()) - bounds.begin();
  const auto its_class = std::min(static_cast<std::size_t>(r.status) / 100, classes - 1);
  const std::lock_guard lock(mutex_);
  ++of_class_.at(its_class);
  ++of_duration_.at(static_cast<std::size_t>(bucket));
  seconds_ += took.count();
}

std::string request_metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  constexpr std::string_view done = "duplex_requests_done_total";
  begin(out, done, counter, "Requests that are over, by the class of the status of their response.");
  for (std::size_t i = 0; i < classes; ++i) {
    if (i == 1) continue;  // 1xx are no responses
    add(out, done, "status", i == 0 ? "none" : std::to_string(i) + "xx", of_class_.at(i));
  }
  const std::string took = "duplex_request_duration_seconds";
  begin(out, took, "histogram", "From the whole head of a request until its stream was over.");
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < of_duration_.size(); ++i) {
    sum += of_duration_.at(i);
    add(out, took + "_bucket", "le", i < bounds.size() ? number(bounds.at(i)) : "+Inf", sum);
  }
  add(out, took + "_sum", std::to_string(seconds_));
  add(out, took + "_count", std::to_string(sum));
  return out;
}

std::string to_metrics(const h2::server_stats& s, const request_metrics& requests, bool drains) {
  const std::array list{
      metric{"duplex_draining", gauge, "Whether the server is about to end.", drains ? 1U : 0U},
      metric{"duplex_connections", gauge, "Connections now.", s.connections},
      metric{"duplex_streams", gauge, "Requests under way.", s.streams},
      metric{"duplex_connections_accepted_total", counter, "Connections so far.", s.connections_accepted},
      metric{"duplex_connections_failed_total", counter, "Connections that failed.", s.connections_failed},
      metric{"duplex_connections_refused_total", counter, "Connections above the bound of an address.",
             s.connections_refused},
      metric{"duplex_requests_total", counter, "Requests so far.", s.requests},
      metric{"duplex_requests_failed_total", counter, "Requests whose stream failed.", s.requests_failed},
      metric{"duplex_requests_refused_total", counter, "Requests above the bound of all streams.", s.requests_refused},
      metric{"duplex_received_bytes_total", counter, "Payload of requests, also of those under way.", s.bytes_received},
      metric{"duplex_sent_bytes_total", counter, "Payload of responses, also of those under way.", s.bytes_sent},
  };
  std::string out;
  for (const auto& each : list) {
    begin(out, each.name, each.type, each.help);
    add(out, each.name, std::to_string(each.value));
  }
  return out + requests.text();
}

}  // namespace duplex::tool
