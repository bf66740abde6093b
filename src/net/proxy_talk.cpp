// Talking to proxies.

#include "net/proxy_talk.hpp"

#include <boost/asio/post.hpp>

#include <memory>
#include <string_view>
#include <utility>

namespace duplex::net {
namespace {

class talk : public std::enable_shared_from_this<talk> {
 public:
  talk(transport& link, proxy_codec codec, std::function<void(proxy_verdict)> done)
      : link_(link), codec_(std::move(codec)), done_(std::move(done)) {}

  void start() {
    take(std::visit([](auto& c) { return c.begin(); }, codec_));
    go();
  }

 private:
  void take(proxy_step next) {
    step_ = std::move(next);
    sent_ = 0;
    writing_ = !step_.send.empty();
    got_.assign(step_.read, '\0');
    filled_ = 0;
  }

  void go() {
    for (;;) {
      if (!step_.refused.empty()) return done_({{}, step_.refused});
      error_code ec;
      while (writing_) {
        sent_ += link_.write_some(asio::buffer(std::string_view(step_.send).substr(sent_)), ec);
        if (must_wait(ec)) return wait(direction::writing);
        if (ec) return done_({ec, {}});
        writing_ = sent_ < step_.send.size();
      }
      if (step_.over()) return done_({});
      while (filled_ < got_.size()) {
        filled_ += link_.read_some(asio::buffer(got_.data() + filled_, got_.size() - filled_), ec);
        if (filled_ == got_.size()) break;
        if (!ec) return asio::post(link_.get_executor(), [self = shared_from_this()] { self->go(); });
        if (must_wait(ec)) return wait(direction::reading);
        return done_({ec, {}});
      }
      take(std::visit([this](auto& c) { return c.feed(got_); }, codec_));
    }
  }

  void wait(direction what) {
    link_.async_wait(what, [self = shared_from_this()](error_code ec) {
      if (ec) return self->done_({ec, {}});
      self->go();
    });
  }

  transport& link_;
  proxy_codec codec_;
  std::function<void(proxy_verdict)> done_;
  proxy_step step_{};
  std::size_t sent_ = 0;
  bool writing_ = false;
  std::string got_{};
  std::size_t filled_ = 0;
};

}  // namespace

void talk_to_proxy(transport& link, proxy_codec codec, std::function<void(proxy_verdict)> done) {
  std::make_shared<talk>(link, std::move(codec), std::move(done))->start();
}

}  // namespace duplex::net
