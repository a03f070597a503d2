// The fixed words of the mux's wire format. Spec: docs/wire.md, Mux.
#pragma once

#include <cstdint>

namespace sheaf {

inline constexpr std::uint64_t control_channel = 0;

// Types on the control channel; others are ignored.
enum class ControlType : std::uint64_t { batch = 0, open = 1, reject = 2, close = 3 };

constexpr std::uint64_t type_number(ControlType type) { return static_cast<std::uint64_t>(type); }

constexpr bool is_batch(std::uint64_t channel, std::uint64_t type) {
  return channel == control_channel && type == type_number(ControlType::batch);
}

}  // namespace sheaf
