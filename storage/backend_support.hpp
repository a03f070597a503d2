// What every backend does alike: the checks before a write, the bounds of an iteration, fresh keys.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>

#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

// L23. A batch of one operation may hold the largest value.
Result<void> check_limits(const Batch& batch, const StoreLimits& limits);

bool only_deletes(const Batch& batch);

// The bounds of a KeyRange, owned, the stricter of each pair.
class Bounds {
 public:
  explicit Bounds(const KeyRange& range);

  const std::optional<Buffer>& lower() const { return lower_; }
  const std::optional<Buffer>& upper() const { return upper_; }
  bool above_lower(Bytes key) const;
  bool below_upper(Bytes key) const;

 private:
  std::optional<Buffer> lower_;
  std::optional<Buffer> upper_;
  bool lower_open_ = false;
  bool upper_open_ = false;
};

// Keys for post(): 16 random bytes each, drawn many at a time. Any thread.
class FreshKeys {
 public:
  explicit FreshKeys(RandomSource* source);  // null: the system's
  Buffer next();
  std::array<std::byte, 8> half();  // of one

 private:
  static constexpr std::size_t key_bytes = 16;

  Bytes draw();  // Requires: drawing_ is held, as long as what it gives is used.

  std::mutex drawing_;
  std::unique_ptr<RandomSource> own_;
  RandomSource* source_;
  std::array<std::byte, 64 * key_bytes> drawn_{};
  std::size_t left_ = 0;  // bytes at its end
};

}  // namespace sheaf
