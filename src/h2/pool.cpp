// The pool of connections of a client.

#include "h2/pool.hpp"

#include "core/refusal.hpp"
#include "h2/connector.hpp"
#include "h2/failures.hpp"
#include "net/lifeline.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace duplex::h2 {
namespace {

bool may_try_again(const failure& why) {
  return why.retry_safe && (why.code == errc::refused || why.code == errc::connection_lost);
}

}  // namespace

/// What a dial ends with.
struct pool::dialed {
  std::shared_ptr<net::connection_handle> link{};
  std::optional<failure> why{};
  stream first{};  // for the open that it was dialed for
};

pool::pool(asio::any_io_executor executor, client_options opts)
    : executor_(std::move(executor)), strand_(executor_), home_(strand_), options_(opts), timer_(strand_) {}

pool_handle::~pool_handle() {
  asio::dispatch(pool_->strand(), [p = pool_] { p->retire(); });
}

// Opening

void pool::open(core::op_id id, pending_open next) {
  const auto full = opens_.size() >= options_.max_pending_opens;
  const auto patience = std::min(next.opts.connect_timeout, next.opts.max_time.value_or(next.opts.connect_timeout));
  const auto deadline = core::after(next.opened, patience);
  const auto key = key_of(next.parsed.where, next.opts);
  const auto at = opens_.emplace(id, std::move(next)).first;
  if (closed_) return fail(id, core::refusal(errc::closed, "the client was closed"));
  if (full) return fail(id, core::refusal(errc::limit_exceeded, "more opens wait than max_pending_opens"));
  deadlines_.set({wait::open, id}, deadline);
  at->second.where = find_or_add(key);
  at->second.where->saturated = false;
  at->second.where->queue.push_back(id);
  wait_for_dials(*at->second.where, at->second.opts.connect_timeout);
  serve(at->second.where);
}

std::shared_ptr<origin> pool::find_or_add(const origin_key& key) {
  auto& where = origins_[key];
  if (!where) where = std::make_shared<origin>(origin{key});
  return where;
}

// Gives waiting opens to connections, and sees to it that there are some.
void pool::serve(const std::shared_ptr<origin>& where) {
  if (closed_) return;
  while (!where->queue.empty()) {
    auto* link = where->least_loaded();
    if (!link) break;
    const auto id = where->queue.front();
    where->queue.pop_front();
    assign(where, *link, id);
  }
  if (where->wants_more(options_.max_connections_per_origin)) dial(where);
  watch_idle(*where);
  // One that found us too eager is remembered, so that the next connection is not.
  if (where->links.empty() && where->queue.empty() && where->scoldings == 0) {
    const auto at = origins_.find(where->key);
    if (at != origins_.end() && at->second == where) origins_.erase(at);
  }
  arm_timer();
}

void pool::assign(const std::shared_ptr<origin>& where, pooled& link, core::op_id id) {
  auto& open = opens_.at(id);
  ++link.assigned;
  open.at = link.link->get();
  open.op_there = open.at->next_op();
  auto opts = open.opts;
  opts.connect_timeout = options::duration::max();  // the pool's timer has it
  if (opts.max_time) opts.max_time = time_left(*opts.max_time, open.opened);
  auto answer = [weak = weak_from_this(), where = std::weak_ptr(where), link = link.id, id, at = open.at](error_code ec,
                                                                                                          stream s) {
    const auto self = weak.lock();
    if (!self) return;
    asio::post(self->strand_, [self, where, link, id, load = at->tell_load(), ec, s = std::move(s)]() mutable {
      if (const auto o = where.lock()) self->on_answered(o, link, load, id, ec, std::move(s));
    });
  };
  open.at->submit([at = open.at, op = open.op_there, head = open.parsed.head, opts = std::move(opts), keep = link.link,
                   done = open_completion(asio::bind_executor(net::inside_executor(), std::move(answer)),
                                          open.at->home())]() mutable {
    at->open_when_possible(op, std::move(head), opts, std::move(keep), std::move(done));
  });
}

void pool::on_answered(const std::shared_ptr<origin>& where, core::op_id link, const net::connection_load& load,
                       core::op_id id, error_code ec, stream s) {
  if (auto* p = where->find(link)) {
    --p->assigned;
    on_load(where, link, load);
  }
  const auto at = opens_.find(id);
  if (at == opens_.end()) return;
  auto& open = at->second;
  open.at.reset();
  ++open.attempts;
  const auto why = s.failure();
  if (ec && open.verdict) {
    fail(id, std::move(*open.verdict));
  } else if (ec && why && may_try_again(*why) && open.attempts < options_.max_attempts) {
    constexpr std::size_t most_doublings = 16;
    const auto pause = options_.retry_delay * (1U << std::min(open.attempts - 1, most_doublings));
    deadlines_.set({wait::retry, id}, core::after(net::connection::now(), pause));
    arm_timer();
  } else {
    finish(id, ec, std::move(s));
  }
}

// Dialing

void pool::dial(const std::shared_ptr<origin>& where) {
  const auto opener = where->queue.front();
  const auto& first = opens_.at(opener);
  auto opts = first.opts;
  // Nobody else has a place for it before this dial is over, so its request is sent once.
  const auto riding = first.asked.early_data && where->links.empty() ? std::optional(first.opts) : std::nullopt;
  const auto preface_timeout = opts.connect_timeout;
  opts.connect_timeout = options::duration::max();  // it ends when nobody waits for it any more
  opts.max_time.reset();
  opts.keepalive_time = where->keepalive_time(opts.keepalive_time);
  opts.active = active::off;
  opts.on_message = nullptr;  // it is the stream's, and goes with the open
  const auto id = next_id();
  auto& next = where->links.emplace_back();
  next.id = id;
  next.dialed = net::connection::now();
  next.dialing = std::make_unique<asio::cancellation_signal>();
  for (const auto waiting : where->queue) wait_for_dials(*where, opens_.at(waiting).opts.connect_timeout);

  const std::weak_ptr weak = weak_from_this();
  const std::weak_ptr weak_where = where;
  const auto done = [weak, weak_where, id, opener](error_code, dialed result) {
    const auto self = weak.lock();
    if (!self) return;
    asio::post(self->strand_, [self, weak_where, id, opener, result = std::move(result)]() mutable {
      if (result.first) self->take_first(opener, std::move(result.first));
      if (const auto o = weak_where.lock()) self->on_dialed(o, id, std::move(result));
    });
  };
  connect<dialed>(
      executor_, riding ? first.asked : request{.url = first.asked.url}, std::move(opts),
      asio::bind_cancellation_slot(next.dialing->slot(), done),
      [weak, weak_where, id, riding, opened = first.opened](const std::shared_ptr<net::connection>& link,
                                                            const core::request_head& head, const options&) {
        link->watch_load([weak, weak_where, id](const net::connection_load& load) {
          const auto self = weak.lock();
          if (!self) return;
          asio::post(self->strand_, [self, weak_where, id, load] {
            if (const auto o = weak_where.lock()) self->on_load(o, id, load);
          });
        });
        dialed result{.link = std::make_shared<net::connection_handle>(link)};
        if (auto opts = riding) {
          if (opts->max_time) opts->max_time = time_left(*opts->max_time, opened);
          result.first = open_on(link, head, *opts, false).second;
        }
        return std::pair(error_code(), std::move(result));
      },
      [](failure why, const connection_info&) { return dialed{.why = std::move(why)}; }, preface_timeout);
}

// Whoever does not wait any more drops it, which resets it.
void pool::take_first(core::op_id id, stream s) {
  const auto at = opens_.find(id);
  if (at == opens_.end()) return;
  std::erase(at->second.where->queue, id);
  finish(id, {}, std::move(s));
}

// A dial may never end, and whoever waited for it may have found a place elsewhere. While it lasts there is no other.
void pool::wait_for_dials(origin& where, options::duration patience) {
  for (auto& p : where.links) {
    if (!p.dialing || p.patience >= patience) continue;
    p.patience = patience;
    deadlines_.set({wait::dial, p.id}, p.dial_ends());
  }
}

void pool::stop_dial(pooled& p) {
  deadlines_.clear({wait::dial, p.id});
  p.dialing->emit(asio::cancellation_type::terminal);
}

void pool::stop_dialing(origin& where) {
  for (auto& p : where.links) {
    if (p.dialing) stop_dial(p);
  }
  std::erase_if(where.links, [](const pooled& p) { return p.dialing != nullptr; });
}

void pool::on_dial_overdue(core::op_id link) {
  const auto where = owner_of(link);
  if (!where) return;
  stop_dial(*where->find(link));
  std::erase_if(where->links, [link](const pooled& p) { return p.id == link; });
  serve(where);
}

void pool::on_dialed(const std::shared_ptr<origin>& where, core::op_id link, dialed result) {
  auto* next = where->find(link);
  if (!next) return;  // nobody waits for it any more
  deadlines_.clear({wait::dial, link});
  if (!result.why) {
    next->link = std::move(result.link);
    next->dialing.reset();
    return serve(where);
  }
  std::erase_if(where->links, [link](const pooled& p) { return p.id == link; });
  where->saturated = !where->links.empty();
  if (where->links.empty()) {
    for (const auto id : std::exchange(where->queue, {})) fail(id, *result.why);
  }
  serve(where);
}

// Connections

void pool::on_load(const std::shared_ptr<origin>& where, core::op_id link, const net::connection_load& load) {
  auto* p = where->find(link);
  if (!p) return;
  p->load = load;
  if (load.too_many_pings) ++where->scoldings;
  if (!load.in_service) drop(*where, link);
  serve(where);
}

// Its streams' handles keep it, and it closes after the last.
void pool::drop(origin& where, core::op_id link) {
  deadlines_.clear({wait::idle, link});
  std::erase_if(retired_, [](const auto& c) { return c.expired(); });
  if (auto* p = where.find(link); p && p->link) retired_.push_back(p->link->get());
  std::erase_if(where.links, [link](const pooled& p) { return p.id == link; });
}

void pool::watch_idle(origin& where) {
  for (auto& p : where.links) {
    const bool idle = p.link && p.used() == 0;
    if (idle == p.idle) continue;
    p.idle = idle;
    if (idle) {
      deadlines_.set({wait::idle, p.id}, core::after(net::connection::now(), options_.idle_timeout));
    } else {
      deadlines_.clear({wait::idle, p.id});
    }
  }
}

// Running streams finish; handles of streams that are over do not hold it up.
void pool::say_goodbye(const pooled& p) {
  p.link->get()->submit([c = p.link->get()] { c->goaway(0, {}); });
}

std::shared_ptr<origin> pool::owner_of(core::op_id link) const {
  const auto at = std::find_if(origins_.begin(), origins_.end(),
                               [link](const auto& entry) { return entry.second->find(link) != nullptr; });
  return at == origins_.end() ? nullptr : at->second;
}

void pool::drop_idle(core::op_id link) {
  const auto where = owner_of(link);
  if (!where || !where->find(link)->idle) return;  // it was given something in this very moment
  say_goodbye(*where->find(link));
  drop(*where, link);
  serve(where);
}

// Ending an open

void pool::finish(core::op_id id, error_code ec, stream s) {
  auto open = opens_.extract(id);
  if (open.empty()) return;
  deadlines_.clear({wait::open, id});
  deadlines_.clear({wait::retry, id});
  arm_timer();
  asio::post(strand_, [done = std::move(open.mapped().done), keep = std::move(open.mapped().keep), ec,
                       s = std::move(s)]() mutable { done(ec, std::move(s)); });
}

void pool::fail(core::op_id id, failure why) {
  const auto ec = why.code;
  finish(id, ec, failed_stream(std::move(why)));
}

void pool::cancel(core::op_id id) { give_up(id, core::refusal(errc::canceled, "the open was canceled")); }

void pool::give_up(core::op_id id, failure why) {
  const auto at = opens_.find(id);
  if (at == opens_.end()) return;
  auto& open = at->second;
  if (open.at) {
    open.verdict = std::move(why);
    return open.at->submit([c = open.at, op = open.op_there] { c->cancel_open(op); });
  }
  const auto where = open.where;
  std::erase(where->queue, id);
  fail(id, std::move(why));
  if (where->queue.empty()) stop_dialing(*where);
  serve(where);
}

// Ending the pool

void pool::shutdown(std::chrono::milliseconds grace, net::completion<error_code> done) {
  struct gathering {
    net::completion<error_code> done;
    std::size_t left;
  };
  const auto links = end();
  if (links.empty()) {
    return asio::post(strand_, [done = std::move(done)]() mutable { done({}); });
  }
  const auto all = std::make_shared<gathering>(gathering{std::move(done), links.size()});
  for (const auto& c : links) {
    auto closed = asio::bind_executor(net::inside_executor(), [all, here = strand_](error_code) {
      asio::post(here, [all] {
        if (--all->left == 0) all->done({});
      });
    });
    c->submit([c, grace, closed = net::completion<error_code>(std::move(closed), c->home())]() mutable {
      c->shutdown(grace);
      c->when_closed(c->next_op(), std::move(closed));
    });
  }
}

void pool::close() {
  for (const auto& c : end()) c->submit([c] { c->close(); });
}

void pool::retire() {
  closed_ = true;
  for (const auto& [key, where] : std::exchange(origins_, {})) {
    stop_dialing(*where);
    for (const auto& p : where->links) say_goodbye(p);
  }
  deadlines_ = {};
  arm_timer();
}

// Takes every connection out of service, and returns them all.
std::vector<std::shared_ptr<net::connection>> pool::end() {
  closed_ = true;
  std::vector<core::op_id> waiting;
  waiting.reserve(opens_.size());
  for (const auto& [id, open] : opens_) waiting.push_back(id);
  for (const auto id : waiting) give_up(id, core::refusal(errc::canceled, "the client was closed"));
  std::vector<std::shared_ptr<net::connection>> links;
  for (const auto& [key, where] : std::exchange(origins_, {})) {
    stop_dialing(*where);
    for (const auto& p : where->links) {
      deadlines_.clear({wait::idle, p.id});
      retired_.push_back(p.link->get());
    }
    where->links.clear();
  }
  for (const auto& weak : retired_) {
    if (auto c = weak.lock()) links.push_back(std::move(c));
  }
  arm_timer();
  return links;
}

client_stats pool::stats() const {
  client_stats out;
  for (const auto& [key, where] : origins_) {
    for (const auto& p : where->links) {
      ++(p.link ? out.connections : out.dialing);
      out.streams += p.load.streams;
    }
  }
  out.pending_opens = opens_.size();
  return out;
}

// Time

void pool::arm_timer() {
  const auto next = deadlines_.next();
  if (!next) {
    if (std::exchange(armed_, std::nullopt)) timer_.cancel();
    return;
  }
  // An earlier wake-up than needed is harmless, and cheaper than moving the timer with every open.
  if (armed_ && *armed_ <= *next) return;
  armed_ = next;
  timer_.expires_at(*next);
  timer_.async_wait([life = net::lifeline<pool>(shared_from_this())](error_code ec) mutable {
    const auto self = life.release();
    if (!ec) self->on_time();
  });
}

void pool::on_time() {
  armed_.reset();
  const auto now = net::connection::now();
  std::vector<core::op_id> again;
  for (const auto& due : deadlines_.expire(now)) {
    if (due.what == wait::idle) {
      drop_idle(due.id);
    } else if (due.what == wait::dial) {
      on_dial_overdue(due.id);
    } else if (due.what == wait::open) {
      const auto at = opens_.find(due.id);
      if (at == opens_.end()) continue;
      const auto& opts = at->second.opts;
      const bool ended = opts.max_time && *opts.max_time < opts.connect_timeout;
      give_up(due.id,
              core::refusal(errc::timeout, ended ? "no stream within max_time" : "no stream within connect_timeout"));
    } else {
      again.push_back(due.id);
    }
  }
  // They have waited before, so they come first, in their order.
  for (auto id = again.rbegin(); id != again.rend(); ++id) {
    const auto at = opens_.find(*id);
    if (at == opens_.end()) continue;
    at->second.where = find_or_add(at->second.where->key);
    at->second.where->queue.push_front(*id);
  }
  for (const auto id : again) {
    if (const auto at = opens_.find(id); at != opens_.end()) serve(at->second.where);
  }
  arm_timer();
}

void pool::abandon() noexcept {
  closed_ = true;
  const auto opens = std::exchange(opens_, {});
  const auto origins = std::exchange(origins_, {});
}

}  // namespace duplex::h2
