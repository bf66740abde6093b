// The paths of `duplex serve`: an httpbin for streams.

#include "handlers.hpp"

#include "json.hpp"
#include "stats.hpp"
#include "units.hpp"

#include <duplex/h2/code.hpp>
#include <duplex/h2/connection.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace duplex::tool {

const char* const path_help = R"(Paths:
  /echo                     every DATA back as it comes, then the trailers grpc-status: 0;
                            also every unknown path with a content-type of application/grpc
  /sink                     reads all, answers how many bytes that were
  /source?bytes=N&chunk=N   N bytes (1M; infinity for no end) in pieces (16K)
  /slow?rate=N&bytes=N      N bytes (1000), at that many a second (100)
  /status/NNN               this status and no body
  /trailers-only            a response without body that has grpc-status: 0 in its head
  /informational?n=N        N replies (1) with 103 before the response
  /reset/CODE?after=N       resets the stream with CODE; with after, first 200 and N bytes
  /goaway                   says GOAWAY while it answers
  /hang                     reads all, and never answers
  /headers                  what arrived, as JSON
  /stats                    streams and bytes so far, and of the connection that asks, as JSON)";

namespace {

constexpr auto plain_text = "text/plain; charset=utf-8";
constexpr auto json_type = "application/json";

// The part of `path` behind a route that ends in a slash is the handler's to read.
struct route {
  std::string_view path;
  asio::awaitable<void> (*run)(exchange& x);

  [[nodiscard]] bool matches(std::string_view wanted) const {
    return path.ends_with('/') ? wanted.starts_with(path) && wanted.size() > path.size() : wanted == path;
  }
};

asio::awaitable<void> bad_query(exchange& x, std::string_view name) {
  std::string text = "'" + std::string(name) + "' has a value that is not understood\n";
  co_await x.respond_whole(400, plain_text, std::move(text));
}

// A size in the query. None if it cannot be understood.
std::optional<std::size_t> size_of(const exchange& x, std::string_view name, std::size_t otherwise) {
  const auto text = x.query(name);
  return text ? parse_size(*text) : otherwise;
}

asio::awaitable<void> wait_for(std::chrono::milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::deferred);
}

// The body of /source, /slow and /reset: the alphabet in lines, of which all requests share one copy.
class alphabet {
 public:
  static constexpr std::size_t longest = std::size_t{1} << 20;  // piece

  std::string_view next(std::size_t size) {
    const auto piece = text().substr(at_, size);
    at_ = (at_ + size) % line.size();
    return piece;
  }

 private:
  static constexpr std::string_view line = "abcdefghijklmnopqrstuvwxyz\n";

  static std::string_view text() {
    static const std::string all = [] {
      std::string lines;
      lines.reserve(longest + 2 * line.size());
      while (lines.size() < longest + line.size()) lines += line;
      return lines;
    }();
    return all;
  }

  std::size_t at_ = 0;
};

asio::awaitable<void> send_alphabet(exchange& x, std::size_t bytes, std::size_t chunk) {
  alphabet text;
  while (bytes > 0) {
    const auto piece = text.next(std::min(bytes, chunk));
    co_await x.send(piece);
    if (bytes != infinity) bytes -= piece.size();
    if (x.head().method == "HEAD") co_return;
  }
}

asio::awaitable<void> echo(exchange& x) {
  fields headers{{"content-type", x.head().headers.value_or("content-type", "application/octet-stream")}};
  co_await x.respond(200, std::move(headers));
  for (;;) {
    const auto bytes = co_await x.next();
    if (!bytes) break;
    co_await x.send(*bytes);
  }
  fields ok{{"grpc-status", "0"}};
  co_await x.end(std::move(ok));
}

asio::awaitable<void> sink(exchange& x) {
  for (;;) {
    const auto bytes = co_await x.next();
    if (!bytes) break;
  }
  auto count = std::to_string(x.received()) + "\n";
  co_await x.respond_whole(200, plain_text, std::move(count));
}

asio::awaitable<void> source(exchange& x) {
  const auto bytes = size_of(x, "bytes", std::size_t{1} << 20);
  const auto chunk = size_of(x, "chunk", std::size_t{16} << 10);
  if (!bytes) co_return co_await bad_query(x, "bytes");
  if (!chunk || *chunk == 0 || *chunk > alphabet::longest) co_return co_await bad_query(x, "chunk");
  fields headers{{"content-type", plain_text}};
  if (*bytes != infinity) headers.add("content-length", std::to_string(*bytes));
  co_await x.respond(200, std::move(headers));
  co_await send_alphabet(x, *bytes, *chunk);
  co_await x.end();
}

asio::awaitable<void> slow(exchange& x) {
  constexpr std::size_t ticks = 20;  // a second, if there is a byte for each, and a piece is not too long
  constexpr std::size_t longest_piece = std::size_t{64} << 10;
  const auto rate = size_of(x, "rate", 100);
  const auto bytes = size_of(x, "bytes", 1000);
  if (!rate || *rate == 0 || *rate > (std::size_t{1} << 30)) co_return co_await bad_query(x, "rate");
  if (!bytes) co_return co_await bad_query(x, "bytes");
  fields headers{{"content-type", plain_text}};
  co_await x.respond(200, std::move(headers));

  const auto piece = std::clamp<std::size_t>(*rate / ticks, 1, longest_piece);
  alphabet text;
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::nanoseconds(0));
  for (std::size_t left = *bytes; left > 0 && x.head().method != "HEAD";) {
    const auto size = std::min(left, piece);
    co_await x.send(text.next(size));
    if (left != infinity) left -= size;
    if (left == 0) break;
    // From one expiry to the next, so that the rate holds however long a send takes.
    timer.expires_at(timer.expiry() + std::chrono::nanoseconds(std::uint64_t{1000000000} * size / *rate));
    co_await timer.async_wait(asio::deferred);
  }
  co_await x.end();
}

asio::awaitable<void> status(exchange& x) {
  const auto code = parse_count(x.last_part());
  if (!code || *code < 200 || *code > 599) {
    std::string text = "a status is from 200 to 599\n";
    co_await x.respond_whole(400, plain_text, std::move(text));
    co_return;
  }
  fields none;
  co_await x.respond_empty(static_cast<int>(*code), std::move(none));
}

asio::awaitable<void> trailers_only(exchange& x) {
  fields headers{{"content-type", "application/grpc"}, {"grpc-status", "0"}};
  co_await x.respond_empty(200, std::move(headers));
}

asio::awaitable<void> informational_replies(exchange& x) {
  constexpr std::size_t most = 1000;
  const auto count = size_of(x, "n", 1);
  if (!count || *count > most) co_return co_await bad_query(x, "n");
  for (std::size_t i = 1; i <= *count; ++i) {
    informational hint{103, {{"link", "</style.css>; rel=preload"}, {"x-number", std::to_string(i)}}};
    co_await x.stream().async_send_informational(std::move(hint));
  }
  std::string text = std::to_string(*count) + " came before this\n";
  co_await x.respond_whole(200, plain_text, std::move(text));
}

asio::awaitable<void> reset(exchange& x) {
  const auto code = h2::parse_code(x.last_part());
  const auto after = size_of(x, "after", 0);
  if (!code || !after || *after == infinity) co_return co_await bad_query(x, code ? "after" : "CODE");
  if (x.query("after")) {
    fields headers{{"content-type", plain_text}};
    co_await x.respond(200, std::move(headers));
    co_await send_alphabet(x, *after, std::size_t{16} << 10);
  }
  x.reset(*code);
}

asio::awaitable<void> goaway(exchange& x) {
  const std::string text = "GOAWAY follows\n";
  co_await x.skip_short_body();
  fields headers{{"content-type", plain_text}};
  co_await x.respond(200, std::move(headers));
  co_await x.send(text);
  // Before the end, so that a client that leaves with it has seen it: a graceful GOAWAY lets the stream finish.
  x.stream().connection().goaway();
  co_await x.end();
}

asio::awaitable<void> hang(exchange& x) {
  constexpr std::chrono::seconds look_again(1);
  for (;;) {
    const auto bytes = co_await x.next();
    if (!bytes) break;
  }
  // Nothing more can be received, so a peer that gives up shows only here.
  while (!x.stream().failure()) co_await wait_for(look_again);
}

asio::awaitable<void> headers(exchange& x) {
  const auto& head = x.head();
  boost::json::object seen{{"method", json_text(head.method)},
                           {"scheme", json_text(head.scheme())},
                           {"authority", json_text(head.authority())},
                           {"path", json_text(head.path())},
                           {"headers", json_fields(head.headers)}};
  if (!head.protocol.empty()) seen["protocol"] = json_text(head.protocol);
  auto text = boost::json::serialize(seen) + "\n";
  co_await x.respond_whole(200, json_type, std::move(text));
}

asio::awaitable<void> stats(exchange& x) {
  auto so_far = x.counts().snapshot();
  const auto c = x.stream().connection();
  so_far["connection"] = to_json(co_await c.async_stats());
  auto text = boost::json::serialize(so_far) + "\n";
  co_await x.respond_whole(200, json_type, std::move(text));
}

constexpr std::array routes{
    route{"/echo", echo},
    route{"/sink", sink},
    route{"/source", source},
    route{"/slow", slow},
    route{"/status/", status},
    route{"/trailers-only", trailers_only},
    route{"/informational", informational_replies},
    route{"/reset/", reset},
    route{"/goaway", goaway},
    route{"/hang", hang},
    route{"/headers", headers},
    route{"/stats", stats},
};

}  // namespace

asio::awaitable<void> handle(exchange& x) {
  const auto found = std::find_if(routes.begin(), routes.end(), [&](const route& r) { return r.matches(x.path()); });
  if (found != routes.end()) {
    co_await found->run(x);
  } else if (x.head().headers.value_or("content-type", "").starts_with("application/grpc")) {
    co_await echo(x);
  } else {
    std::string text = "there is nothing here; 'duplex serve --help' lists the paths\n";
    co_await x.respond_whole(404, plain_text, std::move(text));
  }
}

}  // namespace duplex::tool
