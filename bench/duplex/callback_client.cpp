// duplex with callbacks: messages are pushed to a handler (active mode), on the thread that runs the io_context.
#include "setup.hpp"

#include "common/meter.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
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
    switch (plan_.workload) {
      case workload::connect:
      case workload::reconnect:
        meter_.emplace(plan_);
        connect();
        break;
      case workload::idle:
        dial([this] { exchange_once([this] { idle(); }); });
        break;
      case workload::idle_connections:
        dial([this] { exchange_once([this] { idle_connections(); }); });
        break;
      default:
        dial([this] {
          meter_.emplace(plan_);
          for (std::size_t i = 0; i < plan_.streams; ++i) open();
        });
    }
    io_.run();
    meter_ ? meter_->report() : memory_->report();
  }

 private:
  struct exchange {
    duplex::h2::stream stream{};
    std::size_t back = 0;
  };

  using next = std::function<void()>;

  void dial(next then) {
    connection::async_connect(io_.get_executor(), plan_.url(), options_of(plan_),
                              [this, then = std::move(then)](error_code ec, connection c) {
                                check(ec);
                                connection_ = std::move(c);
                                then();
                              });
  }

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
    x.stream.set_active(duplex::active::on, [this, &x](error_code ec, const duplex::message& m) {
      if (over_) return;
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
      if (over_) return;
      check(ec);
      if (plan_.workload == workload::up) count();
      if (plan_.workload == workload::up || plan_.workload == workload::echo) send(x);
    });
  }

  // One message each way, to the end of the stream.
  void exchange_once(const next& then) {
    connection_.async_open_stream(request_of(plan_), options_of(plan_), [this, then](error_code ec, stream s) {
      check(ec);
      exchange_on(std::move(s), then);
    });
  }
  void exchange_on(stream s, next then) {
    one_ = std::move(s);
    one_.set_active(duplex::active::on, [this, then = std::move(then)](error_code ec, const duplex::message& m) {
      if (over_) return;
      check(ec);
      if (is_done(m)) asio::post(io_, then);
    });
    one_.async_send(out_, duplex::h2::fin, [](error_code ec) { check(ec); });
  }

  void connect() {
    duplex::h2::async_open(io_.get_executor(), request_of(plan_), options_of(plan_), [this](error_code ec, stream s) {
      check(ec);
      exchange_on(std::move(s), [this] {
        count();
        connect();
      });
    });
  }

  void idle() {
    if (!memory_) memory_.emplace(plan_);
    connection_.async_open_stream(request_of(plan_), options_of(plan_), [this](error_code ec, stream s) {
      check(ec);
      idle_.push_back(std::move(s));
      idle_.back().async_recv([this](error_code failed, const duplex::message&) {
        check(failed);
        idle_.size() < plan_.streams ? idle() : io_.stop();
      });
    });
  }

  void idle_connections() {
    if (!memory_) memory_.emplace(plan_);
    if (connections_.size() == plan_.streams) return io_.stop();
    dial([this] {
      connections_.push_back(connection_);
      exchange_once([this] { idle_connections(); });
    });
  }

  void count() {
    if (meter_->add(plan_.size)) return;
    over_ = true;
    io_.stop();
  }

  const plan& plan_;
  asio::io_context& io_;
  std::string out_;
  connection connection_;
  std::optional<meter> meter_;
  std::optional<memory_meter> memory_;
  stream one_;
  std::vector<stream> idle_;
  std::vector<connection> connections_;
  std::vector<std::unique_ptr<exchange>> all_;
  bool over_ = false;  // to ask the context takes a lock
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_on_contexts<bench::callback_client>(argc, argv); }
