// The limit: bytes on a socket. The first byte of a connection says what happens to the others:
// `e` they come back, `s` they are dropped, `d` chunks come without end.
#include "common/epoll_server.hpp"
#include "common/plan.hpp"
#include "common/program.hpp"

#include <array>
#include <string_view>
#include <vector>

namespace bench {
namespace {

// One buffer for all connections of a thread; what a connection could not write it keeps.
using buffer = std::array<char, chunk>;
buffer& shared_buffer() {
  thread_local buffer shared{};
  return shared;
}

class raw_session : public session {
 public:
  explicit raw_session(link l) : link_(std::move(l)) {}

  bool ready() override {
    if (!write_rest()) return true;
    do {
      const auto n = link_.read(buffer_.data(), buffer_.size());
      if (!n) break;
      if (*n == 0) return false;
      std::string_view bytes(buffer_.data(), *n);
      if (mode_ == 0) {
        mode_ = bytes.front();
        bytes.remove_prefix(1);
      }
      if (mode_ == 'e' && !write(bytes)) return true;
    } while (link_.pending());
    while (mode_ == 'd' && write({buffer_.data(), buffer_.size()})) continue;
    return true;
  }
  bool wants_write() const override { return !rest_.empty(); }

 private:
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = link_.write(bytes);
      if (n == 0) break;
      bytes.remove_prefix(n);
    }
    rest_.assign(bytes);
    return rest_.empty();
  }
  bool write_rest() {
    while (!rest_.empty()) {
      const auto n = link_.write(rest_);
      if (n == 0) return false;
      rest_.erase(0, n);
    }
    return true;
  }

  link link_;
  buffer& buffer_ = shared_buffer();
  char mode_ = 0;
  std::string rest_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run([&] {
    bench::serve(bench::parse_server(argc, argv),
                 [](bench::link l) { return std::make_unique<bench::raw_session>(std::move(l)); });
  });
}
