// The limit: blocking calls on a socket, or OpenSSL on one. Many streams are many messages in one write.
#include "common/client.hpp"
#include "common/link.hpp"
#include "common/meter.hpp"

#include <string>
#include <vector>

namespace bench {
namespace {

class raw_client {
 public:
  explicit raw_client(const plan& p) : plan_(p) {
    if (!p.tls()) return;
    context_ = client_context(p.ca, {});
    if (p.workload == workload::reconnect) resume_sessions(context_.get(), last_);
  }

  void ping_pong() {
    auto l = dial("e");
    const std::string out(plan_.size * plan_.streams, 'x');
    std::string in(out.size(), 0);
    meter m(plan_);
    while (!m.over()) {
      l.write_all(out);
      l.read_all(in.data(), in.size());
      for (std::size_t i = 0; i < plan_.streams; ++i) m.add(plan_.size);
    }
    m.report();
  }

  void up() {
    auto l = dial("s");
    const std::string out(chunk, 'x');
    meter m(plan_);
    do l.write_all(out);
    while (m.add(chunk));
    m.report();
  }

  void down() {
    auto l = dial("d");
    std::string in(chunk, 0);
    meter m(plan_);
    do l.read_all(in.data(), in.size());
    while (m.add(chunk));
    m.report();
  }

  void echo() {
    auto l = dial("e");
    l.set_blocking(false);
    const std::string out(chunk, 'x');
    std::string in(chunk, 0);
    std::string_view rest = out;
    std::size_t back = 0;
    meter m(plan_);
    while (!m.over()) {
      const auto written = l.write(rest);
      rest.remove_prefix(written);
      if (rest.empty()) rest = out;
      const auto read = l.read(in.data(), in.size());
      if (read && *read == 0) throw std::runtime_error("the server ended the connection");
      for (back += read.value_or(0); back >= chunk; back -= chunk) m.add(chunk);
      if (written == 0 && !read) l.wait(true);
    }
    m.report();
  }

  void connect() {
    const std::string out(plan_.size, 'x');
    std::string in(plan_.size, 0);
    meter m(plan_);
    do {
      auto l = dial("e");
      l.write_all(out);
      l.read_all(in.data(), in.size());
    } while (m.add(plan_.size));
    m.report();
  }

  void idle_connections() {
    { const auto warm = dial("e"); }
    const memory_meter m(plan_);
    std::vector<link> all;
    all.reserve(plan_.streams);
    char back = 0;
    for (std::size_t i = 0; i < plan_.streams; ++i) {
      all.push_back(dial("ex"));
      all.back().read_all(&back, 1);
    }
    m.report();
  }

 private:
  link dial(std::string_view mode) {
    auto l = link::dial(plan_.port, context_.get());
    if (plan_.epoll) l.set_blocking(false);
    l.write_all(mode);
    return l;
  }

  const plan& plan_;
  tls_session last_;
  tls_context context_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_clients<bench::raw_client>(argc, argv); }
