// What is ready to be told to users.

#include "net/ready_list.hpp"

#include "net/stream.hpp"

#include <utility>

namespace duplex::net {

struct ready_list::runner {
  void operator()(outcome& what) const { what.done(what.ec); }
  void operator()(arrival& what) const { what.done(what.ec, std::move(what.m)); }
  void operator()(opening& what) const { what.done({}, std::move(what.s)); }
  void operator()(const std::shared_ptr<stream_state>& stream) const { stream->run_active(); }
  void operator()(arrived_request& what) const {
    const auto link = what.stream->get()->get_connection();
    link->answer(std::move(*what.head), what.stream);
  }
  void operator()(rare& what) const { std::move(what)(); }
};

void ready_list::run() {
  if (next_ == running_.size()) {
    forget();
    std::swap(list_, running_);
  }
  while (next_ < running_.size()) {
    // Where it is: nobody touches this list meanwhile, even if a handler ends the connection.
    std::visit(runner(), running_[next_++]);
  }
  forget();
}

void ready_list::forget() noexcept {
  running_.clear();
  next_ = 0;
}

void ready_list::clear() noexcept {
  list_.clear();
  forget();
}

void ready_list::rest() {
  if (list_.empty()) list_ = std::vector<item>();
  if (running_.empty()) running_ = std::vector<item>();
}

}  // namespace duplex::net
