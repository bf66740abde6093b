// The head of a request in one piece: each text with its length before it, and a field's `sensitive` behind it.

#include "net/packed_head.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace duplex::net {
namespace {

using length = std::uint32_t;

std::size_t size_of(const request& head) {
  auto size = 3 * sizeof(length) + head.method.size() + head.url.size() + head.protocol.size();
  for (const auto& f : head.headers) size += 2 * sizeof(length) + f.name.size() + f.value.size() + 1;
  return size;
}

void put(std::string& out, std::string_view text) {
  const auto size = static_cast<length>(text.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof size).append(text);
}

std::string_view take(std::string_view& in) {
  length size = 0;
  std::memcpy(&size, in.data(), sizeof size);
  const auto text = in.substr(sizeof size, size);
  in.remove_prefix(sizeof size + size);
  return text;
}

}  // namespace

packed_head::packed_head(const request& head) {
  bytes_.reserve(size_of(head));
  put(bytes_, head.method);
  put(bytes_, head.url);
  put(bytes_, head.protocol);
  for (const auto& f : head.headers) {
    put(bytes_, f.name);
    put(bytes_, f.value);
    bytes_ += f.sensitive ? '\1' : '\0';
  }
}

request packed_head::unpacked() const {
  request head;
  std::string_view rest = bytes_;
  head.method = take(rest);
  head.url = take(rest);
  head.protocol = take(rest);
  while (!rest.empty()) {
    const auto name = take(rest);
    const auto value = take(rest);
    head.headers.add(name, value, rest.front() != '\0');
    rest.remove_prefix(1);
  }
  return head;
}

}  // namespace duplex::net
