// Which proxy is chosen: what a URL of one means, and the rules of curl for the environment.

#include "net/proxy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string told(const net::proxy& p) {
  auto text = p.name();
  if (!p.user.empty() || !p.password.empty()) text += " as " + p.user + ":" + p.password;
  return text;
}

std::string parsed(const std::string& text) {
  const auto p = net::parse_proxy(text, "option proxy.url");
  const auto* bad = std::get_if<std::string>(&p);
  return bad ? *bad : told(std::get<net::proxy>(p));
}

TEST(proxy, urls_mean_what_they_mean_to_curl) {
  const std::map<std::string, std::string> cases{
      {"proxy", "http://proxy:1080"},
      {"proxy:3128", "http://proxy:3128"},
      {"http://proxy", "http://proxy:1080"},
      {"https://proxy", "https://proxy:443"},
      {"HTTPS://proxy:8443/", "https://proxy:8443"},
      {"socks5://proxy", "socks5://proxy:1080"},
      {"socks5h://10.0.0.1:9050", "socks5h://10.0.0.1:9050"},
      {"http://[::1]:8080", "http://[::1]:8080"},
      {"http://user@proxy:1", "http://proxy:1 as user:"},
      {"socks5://us%40er:p%3Aw@proxy", "socks5://proxy:1080 as us@er:p:w"},
  };
  for (const auto& [text, meaning] : cases) EXPECT_EQ(parsed(text), meaning) << text;
}

TEST(proxy, urls_that_mean_nothing_are_named_without_their_password) {
  EXPECT_THAT(parsed("socks4://p"), AllOf(HasSubstr("option proxy.url"), HasSubstr("\"socks4\"")));
  EXPECT_THAT(parsed("http://"), HasSubstr("no host"));
  EXPECT_THAT(parsed("http://p:99999"), HasSubstr("host:port"));
  for (const auto* host : {"a%00b", "a%0d%0ab", "a%2fb", "a%00b:3128"}) {
    EXPECT_THAT(parsed("http://user:secret@" + std::string(host)),
                AllOf(HasSubstr(host), HasSubstr("is not host:port"), Not(HasSubstr("secret"))));
  }
  EXPECT_THAT(parsed("http://p/path"), HasSubstr("path"));
  EXPECT_THAT(parsed("http://p?q"), HasSubstr("query"));
  EXPECT_THAT(parsed("http://user:secret@"), Not(HasSubstr("secret")));
  EXPECT_THAT(parsed("http://user:secret@ho st"), AllOf(HasSubstr("no URL"), Not(HasSubstr("secret"))));
  EXPECT_THAT(parsed("http://user:secret@p:99999"), Not(HasSubstr("secret")));
}

TEST(proxy, no_proxy_has_names_with_all_below_them) {
  for (const auto* list :
       {"example.com", ".example.com", "other,example.com", "a, b example.com.", "EXAMPLE.COM", "*"}) {
    EXPECT_TRUE(net::in_no_proxy(list, "example.com")) << list;
    EXPECT_TRUE(net::in_no_proxy(list, "www.example.com")) << list;
    EXPECT_TRUE(net::in_no_proxy(list, "Example.Com.")) << list;
  }
  for (const auto* list : {"", ",", "ample.com", "example.co", "www.example.com", "."}) {
    EXPECT_FALSE(net::in_no_proxy(list, "example.com")) << list;
  }
}

TEST(proxy, no_proxy_has_addresses_and_networks) {
  EXPECT_TRUE(net::in_no_proxy("10.1.2.3", "10.1.2.3"));
  EXPECT_TRUE(net::in_no_proxy("10.0.0.0/8", "10.1.2.3"));
  EXPECT_TRUE(net::in_no_proxy("10.9.9.9/8", "10.1.2.3"));
  EXPECT_TRUE(net::in_no_proxy("::1,fd00::/8", "fd12::1"));
  EXPECT_TRUE(net::in_no_proxy("[fd12::1]", "fd12::1"));
  EXPECT_TRUE(net::in_no_proxy("fd12:0::1", "fd12::1"));
  EXPECT_FALSE(net::in_no_proxy("10.0.0.0/8", "11.1.2.3"));
  EXPECT_FALSE(net::in_no_proxy("10.0.0.0/8", "fd12::1"));
  EXPECT_FALSE(net::in_no_proxy("2.3", "10.1.2.3")) << "an address is no name";
  EXPECT_FALSE(net::in_no_proxy("10.0.0.0/99", "10.1.2.3"));
}

class proxy_by_environment : public ::testing::Test {
 protected:
  std::string chosen(bool tls, const std::string& host, const proxy_options& opts = {}) {
    const auto p = net::choose_proxy({tls, host, 443}, opts, [this](const char* name) -> std::optional<std::string> {
      const auto at = env_.find(name);
      return at == env_.end() ? std::nullopt : std::optional(at->second);
    });
    if (const auto* bad = std::get_if<std::string>(&p)) return *bad;
    const auto& there = std::get<std::optional<net::proxy>>(p);
    return there ? there->name() : "direct";
  }

  std::map<std::string, std::string> env_;
};

TEST_F(proxy_by_environment, is_none_without_a_variable) { EXPECT_EQ(chosen(true, "h"), "direct"); }

TEST_F(proxy_by_environment, goes_by_the_scheme_and_then_all) {
  env_ = {{"ALL_PROXY", "socks5://all"}};
  EXPECT_EQ(chosen(true, "h"), "socks5://all:1080");
  EXPECT_EQ(chosen(false, "h"), "socks5://all:1080");
  env_["HTTPS_PROXY"] = "upper";
  EXPECT_EQ(chosen(true, "h"), "http://upper:1080");
  env_["https_proxy"] = "lower";
  EXPECT_EQ(chosen(true, "h"), "http://lower:1080");
  EXPECT_EQ(chosen(false, "h"), "socks5://all:1080");
  env_["http_proxy"] = "clear";
  EXPECT_EQ(chosen(false, "h"), "http://clear:1080");
  env_["https_proxy"] = "";
  EXPECT_EQ(chosen(true, "h"), "http://upper:1080") << "an empty one is none";
}

TEST_F(proxy_by_environment, does_not_trust_http_proxy_in_upper_case) {
  env_ = {{"HTTP_PROXY", "of-a-request"}};
  EXPECT_EQ(chosen(false, "h"), "direct");
}

TEST_F(proxy_by_environment, is_none_for_no_proxy_and_loopback) {
  env_ = {{"https_proxy", "p"}, {"NO_PROXY", "example.com"}};
  EXPECT_EQ(chosen(true, "api.example.com"), "direct");
  EXPECT_EQ(chosen(true, "example.org"), "http://p:1080");
  env_["no_proxy"] = "example.org";
  EXPECT_EQ(chosen(true, "example.org"), "direct") << "the lower case counts first";
  for (const auto* host : {"localhost", "a.LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"}) {
    EXPECT_EQ(chosen(true, host), "direct") << host;
  }
}

TEST_F(proxy_by_environment, gives_way_to_the_option) {
  env_ = {{"https_proxy", "p"}, {"no_proxy", "*"}};
  EXPECT_EQ(chosen(true, "localhost", {.url = "mine:1"}), "http://mine:1");
  EXPECT_EQ(chosen(true, "h", {.url = ""}), "direct");
}

TEST_F(proxy_by_environment, gives_way_to_the_exceptions_of_the_options) {
  env_ = {{"https_proxy", "p"}, {"no_proxy", "h"}};
  EXPECT_EQ(chosen(true, "h", {.except = "other"}), "http://p:1080");
  EXPECT_EQ(chosen(true, "other", {.except = "other"}), "direct");
  EXPECT_EQ(chosen(true, "other", {.url = "mine", .except = "other"}), "direct");
  EXPECT_EQ(chosen(true, "h", {.url = "mine"}), "http://mine:1080");
}

TEST_F(proxy_by_environment, names_the_variable_that_is_wrong) {
  env_ = {{"https_proxy", "gopher://p"}};
  EXPECT_THAT(chosen(true, "h"), HasSubstr("environment variable https_proxy"));
}

}  // namespace
}  // namespace duplex::test
