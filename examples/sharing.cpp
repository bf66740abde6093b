// Streams that share a connection, and the linear case: usage `example_sharing URL`.
#include <duplex/duplex.hpp>
#include <iostream>
#include <stdexcept>
#include <string>

namespace h2 = duplex::h2;

// [readme]
void talk(const std::string& url) {
  h2::client client;
  auto a = client.open({.url = url});
  auto b = client.open({.url = url});  // on the same connection, if the server lets it
  a.send("one", h2::fin);
  b.send("two", h2::fin);
  auto answer = h2::fetch(client, {.url = url}, "three");  // or h2::body_source::from_file(path), or a function
  std::cout << answer.status << ' ' << answer.body << '\n';
}
// [/readme]

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: example_sharing URL");
  talk(argv[1]);
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
