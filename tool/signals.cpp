// Which signals are listened to.

#include "signals.hpp"

#include <csignal>

namespace duplex::tool {

void add_unless_ignored(boost::asio::signal_set& set, std::initializer_list<int> numbers) {
  for (const int number : numbers) {
    struct sigaction now {};
    const bool ignored = ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
    if (!ignored) set.add(number);
  }
}

}  // namespace duplex::tool
