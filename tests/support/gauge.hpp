// What a hostile case may not make grow: the process's memory and its open descriptors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

namespace sheaf::test {

// Sanitizers keep freed memory on purpose; what is measured under them says nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool memory_is_telling = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool memory_is_telling = false;
#else
inline constexpr bool memory_is_telling = true;
#endif
#else
inline constexpr bool memory_is_telling = true;
#endif

inline std::size_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    std::size_t kib = 0;
    if (name == field + ":" && status >> kib) return kib * 1024;
    std::getline(status, name);
  }
  return 0;
}

inline std::size_t resident_bytes() { return status_bytes("VmRSS"); }
// The most that was resident since forget_peak().
inline std::size_t peak_bytes() { return status_bytes("VmHWM"); }
inline void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

}  // namespace sheaf::test
