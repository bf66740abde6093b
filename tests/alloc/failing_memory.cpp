// The allocators of C++, and of the engine.

#include "failing_memory.hpp"

#include <nghttp2/nghttp2.h>

#include <cstdlib>
#include <new>

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t n, std::size_t size);
void* __real_realloc(void* old, std::size_t size);
void __real_free(void* memory);
}

namespace duplex::test::memory {
namespace {

// One thread: plain values, there before anything is constructed.
struct {
  bool on_duty = false;
  std::size_t count = 0;
  std::size_t engine = 0;
  std::size_t bytes = 0;
  std::size_t fails_at = 0;
  failing how = failing::once;
  bool has_failed = false;
  long long live = 0;
} state;

bool runs_out(std::size_t size) noexcept {
  if (!state.on_duty) return false;
  ++state.count;
  state.bytes += size;
  if (state.fails_at == 0 || state.count < state.fails_at) return false;
  if (state.count > state.fails_at && state.how == failing::once) return false;
  state.has_failed = true;
  return true;
}

void* counted(void* memory) noexcept {
  if (memory) ++state.live;
  return memory;
}

void* take(std::size_t size) {
  auto* memory = runs_out(size) ? nullptr : counted(__real_malloc(size == 0 ? 1 : size));
  if (!memory) throw std::bad_alloc();
  return memory;
}

void give(void* memory) noexcept {
  if (memory) --state.live;
  __real_free(memory);
}

bool engine_runs_out(std::size_t size = 0) noexcept {
  if (state.on_duty) ++state.engine;
  return runs_out(size);
}

}  // namespace

void fail(std::size_t number, failing how) {
  const auto live = state.live;
  state = {};
  state.live = live;
  state.fails_at = number;
  state.how = how;
}

bool has_failed() noexcept { return state.has_failed; }
std::size_t count() noexcept { return state.count; }
std::size_t count_of_engine() noexcept { return state.engine; }
std::size_t bytes() noexcept { return state.bytes; }
long long live() noexcept { return state.live; }

duty::duty() noexcept { state.on_duty = true; }
duty::~duty() { state.on_duty = false; }

}  // namespace duplex::test::memory

using namespace duplex::test::memory;

void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* memory) noexcept { give(memory); }
void operator delete[](void* memory) noexcept { give(memory); }
void operator delete(void* memory, std::size_t) noexcept { give(memory); }
void operator delete[](void* memory, std::size_t) noexcept { give(memory); }

// The linker gives these names to what the objects of this program ask of the C library and of the engine, and to what
// is called in its place.
extern "C" {
int __real_nghttp2_session_callbacks_new(nghttp2_session_callbacks** made);
int __real_nghttp2_option_new(nghttp2_option** made);

void* __wrap_malloc(std::size_t size) { return engine_runs_out(size) ? nullptr : counted(__real_malloc(size)); }

void* __wrap_calloc(std::size_t n, std::size_t size) {
  return engine_runs_out(n * size) ? nullptr : counted(__real_calloc(n, size));
}

void* __wrap_realloc(void* old, std::size_t size) {
  if (engine_runs_out(size)) return nullptr;
  auto* memory = __real_realloc(old, size);
  return old ? memory : counted(memory);
}

void __wrap_free(void* memory) { give(memory); }

int __wrap_nghttp2_session_callbacks_new(nghttp2_session_callbacks** made) {
  return engine_runs_out() ? NGHTTP2_ERR_NOMEM : __real_nghttp2_session_callbacks_new(made);
}

int __wrap_nghttp2_option_new(nghttp2_option** made) {
  return engine_runs_out() ? NGHTTP2_ERR_NOMEM : __real_nghttp2_option_new(made);
}
}
