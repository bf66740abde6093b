// duplex with callbacks: messages are pushed to a handler (active mode), on the thread that runs the io_context.
#include "setup.hpp"

#include "common/meter.hpp"
#include "common/program.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using duplex::error_code;
using duplex::h2::connection;
using duplex::h2::stream;

void check(error_code ec) {
  if (ec) throw boost::system::system_error(ec);
}

class callback_client {
 public:
  callback_client(const plan& p, asio::io_context& io) : plan_(p), io_(io), out_(p.size, 'x') {}

  void run() {
    connection::async_connect(io_.get_executor(), plan_.url(), options_of(plan_), [this](error_code ec, connection c) {
      check(ec);
      connection_ = std::move(c);
      meter_.emplace(plan_);
      for (std::size_t i = 0; i < plan_.streams; ++i) open();
    });
    io_.run();
    meter_->report();
  }

 private:
  struct exchange {
    duplex::h2::stream stream{};
    std::size_t back = 0;
  };

  void open() {
    connection_.async_open_stream(request_of(plan_), options_of(plan_), [this](error_code ec, stream s) {
      check(ec);
      all_.push_back(std::make_unique<exchange>());
      auto& x = *all_.back();
      x.stream = std::move(s);
      begin(x);
    });
  }

  void begin(exchange& x) {
    x.back = 0;
    x.stream.set_active(duplex::active::on, [this, &x](error_code ec, duplex::message m) {
      if (io_.stopped()) return;
      check(ec);
      arrived(x, m);
    });
    if (plan_.workload == workload::open) {
      x.stream.async_send(out_, duplex::h2::fin, [](error_code) {});
    } else if (plan_.workload != workload::down) {
      send(x);
    }
  }

  void arrived(exchange& x, const duplex::message& m) {
    if (plan_.workload == workload::open) {
      if (!is_done(m)) return;
      count();
      return reopen(x);
    }
    x.back += payload(m);
    for (; x.back >= plan_.size; x.back -= plan_.size) {
      count();
      if (plan_.workload == workload::ping_pong) send(x);
    }
  }

  void reopen(exchange& x) {
    connection_.async_open_stream(request_of(plan_), options_of(plan_), [this, &x](error_code ec, stream s) {
      check(ec);
      x.stream = std::move(s);
      begin(x);
    });
  }

  void send(exchange& x) {
    x.stream.async_send(out_, [this, &x](error_code ec) {
      if (io_.stopped()) return;
      check(ec);
      if (plan_.workload == workload::up) count();
      if (plan_.workload == workload::up || plan_.workload == workload::echo) send(x);
    });
  }

  void count() {
    if (!meter_->add(plan_.size)) io_.stop();
  }

  const plan& plan_;
  asio::io_context& io_;
  std::string out_;
  connection connection_;
  std::optional<meter> meter_;
  std::vector<std::unique_ptr<exchange>> all_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run([&] {
    const auto plan = bench::parse(argc, argv);
    using bench::workload;
    const auto w = plan.workload;
    if (w == workload::connect || w == workload::idle || w == workload::idle_connections) {
      throw std::runtime_error("measured in the other styles");
    }
    boost::asio::io_context io(1);
    bench::callback_client(plan, io).run();
  });
}
