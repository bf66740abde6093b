// nghttp2 driven directly by epoll: the server that every HTTP/2 client talks to.
#include "replies.hpp"

#include "common/epoll_server.hpp"
#include "common/program.hpp"

namespace bench {
namespace {

class nghttp2_server_session : public session {
 public:
  explicit nghttp2_server_session(link l) : engine_(std::move(l), make_server_session(replies_)) {}

  bool ready() override {
    using outcome = engine::outcome;
    // Before, a write would wait to read.
    if (!engine_.transport().established()) return true;
    if (engine_.blocked() && engine_.flush() == outcome::blocked) return true;
    do {
      const auto got = engine_.read(buffer_);
      if (got == outcome::end) return false;
      if (got == outcome::nothing) break;
    } while (engine_.transport().pending());
    engine_.flush();
    return nghttp2_session_want_read(engine_.session()) != 0 || nghttp2_session_want_write(engine_.session()) != 0 ||
           engine_.blocked();
  }
  bool wants_write() const override { return engine_.blocked(); }

 private:
  replies replies_;
  engine engine_;
  read_buffer& buffer_ = shared_buffer();
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run([&] {
    bench::serve(bench::parse_server(argc, argv),
                 [](bench::link l) { return std::make_unique<bench::nghttp2_server_session>(std::move(l)); });
  });
}
