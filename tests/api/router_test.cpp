// Routing by path and method, and what a handler knows of a request.

#include "support.hpp"

#include <duplex/h2/router.hpp>

namespace duplex::test {
namespace {

using asio::use_awaitable;
using h2::fin;
using testing::ElementsAre;
using testing::HasSubstr;

// Answers with a name.
auto named(std::string name) {
  return [name = std::move(name)](const request&, h2::stream s) {
    s.async_send_response({200, {{"handler", name}}}, fin, [s](error_code) {});
  };
}

// What the router says to a request: the handler's name, or the status.
class routed : public testing::Test {
 protected:
  std::string ask(const std::string& method, const std::string& path) {
    if (!service_) service_.emplace(routes_);
    auto s = h2::open({.method = method, .url = service_->url(path)}, bounded());
    s.send("", fin);
    const auto head = std::get<response>(s.recv());
    if (const auto name = head.headers.value_or("handler", ""); !name.empty()) return std::string(name);
    const auto allow = head.headers.value_or("allow", "");
    return std::to_string(head.status) + (allow.empty() ? "" : " " + std::string(allow));
  }

  h2::router routes_;
  std::optional<service> service_;
};

TEST_F(routed, requests_go_to_the_longest_prefix_of_their_path) {
  routes_.add("GET", "/", named("root")).add("GET", "/a", named("a")).add("GET", "/a/b", named("a/b"));
  EXPECT_EQ(ask("GET", "/"), "root");
  EXPECT_EQ(ask("GET", "/a"), "a");
  EXPECT_EQ(ask("GET", "/a/"), "a");
  EXPECT_EQ(ask("GET", "/a/c/d"), "a");
  EXPECT_EQ(ask("GET", "/a/b"), "a/b");
  EXPECT_EQ(ask("GET", "/a/b/c"), "a/b");
}

TEST_F(routed, prefixes_end_where_a_part_of_the_path_does) {
  routes_.add("GET", "/a", named("a")).add("GET", "/dir/", named("dir"));
  EXPECT_EQ(ask("GET", "/ab"), "404");
  EXPECT_EQ(ask("GET", "/A"), "404") << "paths have case";
  EXPECT_EQ(ask("GET", "/dir"), "dir") << "a slash at the end of a prefix says nothing";
  EXPECT_EQ(ask("GET", "/"), "404");
}

TEST_F(routed, queries_are_no_part_of_the_path) {
  routes_.add("GET", "/a", named("a"));
  EXPECT_EQ(ask("GET", "/a?b/c"), "a");
  EXPECT_EQ(ask("GET", "/?/a"), "404");
}

TEST_F(routed, rfc9110_15_5_6_other_methods_get_405_with_those_that_there_are) {
  routes_.add("GET", "/a", named("get")).add("POST", "/a", named("post")).add("PUT", "/", named("put"));
  EXPECT_EQ(ask("POST", "/a"), "post");
  EXPECT_EQ(ask("DELETE", "/a"), "405 GET, POST");
  EXPECT_EQ(ask("PUT", "/a"), "405 GET, POST") << "the longest prefix decides, and then the method";
  EXPECT_EQ(ask("get", "/a"), "405 GET, POST") << "methods have case";
}

TEST_F(routed, handlers_of_no_method_are_for_all_others) {
  routes_.add("", "/a", named("any")).add("GET", "/a", named("get"));
  EXPECT_EQ(ask("GET", "/a"), "get");
  EXPECT_EQ(ask("PATCH", "/a"), "any");
}

TEST_F(routed, routes_that_are_added_again_are_replaced) {
  routes_.add("GET", "/a", named("old")).add("GET", "/a/", named("new"));
  EXPECT_EQ(ask("GET", "/a"), "new");
}

TEST_F(routed, routers_without_a_route_answer_404) { EXPECT_EQ(ask("GET", "/"), "404"); }

TEST_F(routed, prefixes_begin_with_a_slash) {
  EXPECT_THROW(routes_.add("GET", "a", named("a")), boost::system::system_error);
  EXPECT_THROW(routes_.add("GET", "", named("a")), boost::system::system_error);
}

TEST(a_router, takes_coroutines_and_what_can_only_be_moved) {
  h2::router routes;
  routes.add("POST", "/echo", echo_back)
      .add("GET", "/moved",
           [text = std::make_unique<std::string>("hello")](request, h2::stream s) -> asio::awaitable<void> {
             co_await s.async_send_response({200, {}}, use_awaitable);
             co_await s.async_send(*text, fin, use_awaitable);
           });
  const service server(routes);
  auto echo = h2::open({.url = server.url("/echo")}, bounded());
  echo.send("abc", fin);
  EXPECT_THAT(transcript(echo), testing::Contains("data abc"));
  auto moved = h2::open({.method = "GET", .url = server.url("/moved")}, bounded());
  EXPECT_THAT(transcript(moved), ElementsAre("response 200", "data hello", "done"));
}

TEST(a_router, that_is_copied_shares_the_handlers) {
  int calls = 0;
  h2::router one;
  one.add("GET", "/", [&calls](const request&, h2::stream s) {
    ++calls;
    s.async_send_response({200, {}}, fin, [s](error_code) {});
  });
  const auto two = one;
  one.add("GET", "/", [](const request&, h2::stream s) { s.reset(2); });
  const service server(two);
  auto s = h2::open({.method = "GET", .url = server.url()}, bounded());
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "done"));
  EXPECT_EQ(calls, 1);
}

TEST(informational_replies, rfc9110_15_2_come_before_the_response) {
  const service server([](request, h2::stream s) -> asio::awaitable<void> {
    informational hints{103, {{"link", "</style.css>"}}};
    co_await s.async_send_informational(std::move(hints), use_awaitable);
    co_await s.async_send_response({200, {}}, fin, use_awaitable);
  });
  auto opts = bounded();
  opts.informational = true;
  auto s = h2::open({.method = "GET", .url = server.url()}, opts);
  EXPECT_THAT(transcript(s), ElementsAre("informational 103 link=</style.css>", "response 200", "done"));
}

// Facts of a request

TEST(a_request, tells_who_asks_and_how) {
  auto opts = with_tls();
  h2::connection_info seen;
  request head;
  std::promise<void> done;
  service server(
      [&](request asked, h2::stream s) {
        seen = s.connection().info();
        head = std::move(asked);
        s.async_send_response({200, {}}, fin, [s, &done](error_code) { done.set_value(); });
      },
      opts);
  auto url = server.url("/p/q?r=s");
  url.replace(url.find("127.0.0.1"), 9, "localhost");
  auto s = h2::open({.method = "PUT", .url = url, .headers = {{"x-a", "b"}}}, trusting_localhost());
  s.send("", fin);
  get(done.get_future());
  EXPECT_EQ(head.method, "PUT");
  EXPECT_EQ(head.scheme(), "https");
  EXPECT_EQ(head.authority(), "localhost:" + std::to_string(server.server().port()));
  EXPECT_EQ(head.path(), "/p/q?r=s");
  EXPECT_EQ(head.headers.value_or("x-a", ""), "b");
  EXPECT_EQ(head.protocol, "");
  EXPECT_THAT(seen.peer, testing::StartsWith("127.0.0.1:"));
  EXPECT_EQ(seen.tls_version, "TLSv1.3");
  EXPECT_THAT(seen.tls_cipher, HasSubstr("TLS_"));
  EXPECT_EQ(seen.tls_alpn, "h2");
  EXPECT_EQ(seen.tls_server_name, "localhost");
  EXPECT_EQ(seen.peer_certificate, "");
  EXPECT_EQ(s.connection().info().tls_alpn, "h2");
}

}  // namespace
}  // namespace duplex::test
