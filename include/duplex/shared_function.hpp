#pragma once
// Functions in options: copied by reference, and comparable, so that it can be said whether two options are the same.

#include <compare>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace duplex {

template <class Signature>
class shared_function;

/// A function, or none. Copies share it and are equal to each other; two that were made one by one differ, also if they
/// were made of the same lambda. It is called from several threads if its copies are.
template <class R, class... Args>
class shared_function<R(Args...)> {
 public:
  shared_function() = default;

  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, shared_function> && std::is_invocable_r_v<R, F&, Args...>)
  shared_function(F f) : f_(std::make_shared<const std::function<R(Args...)>>(std::move(f))) {}  // NOLINT: implicit

  [[nodiscard]] explicit operator bool() const noexcept { return f_ && *f_; }
  R operator()(Args... args) const { return (*f_)(std::forward<Args>(args)...); }

  friend auto operator<=>(const shared_function&, const shared_function&) = default;

 private:
  std::shared_ptr<const std::function<R(Args...)>> f_;
};

}  // namespace duplex
