// Assertions that stay on in release builds: a broken invariant ends the process before it can
// acknowledge anything, and the next start recovers.
#pragma once

namespace sheaf {

[[noreturn]] void broken_invariant(const char* what, const char* file, int line) noexcept;

// The place is the caller's, taken by the compiler's own words: clang 14 has no std::source_location.
inline void invariant(bool holds, const char* what, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE()) noexcept {
  if (!holds) [[unlikely]]
    broken_invariant(what, file, line);
}

}  // namespace sheaf
