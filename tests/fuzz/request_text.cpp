// URLs and fields of a user: what is accepted holds nothing that could end a field, a line or a frame early, and what
// is refused is refused with a sentence that can be printed.

#include "core/validate.hpp"
#include "fuzz/input.hpp"
#include "net/target.hpp"

#include <algorithm>
#include <string>

namespace duplex::fuzz {
namespace {

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= ' ' && c != 0x7f; });
}
bool one_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos; }
bool without_space(std::string_view text) { return text.find(' ') == std::string::npos && printable(text); }

void check_request(input in) {
  request rq;
  const auto what = in.byte();
  if ((what & 1U) != 0) rq.method = std::string(in.bytes(in.below(20)));
  if ((what & 2U) != 0) rq.headers.add(std::string(in.bytes(in.below(20))), std::string(in.bytes(in.below(40))));
  if ((what & 4U) != 0) rq.headers.add("host", std::string(in.bytes(in.below(40))));
  rq.url = (what & 8U) != 0 ? "https://host/" : "";
  rq.url += in.all();

  const auto parsed = net::parse_request(rq);
  if (const auto* bad = std::get_if<std::string>(&parsed)) return require(!bad->empty() && printable(*bad));
  const auto& good = std::get<net::parsed_request>(parsed);
  require(!good.where.host.empty() && without_space(good.where.host) && good.where.port != 0);
  require(!good.head.method.empty() && without_space(good.head.method));
  require(good.head.path.starts_with("/") && without_space(good.head.path));
  require(!good.head.authority.empty() && without_space(good.head.authority));
  for (const auto& f : good.head.headers) {
    require(!f.name.empty() && without_space(f.name) && one_line(f.value));
    require(f.name.find(':') == std::string::npos && f.name != "host" && f.name != "connection");
  }
  // The same again, from what is remembered.
  const auto again = net::parse_request(rq);
  require(std::get<net::parsed_request>(again).head.path == good.head.path);
}

}  // namespace
}  // namespace duplex::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace duplex;
  fuzz::check_request(fuzz::input(data, size));
  const auto where = net::parse_host_port(fuzz::input(data, size).all(), "option connect_to");
  if (const auto* bad = std::get_if<std::string>(&where)) fuzz::require(fuzz::printable(*bad));
  return 0;
}
