// A system that does not resolve: it hangs, or has no thread to be asked on.

#include "net/dialer.hpp"
#include "run.hpp"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>

#include <future>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace {

constexpr std::string_view hanging = "hangs.invalid";

// Whoever asks for that name waits until the test lets it go.
struct {
  std::mutex mutex;
  std::promise<void> asked;
  std::shared_future<void> let_go;
} gate;

}  // namespace

// The program's own, in front of the system's.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** found) {
  using function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  if (host && host == hanging) {
    std::unique_lock lock(gate.mutex);
    const auto let_go = gate.let_go;
    gate.asked.set_value();
    lock.unlock();
    let_go.wait();
    return EAI_NONAME;
  }
  static const auto system = reinterpret_cast<function>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return system(host, service, hints, found);
}

namespace duplex::test {
namespace {

using ::testing::HasSubstr;

// While one lives, no thread can be made.
class no_threads {
 public:
  no_threads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    pthread_attr_setstacksize(&huge, std::size_t{1} << 47);  // more than there are addresses
    pthread_setattr_default_np(&huge);
    pthread_attr_destroy(&huge);
  }
  no_threads(const no_threads&) = delete;
  no_threads& operator=(const no_threads&) = delete;
  ~no_threads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_{};
};

class resolver : public ::testing::Test {
 protected:
  void dial(const std::string& host, const options& opts = {}) {
    const net::strand here(io_.get_executor());
    asio::dispatch(here, [this, here, host, opts] {
      attempt_ = net::dial(here, {false, host, 1}, opts, [this](std::optional<failure> why, const net::dialed&) {
        told_ = why ? name(why->code) + ": " + why->message : "connected";
      });
    });
  }
  [[nodiscard]] bool is_told() {
    return run_until(io_, [this] { return !told_.empty(); });
  }

  asio::io_context io_;
  std::shared_ptr<net::dialer> attempt_;
  std::string told_;
};

TEST_F(resolver, that_hangs_delays_no_time_out) {
  std::promise<void> let_go;
  {
    const std::lock_guard lock(gate.mutex);
    gate.asked = {};
    gate.let_go = let_go.get_future().share();
  }
  auto asked = gate.asked.get_future();
  dial(std::string(hanging), {.connect_timeout = 20ms});
  EXPECT_TRUE(is_told());
  EXPECT_THAT(told_, HasSubstr("timeout: resolving hangs.invalid took longer than connect_timeout, 20 ms"));
  EXPECT_EQ(asked.wait_for(patience), std::future_status::ready);
  let_go.set_value();
  EXPECT_TRUE(run_until_idle(io_));
}

TEST_F(resolver, for_which_there_is_no_thread_fails_the_dial_alone) {
  {
    const no_threads here;
    dial("localhost");
    EXPECT_TRUE(is_told()) << "it left run()";
    EXPECT_THAT(told_, HasSubstr("resolve_failed: cannot resolve localhost: no thread for it: "));
  }
  told_.clear();
  dial("localhost");
  EXPECT_TRUE(is_told());
  EXPECT_THAT(told_, ::testing::Not(HasSubstr("resolve"))) << "the next one finds a thread";
}

}  // namespace
}  // namespace duplex::test
