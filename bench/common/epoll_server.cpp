#include "epoll_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <vector>

namespace bench {
namespace {

struct client {
  std::unique_ptr<session> work;
  bool writing = false;
};

unique_fd listen_on_loopback(std::uint16_t& port) {
  unique_fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.get(), generic, length) != 0 || ::listen(socket.get(), 1024) != 0 ||
      ::getsockname(socket.get(), generic, &length) != 0) {
    throw std::runtime_error(std::string("listen: ") + std::strerror(errno));
  }
  port = ntohs(address.sin_port);
  return socket;
}

class poller {
 public:
  void watch(int fd, std::uint32_t events, bool again = false) const {
    epoll_event e{};
    e.events = events;
    e.data.fd = fd;
    // What cannot be polled, such as a file for stdin, is not watched.
    epoll_ctl(epoll_.get(), again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
  }
  template <class Function>
  void wait(Function f) {
    const int n = epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), -1);
    for (int i = 0; i < n; ++i) f(events_[static_cast<std::size_t>(i)].data.fd);
  }

 private:
  unique_fd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  std::array<epoll_event, 256> events_{};
};

bool work_of(client& c) {
  try {
    return c.work->ready();
  } catch (const std::exception&) {
    // Clients go away in the middle of a transfer.
    return false;
  }
}

using accepter = std::function<std::unique_ptr<session>(link)>;

// The connections of one thread.
class worker {
 public:
  worker(const accepter& accept, SSL_CTX* context) : accept_(accept), context_(context) {
    sockets_.watch(wakeup_.get(), EPOLLIN);
  }

  /// From any thread: a connection to serve, or none to end.
  void give(unique_fd socket) {
    {
      const std::lock_guard lock(mutex_);
      given_.push_back(std::move(socket));
    }
    eventfd_write(wakeup_.get(), 1);
  }

  void run() {
    while (running_) {
      sockets_.wait([&](int fd) { fd == wakeup_.get() ? take() : serve(fd); });
    }
  }

 private:
  void take() {
    eventfd_t ignored = 0;
    eventfd_read(wakeup_.get(), &ignored);
    std::vector<unique_fd> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(given_);
    }
    for (auto& socket : taken) {
      const int fd = socket.get();
      if (fd < 0) {
        running_ = false;
        return;
      }
      clients_[fd].work = accept_(link(std::move(socket), context_));
      sockets_.watch(fd, EPOLLIN);
    }
  }

  void serve(int fd) {
    const auto found = clients_.find(fd);
    if (found == clients_.end()) return;
    auto& c = found->second;
    if (!work_of(c)) {
      clients_.erase(found);
    } else if (c.work->wants_write() != c.writing) {
      c.writing = !c.writing;
      // A client that does not read is not read from.
      sockets_.watch(fd, c.writing ? EPOLLOUT : EPOLLIN, true);
    }
  }

  const accepter& accept_;
  SSL_CTX* context_;
  poller sockets_;
  unique_fd wakeup_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::mutex mutex_;
  std::vector<unique_fd> given_;
  std::unordered_map<int, client> clients_;
  bool running_ = true;
};

bool stdin_ended() {
  char ignored[64];
  return ::read(STDIN_FILENO, ignored, sizeof ignored) <= 0;
}

}  // namespace

server_plan parse_server(int argc, char** argv) {
  server_plan p;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--cert") == 0) p.cert = argv[i + 1];
    if (std::strcmp(argv[i], "--key") == 0) p.key = argv[i + 1];
    if (std::strcmp(argv[i], "--threads") == 0) p.threads = std::stoul(argv[i + 1]);
  }
  return p;
}

void serve(const server_plan& plan, const accepter& accept) {
  const auto context = plan.tls() ? server_context(plan.cert, plan.key) : tls_context();
  std::deque<worker> workers;
  for (std::size_t i = 0; i < plan.threads; ++i) workers.emplace_back(accept, context.get());
  std::uint16_t port = 0;
  const auto listener = listen_on_loopback(port);
  std::cout << port << std::endl;

  std::vector<std::jthread> threads;
  threads.reserve(workers.size());
  for (auto& w : workers) threads.emplace_back([&w] { w.run(); });
  poller sockets;
  sockets.watch(listener.get(), EPOLLIN);
  sockets.watch(STDIN_FILENO, EPOLLIN);
  std::size_t turn = 0;
  for (bool running = true; running;) {
    sockets.wait([&](int fd) {
      if (fd == STDIN_FILENO) {
        running = running && !stdin_ended();
        return;
      }
      unique_fd socket(::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (socket.get() >= 0) workers[turn++ % workers.size()].give(std::move(socket));
    });
  }
  for (auto& w : workers) w.give(unique_fd());
}

}  // namespace bench
