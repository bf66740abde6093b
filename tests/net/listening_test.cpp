// What a server listens on: TCP of both families, Unix sockets, descriptors that were inherited, several at a time.

#include "net/listening.hpp"
#include "peers.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using local = asio::local::stream_protocol;

// As text

std::string refusal(std::string_view text) {
  try {
    return "taken: " + h2::to_string(h2::parse_listener(text));
  } catch (const boost::system::system_error& e) {
    return name(e.code()) + " " + e.what();
  }
}

TEST(a_listener, is_written_as_it_is_parsed) {
  for (const std::string text : {"127.0.0.1:8443", "[::1]:0", "*:80", "[::]:65535", "unix:/run/x.sock",
                                 "unix:/run/x.sock,mode=660", "unix:relative", "fd:3"}) {
    EXPECT_EQ(h2::to_string(h2::parse_listener(text)), text);
  }
  EXPECT_EQ(h2::to_string(h2::parse_listener("localhost:1")), "127.0.0.1:1");
  EXPECT_EQ(h2::parse_listener("unix:/a,mode=777"), h2::listener(h2::unix_listener{"/a", 0777}));
}

TEST(a_listener, that_makes_no_sense_is_refused_with_what_it_was) {
  for (const std::string_view text :
       {"", "8443", ":8443", "a:", "a:x", "a:65536", "::1:80", "[]:80", "unix:", "unix:,mode=600", "unix:/a,mode=8",
        "unix:/a,mode=77777", "fd:", "fd:-1", "fd:x"}) {
    EXPECT_THAT(refusal(text), StartsWith("invalid_argument ")) << text;
    EXPECT_THAT(refusal(text), HasSubstr("\"" + std::string(text) + "\"")) << text;
  }
}

// As sockets

TEST(a_listener, has_no_longer_line_than_the_backlog) {
  asio::io_context io;
  for (const int line : {7, 30}) {
    net::listening at(io.get_executor(), h2::tcp_listener{}, static_cast<std::size_t>(line), false);
    ::tcp_info info{};
    ::socklen_t size = sizeof info;
    ASSERT_EQ(::getsockopt(at.acceptor().native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    EXPECT_EQ(info.tcpi_sacked, line) << "which is what Linux has there for a socket that listens";
  }
}

class listening : public ::testing::Test {
 protected:
  listening() { client_.close_timeout = opts_.stream.close_timeout = 20ms; }
  h2::server start() {
    opts_.cleartext = true;
    return {io_.get_executor(), opts_, [this](const request&, h2::stream s) {
              peers_.push_back(s.connection().info().peer);
              s.async_send_response({200, {}}, h2::fin, [s](error_code) {});
            }};
  }
  std::string why_not() {
    try {
      const auto it = start();
      return "it started";
    } catch (const boost::system::system_error& e) {
      return name(e.code()) + ": " + e.what();
    }
  }
  std::string status(const std::string& url) {
    auto s = open_now(io_, url, client_);
    if (s.ec) return name(s.ec);
    const auto head = receive_now(io_, s.stream);
    return head.ec ? name(head.ec) : std::to_string(std::get<response>(head.got).status);
  }
  std::string status_by(const std::string& path) {
    client_.unix_socket = path;
    return status("http://localhost/");
  }
  [[nodiscard]] std::string path(const std::string& file) const { return folder_.path(file); }

  temporary_folder folder_;
  asio::io_context io_;
  h2::server_options opts_;
  options client_;
  std::vector<std::string> peers_;
};

TEST_F(listening, on_several_serves_them_all) {
  const auto file = path("both");
  opts_.listeners = {h2::tcp_listener{}, h2::tcp_listener{.address = "::1"}, h2::unix_listener{.path = file}};
  const auto it = start();
  EXPECT_THAT(it.urls(), ElementsAre(StartsWith("http://127.0.0.1:"), StartsWith("http://[::1]:"), "unix:" + file));
  EXPECT_EQ(it.url(), it.urls().front());
  EXPECT_TRUE(it.url().ends_with(":" + std::to_string(it.port())));
  EXPECT_EQ(status(it.urls()[0]), "200");
  EXPECT_EQ(status(it.urls()[1]), "200");
  EXPECT_EQ(status_by(file), "200");
  EXPECT_THAT(peers_, ElementsAre(StartsWith("127.0.0.1:"), StartsWith("[::1]:"), "unix:" + file));
}

TEST_F(listening, on_every_address_takes_both_families_and_tells_ipv4_clients_as_such) {
  for (const std::string every : {"::", "*"}) {
    opts_.listeners = {h2::tcp_listener{.address = every}};
    peers_.clear();
    const auto it = start();
    const auto port = std::to_string(it.port());
    EXPECT_EQ(status("http://127.0.0.1:" + port), "200");
    EXPECT_EQ(status("http://[::1]:" + port), "200");
    EXPECT_THAT(peers_, ElementsAre(StartsWith("127.0.0.1:"), StartsWith("[::1]:")));
  }
}

TEST_F(listening, that_fails_for_one_of_them_listens_on_none) {
  const auto taken = start();
  const auto file = path("none");
  opts_.listeners = {h2::unix_listener{.path = file}, h2::tcp_listener{.port = taken.port()}};
  EXPECT_THAT(why_not(),
              AllOf(HasSubstr("cannot listen on 127.0.0.1:" + std::to_string(taken.port())), Not(HasSubstr("/boost/"))))
      << "where in Asio it came up helps nobody";
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(listening, on_a_port_that_another_server_shares) {
  opts_.reuse_port = true;
  const auto one = start();
  opts_.port = one.port();
  const auto two = start();
  EXPECT_EQ(one.port(), two.port());
  EXPECT_EQ(status(two.url()), "200");
}

TEST_F(listening, holds_to_max_connections_over_all_of_them) {
  opts_.listeners = {h2::tcp_listener{}, h2::tcp_listener{}};
  opts_.max_connections = 1;
  const auto it = start();
  auto first = open_now(io_, it.urls()[0], client_);
  EXPECT_EQ(std::get<response>(receive_now(io_, first.stream).got).status, 200);
  auto second = open_now(io_, it.urls()[1], client_);
  std::optional<error_code> told;
  second.stream.async_recv([&](error_code ec, const message&) { told = ec; });
  settle(io_);
  EXPECT_EQ(it.stats().connections, 1U);
  EXPECT_FALSE(told);
  first.stream.async_close([](error_code) {});
  EXPECT_TRUE(run_until(io_, [&] { return told.has_value(); }));
  EXPECT_EQ(name(*told), "ok");
}

TEST_F(listening, goes_on_when_there_were_no_descriptors_left) {
  const auto it = start();
  tcp::socket waiting(io_);
  waiting.open(tcp::v4());
  ::rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  ASSERT_GE(next, 0);
  ::close(next);
  const ::rlimit none{static_cast<::rlim_t>(next), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  waiting.connect(loopback(it.port()));
  settle(io_);
  EXPECT_EQ(it.stats().connections_accepted, 0U);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(run_until(io_, [&] { return it.stats().connections_accepted == 1; }));
  EXPECT_EQ(status(it.url()), "200");
}

// Whose copies may fail: a server makes one for each client.
struct costly {
  explicit costly(std::shared_ptr<int> failures) : left(std::move(failures)) {}
  costly(const costly& other) : left(other.left) {
    if (*left > 0 && (*left)-- > 0) throw std::bad_alloc();
  }
  costly(costly&&) noexcept = default;
  costly& operator=(const costly&) = delete;
  costly& operator=(costly&&) = delete;
  ~costly() = default;
  void operator()(const frame_info&) const {}
  std::shared_ptr<int> left;
};

TEST_F(listening, goes_on_when_there_was_no_memory_for_a_client) {
  const auto failures = std::make_shared<int>(0);
  opts_.stream.on_frame = costly(failures);
  const auto it = start();
  *failures = 1;
  EXPECT_THAT(status(it.url()), "connection_lost");
  EXPECT_EQ(*failures, 0);
  EXPECT_EQ(status(it.url()), "200");
  EXPECT_TRUE(run_until(io_, [&] { return it.stats().connections == 0; })) << "what failed is not counted any more";
}

// Unix sockets

TEST_F(listening, on_a_unix_socket_is_for_its_owner_unless_said_otherwise) {
  const auto file = path("mode");
  const auto mode = [&] { return static_cast<unsigned>(std::filesystem::status(file).permissions()); };
  opts_.listeners = {h2::unix_listener{.path = file}};
  {
    const auto it = start();
    EXPECT_EQ(mode(), 0600U);
  }
  settle(io_);
  opts_.listeners = {h2::unix_listener{.path = file, .mode = 0666}};
  const auto it = start();
  EXPECT_EQ(mode(), 0666U);
}

TEST_F(listening, on_a_unix_socket_leaves_no_file_behind) {
  const auto file = path("gone");
  opts_.listeners = {h2::unix_listener{.path = file}};
  {
    const auto it = start();
    EXPECT_EQ(status_by(file), "200");
  }
  settle(io_);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(listening, on_a_unix_socket_leaves_the_file_of_another_server) {
  const auto file = path("other");
  opts_.listeners = {h2::unix_listener{.path = file}};
  std::optional<h2::server> one = start();
  ASSERT_TRUE(std::filesystem::remove(file));
  const auto two = start();
  one.reset();
  settle(io_);
  EXPECT_EQ(status_by(file), "200");
}

TEST_F(listening, on_a_unix_socket_replaces_one_that_nobody_listens_on) {
  const auto file = path("stale");
  { const local::acceptor dead(io_, local::endpoint(file)); }
  ASSERT_TRUE(std::filesystem::exists(file));
  opts_.listeners = {h2::unix_listener{.path = file}};
  const auto it = start();
  EXPECT_EQ(status_by(file), "200");
}

TEST_F(listening, on_a_unix_socket_takes_nothing_from_a_server_that_lives) {
  const auto file = path("alive");
  opts_.listeners = {h2::unix_listener{.path = file}};
  const auto first = start();
  EXPECT_THAT(why_not(), HasSubstr("cannot listen on unix:" + file));
  EXPECT_EQ(status_by(file), "200");
}

TEST_F(listening, on_a_unix_socket_does_not_replace_what_is_none) {
  const auto file = folder_.write("precious", "text");
  opts_.listeners = {h2::unix_listener{.path = file}};
  EXPECT_THAT(why_not(), HasSubstr("cannot listen on unix:" + file + ", a file that is no socket: "));
  EXPECT_EQ(std::filesystem::file_size(file), 4U);
}

TEST_F(listening, on_a_unix_socket_wants_a_path_that_fits) {
  for (const auto& file : {std::string(), std::string(108, 'x')}) {
    opts_.listeners = {h2::unix_listener{.path = file}};
    EXPECT_THAT(why_not(), HasSubstr("1 to 107 bytes"));
  }
}

// Descriptors

TEST_F(listening, on_an_inherited_descriptor_serves_it) {
  tcp::acceptor made(io_, loopback());
  made.listen();
  const auto port = made.local_endpoint().port();
  opts_.listeners = {h2::inherited_listener{made.release()}};
  const auto it = start();
  EXPECT_EQ(it.port(), port);
  EXPECT_EQ(status("http://127.0.0.1:" + std::to_string(port)), "200");
}

TEST_F(listening, on_an_inherited_unix_socket_leaves_its_file) {
  const auto file = path("theirs");
  local::acceptor made(io_, local::endpoint(file));
  made.listen();
  opts_.listeners = {h2::inherited_listener{made.release()}};
  {
    const auto it = start();
    EXPECT_EQ(it.url(), "unix:" + file);
    EXPECT_EQ(status_by(file), "200");
  }
  settle(io_);
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(listening, on_an_inherited_descriptor_wants_one_that_listens) {
  opts_.listeners = {h2::inherited_listener{1000000}};
  EXPECT_THAT(why_not(), HasSubstr("cannot listen on fd:1000000"));
  tcp::socket silent(io_, tcp::v4());
  opts_.listeners = {h2::inherited_listener{silent.native_handle()}};
  EXPECT_THAT(why_not(), HasSubstr("is no stream socket that listens"));
}

TEST(inherited_listeners, are_none_without_the_variables_of_systemd_or_for_another_process) {
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_PID");
  EXPECT_THAT(h2::inherited_listeners(), IsEmpty());
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_PID", "1", 1);
  EXPECT_THAT(h2::inherited_listeners(), IsEmpty());
  for (const char* count : {"", "x", "-1", "0", "2147483647"}) {
    ::setenv("LISTEN_FDS", count, 1);
    EXPECT_THAT(h2::inherited_listeners(), IsEmpty()) << count;
  }
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_PID");
}

}  // namespace
}  // namespace duplex::test
