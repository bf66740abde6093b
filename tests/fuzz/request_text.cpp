// URLs and fields of a user: what is accepted holds nothing that could end a field, a line or a frame early, and
// arrives at a server as it was given; what is refused is refused with a sentence that can be printed.

#include "core/memory_peers.hpp"
#include "core/validate.hpp"
#include "fuzz/input.hpp"
#include "net/target.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace duplex::fuzz {
namespace {

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= ' ' && c != 0x7f; });
}
bool one_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos; }
bool without_space(std::string_view text) { return text.find(' ') == std::string::npos && printable(text); }

// A server of ours lets everything in that the checks let out.
void check_arrival(const core::request_head& head) {
  const options any{.max_header_bytes = std::size_t{1} << 20, .max_header_fields = 1000};
  test::memory_peers peers(test::whole, any, any);
  const auto id = peers.client->open(head, any);
  require(id != 0);
  peers.pump();
  require(peers.client.failure_of(id) == "none" && peers.server.knows(id));
  const auto& arrived = *peers.server.stream(id).head;
  require(arrived.method == head.method);
  if (head.method != "CONNECT") require(arrived.path() == (head.path == "*" ? "/*" : head.path));
  require(arrived.headers == head.headers);
}

void check_words(std::string_view text) {
  for (const auto& bad : {core::check_method(text), core::check_path(text)}) {
    if (bad) require(!bad->empty() && printable(*bad));
  }
  if (!core::check_method(text)) require(without_space(text) && !text.empty());
  if (!core::check_path(text)) require(without_space(text) && (text == "*" || text.starts_with('/')));
  require(printable(core::quoted(text)));
}

void check_field_list(input in) {
  fields list;
  while (!in.empty()) {
    const auto name = in.bytes(in.below(20));
    list.add(name, in.bytes(in.below(40)), in.coin());
  }
  if (const auto bad = core::check_fields(list)) return require(!bad->empty() && printable(*bad));
  for (const auto& f : list) {
    require(!f.name.empty() && f.name.front() != ':' && without_space(f.name) && one_line(f.value));
    require(f.name != "connection" && f.name != "transfer-encoding" && f.name != "upgrade");
    require(f.name != "te" || f.value == "trailers");
  }
}

void check_host_port(std::string_view text) {
  const auto where = net::parse_host_port(text, "option connect_to");
  if (const auto* bad = std::get_if<std::string>(&where)) return require(!bad->empty() && printable(*bad));
  const auto& good = std::get<net::target>(where);
  require(!good.host.empty() && without_space(good.host) && good.port != 0);
}

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
  check_arrival(good.head);
}

}  // namespace
}  // namespace duplex::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace duplex;
  GTEST_FLAG_SET(throw_on_failure, true);
  const fuzz::input in(data, size);
  const auto text = fuzz::input(in).all();
  fuzz::check_request(in);
  fuzz::check_field_list(in);
  fuzz::check_words(text);
  fuzz::check_host_port(text);
  return 0;
}
