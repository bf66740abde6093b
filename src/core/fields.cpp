// Header and trailer fields (RFC 9110, section 5).

#include <duplex/fields.hpp>

#include "core/lower.hpp"

#include <algorithm>
#include <utility>

namespace duplex {
namespace {

bool same_name(std::string_view lowered, std::string_view name) noexcept {
  return std::equal(lowered.begin(), lowered.end(), name.begin(), name.end(),
                    [](char a, char b) { return a == core::lower(b); });
}

}  // namespace

fields::fields(std::initializer_list<field> list) {
  list_.reserve(list.size());
  for (const auto& f : list) add(f);
}

void fields::add(std::string_view name, std::string_view value, bool sensitive) {
  add({std::string(name), std::string(value), sensitive});
}

void fields::add(field f) {
  f.name = core::lower(std::move(f.name));
  list_.push_back(std::move(f));
}

std::size_t fields::erase(std::string_view name) {
  return std::erase_if(list_, [&](const field& f) { return same_name(f.name, name); });
}

const field* fields::find(std::string_view name) const noexcept {
  const auto at = std::find_if(list_.begin(), list_.end(), [&](const field& f) { return same_name(f.name, name); });
  return at == list_.end() ? nullptr : &*at;
}

std::string fields::value_or(std::string_view name, std::string_view otherwise) const {
  const auto* found = find(name);
  return found ? found->value : std::string(otherwise);
}

bool fields::contains(std::string_view name) const noexcept { return find(name) != nullptr; }

}  // namespace duplex
