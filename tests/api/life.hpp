#pragma once
// A client's whole life in callbacks, every verb of it, on handles that all are in one place: so that they can be
// dropped, or the context ended, at any point of it.

#include "support.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace duplex::test {

class life : public std::enable_shared_from_this<life> {
 public:
  /// Everything of the user's that keeps something alive.
  struct handles {
    std::vector<h2::stream> streams;
    std::vector<h2::connection> links;
    std::optional<h2::client> pool;
  };

  /// How its operations end, for longer than it lives.
  struct tally {
    std::atomic<std::size_t> begun = 0;
    std::atomic<std::size_t> completed = 0;
    std::atomic<std::size_t> failed = 0;

    [[nodiscard]] bool over() const { return begun == completed; }
  };

  life(asio::any_io_executor executor, std::string url, options opts, std::shared_ptr<tally> t)
      : executor_(std::move(executor)), url_(std::move(url)), opts_(std::move(opts)), tally_(std::move(t)) {}

  /// Begins all of it, to end by itself. The handlers own the life, not the other way round.
  void begin() {
    use([this](handles& h) { h.pool.emplace(executor_); });
    a_stream_of_its_own();
    a_connection();
    a_pool();
    fetches();
  }

  /// Drops every handle, and takes no more.
  void drop() {
    handles dropped;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    std::swap(dropped, handles_);
  }
  /// Does so from inside the handler of the `n`th operation that completes.
  void drop_at(std::size_t n) { drop_at_ = n; }

  /// Ends every handle by its own verb.
  void close();

 private:
  // A handler that counts, and goes on if all is well.
  template <class Next>
  auto then(Next next) {
    ++tally_->begun;
    return [self = shared_from_this(), next = std::move(next)](error_code ec, auto... values) {
      if (ec) ++self->tally_->failed;
      if (!ec) next(std::move(values)...);
      if (++self->tally_->completed == self->drop_at_) self->drop();
    };
  }
  auto then() {
    return then([](auto&&...) {});
  }
  template <class Function>
  void use(Function f) {
    const std::lock_guard lock(mutex_);
    if (!closed_) f(handles_);
  }
  // Where it can be dropped. Until it is, `f(stream)` uses it.
  template <class Function>
  void keep(h2::stream s, Function f) {
    std::size_t at = 0;
    bool kept = false;
    use([&](handles& h) {
      at = h.streams.size();
      h.streams.push_back(std::move(s));
      kept = true;
    });
    if (kept) f(at);
  }
  // The stream itself is used without the lock: its verbs may run handlers of others at once.
  template <class Function>
  void with(std::size_t at, Function f) {
    h2::stream s;
    use([&](handles& h) { s = h.streams[at]; });
    if (s) f(s);
  }

  void receive_all(std::size_t at, std::function<void()> afterwards) {
    with(at, [&](h2::stream& s) {
      s.async_recv(then([this, at, afterwards](const message& m) {
        if (!std::holds_alternative<done>(m)) return receive_all(at, afterwards);
        if (afterwards) afterwards();
      }));
    });
  }
  // More than the peer's window holds, then trailers; it all comes back meanwhile.
  void converse(h2::stream opened, std::function<void(std::size_t)> afterwards = {}) {
    keep(std::move(opened), [&](std::size_t at) {
      with(at, [&](h2::stream& s) {
        s.async_send(payload_, then());
        s.async_send_trailers({{"a", "b"}}, then());
        s.async_stats(then());
      });
      receive_all(at, [=] {
        if (afterwards) afterwards(at);
      });
    });
  }
  request rq() const { return {.url = url_}; }

  void a_stream_of_its_own() {
    h2::async_open(executor_, rq(), opts_, then([this](h2::stream opened) {
                     converse(std::move(opened),
                              [this](std::size_t at) { with(at, [&](h2::stream& s) { s.async_close(then()); }); });
                   }));
    // And one that is pushed its messages.
    h2::async_open(executor_, rq(), opts_, then([this](h2::stream opened) {
                     keep(std::move(opened), [this](std::size_t at) {
                       with(at, [this](h2::stream& s) {
                         s.set_active(active::on, [self = shared_from_this()](error_code, const message&) {});
                         s.async_send("abc", h2::fin, then());
                       });
                     });
                   }));
  }
  void a_connection() {
    h2::connection::async_connect(executor_, url_, opts_, then([this](h2::connection opened) {
                                    use([&](handles& h) { h.links.push_back(opened); });
                                    opened.async_ping(then([this, opened](auto) { streams_of(opened); }));
                                  }));
  }
  // The peer takes two at a time, so the third waits. After the last the connection is shut down.
  void streams_of(h2::connection link) {
    const auto left = std::make_shared<int>(3);
    for (int i = *left; i > 0; --i) {
      link.async_open_stream(rq(), opts_, then([this, link, left](h2::stream opened) {
                               converse(std::move(opened), [this, link, left](std::size_t) mutable {
                                 if (--*left == 0) link.async_shutdown(patience, then());
                               });
                             }));
    }
    link.async_ping(then());
    link.async_stats(then());
  }
  void a_pool() {
    use([this](handles& h) {
      for (int i = 0; i < 3; ++i) {
        h.pool->async_open(rq(), opts_, then([this](h2::stream s) { converse(std::move(s)); }));
      }
      h.pool->async_stats(then());
    });
  }
  void fetches() {
    h2::async_fetch(executor_, rq(), payload_, {.stream = opts_}, then());
    use([this](handles& h) {
      h2::async_fetch(*h.pool, rq(), payload_, {.stream = opts_}, then());
      h2::async_fetch_stream(*h.pool, rq(), payload_, {.stream = opts_}, then([this](const response&, h2::stream rest) {
        keep(std::move(rest), [this](std::size_t at) { receive_all(at, {}); });
      }));
    });
  }

  asio::any_io_executor executor_;
  std::string url_;
  options opts_;
  std::string payload_ = pattern(3000);
  std::shared_ptr<tally> tally_;
  std::size_t drop_at_ = 0;
  std::mutex mutex_;
  handles handles_;
  bool closed_ = false;
};

inline void life::close() {
  handles now;
  {
    const std::lock_guard lock(mutex_);
    now = handles_;
  }
  for (auto& s : now.streams) s.async_close(then());
  for (auto& c : now.links) c.close();
  if (now.pool) now.pool->close();
}

/// The server that it talks to: small windows, and two streams at a time.
[[nodiscard]] inline h2::server_options for_life(h2::server_options opts) {
  opts.stream.stream_window = 1000;
  opts.max_concurrent_streams = 2;
  return opts;
}

/// Options whose time-outs are longer than the tests wait.
[[nodiscard]] inline options for_life() {
  auto opts = trusting_localhost();
  opts.connect_timeout = opts.close_timeout = patience;
  return opts;
}

}  // namespace duplex::test
