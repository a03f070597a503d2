// Assertions that stay on in release builds: a broken invariant ends the process before it can
// acknowledge anything, and the next start recovers.
#pragma once

#include <source_location>

namespace sheaf {

[[noreturn]] void broken_invariant(const char* what, std::source_location where) noexcept;

inline void invariant(bool holds, const char* what,
                      std::source_location where = std::source_location::current()) noexcept {
  if (!holds) [[unlikely]]
    broken_invariant(what, where);
}

}  // namespace sheaf
