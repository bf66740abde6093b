// What is ready to be told to users.

#include "net/ready_list.hpp"

#include "net/stream.hpp"

#include <cstddef>
#include <iterator>
#include <utility>

namespace duplex::net {

struct ready_list::runner {
  void operator()(outcome& what) const { what.done(what.ec); }
  void operator()(arrival& what) const { what.done(what.ec, std::move(what.m)); }
  void operator()(opening& what) const { what.done({}, std::move(what.s)); }
  void operator()(const std::shared_ptr<stream_state>& stream) const { stream->run_active(); }
  void operator()(arrived_request& what) const {
    const auto link = what.stream->get()->get_connection();
    link->answer(std::move(*what.head), h2::stream(std::move(what.stream)));
  }
  void operator()(rare& what) const { std::move(what)(); }
};

void ready_list::run() {
  struct batch {
    ready_list& owner;
    std::size_t next = 0;

    explicit batch(ready_list& l) : owner(l) { std::swap(l.list_, l.running_); }
    batch(const batch&) = delete;
    batch& operator=(const batch&) = delete;
    ~batch() {
      auto& left = owner.running_;
      if (next < left.size()) {
        auto added = std::exchange(owner.list_, {});
        const auto first = left.begin() + static_cast<std::ptrdiff_t>(next);
        owner.list_.assign(std::make_move_iterator(first), std::make_move_iterator(left.end()));
        for (auto& each : added) owner.list_.push_back(std::move(each));
      }
      left.clear();
    }
  } now(*this);
  while (now.next < running_.size()) {
    // Where it is: nobody touches this list meanwhile, even if a handler ends the connection.
    std::visit(runner(), running_[now.next++]);
  }
}

void ready_list::rest() {
  if (list_.empty()) list_ = std::vector<item>();
  if (running_.empty()) running_ = std::vector<item>();
}

}  // namespace duplex::net
