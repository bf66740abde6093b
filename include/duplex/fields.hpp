#pragma once
// Header and trailer fields: an ordered list with repeated names kept (RFC 9110, section 5).

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace duplex {

/// One header or trailer field (RFC 9110, section 5).
struct field {
  std::string name{};
  std::string value{};
  /// Kept out of the compression tables of both sides (RFC 7541, section 7.1.3) and of logs.
  bool sensitive = false;

  friend bool operator==(const field&, const field&) = default;
};

/// An ordered list of fields. Names are lower-cased on entry (RFC 9113, section 8.2), repeated names are kept.
///
/// A value type: distinct objects may be used from distinct threads.
class fields {
 public:
  using const_iterator = std::vector<field>::const_iterator;

  fields() = default;
  fields(std::initializer_list<field> list);

  /// Appends a field; an earlier one of the same name stays.
  void add(std::string_view name, std::string_view value, bool sensitive = false);

  /// Appends `f`, its name lower-cased.
  void add(field f);

  /// Removes every field called `name` and returns how many there were.
  std::size_t erase(std::string_view name);

  /// The first field called `name` (in any case), or null. Valid until the list changes.
  [[nodiscard]] const field* find(std::string_view name) const noexcept;

  /// The value of the first field called `name`, or `otherwise`.
  [[nodiscard]] std::string value_or(std::string_view name, std::string_view otherwise) const;

  /// Whether a field called `name` (in any case) is there.
  [[nodiscard]] bool contains(std::string_view name) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  [[nodiscard]] const_iterator begin() const noexcept { return list_.begin(); }
  [[nodiscard]] const_iterator end() const noexcept { return list_.end(); }

  friend bool operator==(const fields&, const fields&) = default;

 private:
  std::vector<field> list_;
};

}  // namespace duplex
