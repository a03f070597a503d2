#include "storage/backend_support.hpp"

#include <cstring>

namespace sheaf {

Result<void> Backend::reopen() {
  (void)close();
  return open();
}

Result<void> Backend::put(Bytes key, Bytes value, const Traits& traits, Durable durable) {
  Batch batch;
  batch.put(key, value, traits);
  return write(batch, durable);
}

Result<void> Backend::del(Bytes key, Durable durable) {
  Batch batch;
  batch.del(key);
  return write(batch, durable);
}

Result<void> check_limits(const Batch& batch, const StoreLimits& limits) {
  if (batch.size() > limits.batch_operations) return StorageErrc::too_large;
  if (batch.size() > 1 && batch.bytes() > limits.batch_bytes) return StorageErrc::too_large;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch[i];
    if (operation.key.size() > limits.key_bytes) return StorageErrc::too_large;
    if (operation.value.size() > limits.value_bytes) return StorageErrc::too_large;
  }
  return {};
}

bool only_deletes(const Batch& batch) {
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (batch[i].kind == Batch::Kind::put) return false;
  return true;
}

Bounds::Bounds(const KeyRange& range) {
  if (!range.gte.empty()) lower_ = to_buffer(range.gte);
  if (!range.gt.empty() && (!lower_ || as_text(range.gt) >= as_text(*lower_))) {
    lower_ = to_buffer(range.gt);
    lower_open_ = true;
  }
  if (!range.lte.empty()) upper_ = to_buffer(range.lte);
  if (!range.lt.empty() && (!upper_ || as_text(range.lt) <= as_text(*upper_))) {
    upper_ = to_buffer(range.lt);
    upper_open_ = true;
  }
}

// std::string_view compares as unsigned bytes, which is the order of the store.
bool Bounds::above_lower(Bytes key) const {
  if (!lower_) return true;
  const int order = as_text(key).compare(as_text(*lower_));
  return lower_open_ ? order > 0 : order >= 0;
}

bool Bounds::below_upper(Bytes key) const {
  if (!upper_) return true;
  const int order = as_text(key).compare(as_text(*upper_));
  return upper_open_ ? order < 0 : order <= 0;
}

FreshKeys::FreshKeys(RandomSource* source) : source_(source) {
  if (source_) return;
  own_ = system_random();
  source_ = own_.get();
}

Bytes FreshKeys::draw() {
  if (left_ == 0) {
    source_->fill(drawn_);
    left_ = drawn_.size();
  }
  const Bytes drawn = Bytes(drawn_).last(left_).first(key_bytes);
  left_ -= key_bytes;
  return drawn;
}

Buffer FreshKeys::next() {
  const std::lock_guard lock(drawing_);
  return to_buffer(draw());
}

std::array<std::byte, 8> FreshKeys::half() {
  const std::lock_guard lock(drawing_);
  std::array<std::byte, 8> out;
  std::memcpy(out.data(), draw().data(), out.size());
  return out;
}

}  // namespace sheaf
