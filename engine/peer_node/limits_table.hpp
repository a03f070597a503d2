// Every limit by its name, so that the configuration and whatever prints them need no list of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "sheaf/protocol/limits.hpp"

namespace sheaf::peer_node {

struct LimitEntry {
  using Field = std::variant<Limits::milliseconds Limits::*, std::size_t Limits::*>;
  std::string_view name;
  Field field;
  bool may_be_zero = false;
};

// In the order of the struct, all of them.
std::span<const LimitEntry> limit_entries();

std::uint64_t value_of(const Limits& limits, const LimitEntry& entry);
void set_value(Limits& limits, const LimitEntry& entry, std::uint64_t value);

}  // namespace sheaf::peer_node
