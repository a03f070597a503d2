// The numbers that name a channel, each side's a type of its own.
#pragma once

#include <compare>
#include <cstdint>

namespace sheaf {

// The number that a channel has on our side, and on the other, from 1. Ids are used again after a close.
struct LocalId {
  std::uint32_t value{};
  auto operator<=>(const LocalId&) const = default;
};
struct RemoteId {
  std::uint32_t value{};
  auto operator<=>(const RemoteId&) const = default;
};

// Names one open of the other side that awaits our decision; never used again.
struct OpenTicket {
  std::uint64_t value{};
  auto operator<=>(const OpenTicket&) const = default;
};

}  // namespace sheaf
