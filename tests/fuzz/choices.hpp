// An input as a row of choices: numbers and bytes taken from its front, zeros once it is used up.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf::fuzz {

// Says where it was: the compiler makes one call to abort() of all.
inline void expect(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const std::byte*>(data), size) {}

  bool left() const { return !rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto out = std::to_integer<std::uint8_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return out;
  }
  // Below `bound`, from as few bytes as tell so many apart. Requires: bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    std::uint64_t out = 0;
    for (std::uint64_t reach = bound - 1; reach > 0; reach >>= 8) out = out << 8 | byte();
    return out % bound;
  }
  std::uint64_t number() {
    std::uint64_t out = 0;
    for (int i = 0; i < 8; ++i) out = out << 8 | byte();
    return out;
  }
  Bytes bytes(std::size_t most) {
    const Bytes out = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }
  Bytes rest() { return bytes(rest_.size()); }

 private:
  Bytes rest_;
};

}  // namespace sheaf::fuzz
