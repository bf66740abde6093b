// What happened.

#include "report.hpp"

#include <algorithm>
#include <array>
#include <iostream>

namespace duplex::soak {
namespace {

constexpr std::size_t most_defects = 100;

// The path loses bytes and never changes one, so nobody can have broken a protocol or a bound.
constexpr std::array explained{
    errc::closed,     errc::timeout,           errc::stream_reset,           errc::refused,
    errc::goaway,     errc::keepalive_timeout, errc::connection_lost,        errc::connect_failed,
    errc::tls_failed, errc::canceled,          errc::protocol_not_negotiated};

}  // namespace

void report::defect(std::string what) {
  const std::scoped_lock lock(mutex_);
  std::cerr << "defect: " << what << std::endl;
  if (defects_.size() < most_defects) defects_.push_back(std::move(what));
}

void report::failed(const std::string& whose, error_code ec, const std::optional<failure>& why) {
  const auto code = static_cast<errc>(ec.value());
  if (ec.category() != error_category()) return defect(whose + " failed with an error of others: " + ec.message());
  count(whose + " " + std::string(to_string(code)));
  if (std::find(explained.begin(), explained.end(), code) == explained.end()) {
    return defect(whose + " failed with " + std::string(to_string(code)) + ": " + (why ? why->message : ""));
  }
  if (why && why->message.empty()) defect(whose + " failed with " + std::string(to_string(code)) + " and no words");
}

}  // namespace duplex::soak
