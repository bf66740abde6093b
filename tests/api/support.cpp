#include "support.hpp"

#include <boost/asio/co_spawn.hpp>

#include <atomic>
#include <exception>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace duplex::test {

std::string name(error_code ec) {
  if (!ec) return "ok";
  return ec.category() == error_category() ? std::string(to_string(static_cast<errc>(ec.value()))) : ec.message();
}

context_threads::context_threads(std::size_t count)
    : context_(static_cast<int>(count)), work_(asio::make_work_guard(context_)) {
  for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { context_.run(); });
}

context_threads::~context_threads() {
  context_.stop();
  for (auto& t : threads_) t.join();
}

void run(asio::io_context& io, asio::awaitable<void> script) {
  bool over = false;
  std::exception_ptr failed;
  asio::co_spawn(io, std::move(script), [&](std::exception_ptr error) {
    over = true;
    failed = std::move(error);
  });
  ASSERT_TRUE(run_until(io, [&] { return over; })) << "the coroutine did not end in time";
  if (!failed) return;
  try {
    std::rethrow_exception(failed);
  } catch (const std::exception& e) {
    FAIL() << e.what();
  }
}

frame_handler frame_log::recorder() const {
  return [s = state_](const frame_info& frame) {
    const std::lock_guard lock(s->mutex);
    s->frames.push_back(frame);
    s->changed.notify_all();
  };
}

std::vector<frame_info> frame_log::all() const {
  const std::lock_guard lock(state_->mutex);
  return state_->frames;
}

namespace {

std::size_t matching(const std::vector<frame_info>& frames, bool sent, std::string_view text) {
  std::size_t found = 0;
  for (const auto& f : frames) found += f.sent == sent && f.text.starts_with(text) ? 1 : 0;
  return found;
}

}  // namespace

std::size_t frame_log::count(bool sent, std::string_view text) const {
  const std::lock_guard lock(state_->mutex);
  return matching(state_->frames, sent, text);
}

bool frame_log::wait(bool sent, std::string_view text, std::size_t count) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, patience, [&] { return matching(state_->frames, sent, text) >= count; });
}

options bounded() {
  options opts;
  opts.recv_timeout = patience;
  opts.send_timeout = patience;
  return opts;
}

h2::server_options cleartext() {
  h2::server_options opts;
  opts.cleartext = true;
  opts.stream.recv_timeout = patience;
  opts.stream.send_timeout = patience;
  return opts;
}

const certificate& localhost_certificate() {
  static const certificate made = make_self_signed();
  return made;
}

h2::server_options with_tls() {
  auto opts = cleartext();
  opts.cleartext = false;
  opts.certificate_pem = localhost_certificate().certificate_pem;
  opts.key_pem = localhost_certificate().key_pem;
  return opts;
}

std::string temporary_file(std::string_view contents) {
  // Removed at exit, whatever the test did.
  static const struct folder {
    folder() {
      path = testing::TempDir() + "duplex-api-XXXXXX";
      if (!mkdtemp(path.data())) throw std::runtime_error("no temporary folder");
    }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    ~folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::string path;
  } place;
  static std::atomic<int> number = 0;
  auto path = place.path + "/" + std::to_string(++number) + ".pem";
  std::ofstream(path) << contents;
  return path;
}

options trusting_localhost() {
  static const std::string file = temporary_file(localhost_certificate().certificate_pem);
  auto opts = bounded();
  opts.tls.ca_file = file;
  return opts;
}

peer::peer(h2::server_options opts)
    : service_(
          [q = queue_](request head, h2::stream s) {
            const std::lock_guard lock(q->mutex);
            if (q->closed) return;
            q->list.push_back({std::move(head), std::move(s)});
            q->arrived.notify_one();
          },
          std::move(opts)) {}

// No stream may be left when the context goes.
peer::~peer() {
  std::deque<accepted> rest;
  const std::lock_guard lock(queue_->mutex);
  queue_->closed = true;
  rest.swap(queue_->list);
}

accepted peer::accept() {
  std::unique_lock lock(queue_->mutex);
  if (!queue_->arrived.wait_for(lock, patience, [&] { return !queue_->list.empty(); })) {
    throw std::runtime_error("no request came");
  }
  auto next = std::move(queue_->list.front());
  queue_->list.pop_front();
  return next;
}

bool peer::idle() const {
  const std::lock_guard lock(queue_->mutex);
  return queue_->list.empty();
}

both_ends::both_ends(options opts, h2::server_options server_opts)
    : server(std::move(server_opts)),
      client(h2::open({.url = server.url()}, std::move(opts))),
      remote(server.accept().stream) {}

// A PING overtakes nothing that was framed before it, so its answer proves that all of that has been handled.
void fence(const h2::stream& s) { get(s.connection().async_ping(as_future)); }

void fence(const both_ends& ends) {
  fence(ends.client);
  fence(ends.remote);
}

namespace {

std::string list(const fields& headers) {
  std::string out;
  for (const auto& f : headers) out += " " + f.name + "=" + f.value;
  return out;
}

struct describer {
  std::string operator()(const response& r) const { return "response " + std::to_string(r.status) + list(r.headers); }
  std::string operator()(const data& d) const { return "data " + d.bytes; }
  std::string operator()(const trailers& t) const { return "trailers" + list(t.headers); }
  std::string operator()(const done&) const { return "done"; }
  std::string operator()(const informational& i) const {
    return "informational " + std::to_string(i.status) + list(i.headers);
  }
};

}  // namespace

std::string describe(const message& m) { return std::visit(describer(), m); }

std::vector<std::string> transcript(h2::stream& s) {
  std::vector<std::string> out;
  bool in_data = false;
  while (true) {
    error_code ec;
    const auto m = s.recv(ec);
    if (ec) {
      out.push_back("error " + name(ec));
      return out;
    }
    const auto* d = std::get_if<data>(&m);
    if (d && in_data) {
      out.back() += d->bytes;
    } else {
      out.push_back(describe(m));
    }
    in_data = d != nullptr;
    if (std::holds_alternative<done>(m)) return out;
  }
}

failure why(const h2::stream& s) {
  EXPECT_TRUE(s.failure());
  return s.failure().value_or(failure());
}

std::string last_error(h2::stream& s) {
  error_code ec;
  while (!ec) s.recv(ec);
  return name(ec);
}

asio::awaitable<void> echo_back(request, h2::stream s) {
  response head{200, {}};
  co_await s.async_send_response(std::move(head), asio::use_awaitable);
  for (auto m = co_await s.async_recv(asio::use_awaitable); !std::holds_alternative<done>(m);
       m = co_await s.async_recv(asio::use_awaitable)) {
    if (auto* d = std::get_if<data>(&m)) co_await s.async_send(d->bytes, asio::use_awaitable);
  }
  co_await s.async_send("", h2::fin, asio::use_awaitable);
}

std::string receive(h2::stream& s, std::size_t size) {
  std::string out;
  while (out.size() < size) out += std::get<data>(s.recv()).bytes;
  return out;
}

std::string recv_error(h2::stream& s) {
  error_code ec;
  s.recv(ec);
  return name(ec);
}

std::string pattern(std::size_t size) {
  constexpr std::size_t prime = 23;
  std::string out(size, ' ');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + i % prime);
  return out;
}

}  // namespace duplex::test
