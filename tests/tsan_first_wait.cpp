// Has the first thread wait before the program starts, for GCC's ThreadSanitizer (12): a signal that comes while a
// thread is about to wait for the first time is lost there. The sanitizer makes its list of signals in that moment; its
// handler makes another one, with the signal in it, and the first replaces that.

#include <unistd.h>

namespace {

struct first_wait {
  first_wait() { ::usleep(0); }
};

const first_wait before_main;

}  // namespace
