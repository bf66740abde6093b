// One stream whose messages are pushed to a handler: usage `example_active URL`.
#include <duplex/duplex.hpp>
#include <future>
#include <iostream>
#include <variant>

// [readme]
void talk(const std::string& url) {
  std::promise<duplex::error_code> end;
  auto s = duplex::h2::open({.url = url, .headers = {{"te", "trailers"}}});
  s.set_active(duplex::active::on, [&end](duplex::error_code ec, duplex::message m) {
    if (auto* d = std::get_if<duplex::data>(&m)) std::cout << d->bytes << '\n';
    if (ec || std::holds_alternative<duplex::done>(m)) end.set_value(ec);
  });
  s.send("ping");
  s.send("bye", duplex::h2::fin);
  if (auto ec = end.get_future().get()) throw boost::system::system_error(ec);
}
// [/readme]

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: example_active URL");
  talk(argv[1]);
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
