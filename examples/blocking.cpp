// One stream, driven by blocking calls: usage `example_blocking URL`.
#include <chrono>
#include <duplex/duplex.hpp>
#include <iostream>
#include <variant>

using namespace std::chrono_literals;

// [readme]
void talk(const std::string& url) {
  auto s = duplex::h2::open({.url = url, .headers = {{"te", "trailers"}}});
  std::cout << std::get<duplex::response>(s.recv(5s)).status << '\n';
  s.send("ping");
  std::cout << std::get<duplex::data>(s.recv(5s)).bytes << '\n';
  s.send("bye", duplex::h2::fin);  // our side ends here, theirs goes on
  for (auto m = s.recv(5s); !std::holds_alternative<duplex::done>(m); m = s.recv(5s)) {
    if (auto* d = std::get_if<duplex::data>(&m)) std::cout << d->bytes << '\n';
  }
}
// [/readme]

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: example_blocking URL");
  talk(argv[1]);
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
