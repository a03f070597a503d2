// A walk over the index and what is not in it yet.
#include <algorithm>

#include "storage/value_log.hpp"

namespace sheaf::value_log {
namespace {

class LogCursor final : public Cursor {
 public:
  LogCursor(std::unique_ptr<Cursor> index, std::vector<std::pair<Buffer, Slot>> overlay,
            std::shared_ptr<const Segments> segments, const KeyRange& range)
      : index_(std::move(index)),
        overlay_(std::move(overlay)),
        segments_(std::move(segments)),
        bounds_(range),
        reverse_(range.reverse),
        keys_only_(range.keys_only),
        left_(range.limit) {
    if (reverse_) std::ranges::reverse(overlay_);
  }

  Result<bool> next() override {
    for (;;) {
      if (left_ == 0) return false;
      if (index_at_ == At::before)
        if (auto moved = advance(); !moved) return {boost::system::in_place_error, moved.error()};
      const bool indexed = index_at_ == At::entry;
      const bool changed = changed_at_ < overlay_.size();
      if (!indexed && !changed) {
        left_ = 0;
        return false;
      }
      int order = 0;  // of the index's entry to the overlay's, as the walk goes
      if (indexed && changed) {
        order = as_text(index_key()).compare(as_text(overlay_[changed_at_].first));
        if (reverse_) order = -order;
      }
      if (changed && (!indexed || order >= 0)) {
        if (indexed && order == 0) index_at_ = At::before;
        const auto& [key, slot] = overlay_[changed_at_++];
        if (std::holds_alternative<Gone>(slot)) continue;
        return give(key, slot);
      }
      index_at_ = At::before;
      const Buffer key = to_buffer(index_key());
      if (keys_only_) return give(key, Buffer{});
      const auto slot = decode_slot(index_->value());
      return give(key, slot ? *slot : Slot(Gone{}));
    }
  }

  Bytes key() const override { return key_; }
  Bytes value() const override { return value_; }

 private:
  enum class At { before, entry, end };

  Bytes index_key() const { return index_->key().subspan(1); }

  Result<void> advance() {
    for (;;) {
      auto more = index_->next();
      if (!more) return more.error();
      index_at_ = *more ? At::entry : At::end;
      if (!*more || (bounds_.above_lower(index_key()) && bounds_.below_upper(index_key()))) return {};
    }
  }

  // A value that cannot be read is an error; the walk goes on behind it.
  Result<bool> give(Bytes key, const Slot& slot) {
    --left_;
    key_ = to_buffer(key);
    value_.clear();
    if (keys_only_) return true;
    if (const auto* value = std::get_if<Buffer>(&slot)) {
      value_ = *value;
      return true;
    }
    const auto* location = std::get_if<Location>(&slot);
    const Result<void> got = location ? read_value(*segments_, *location, value_, Checked::yes)
                                      : Result<void>(StorageErrc::damaged);
    if (!got) return {boost::system::in_place_error, got.error()};
    return true;
  }

  std::unique_ptr<Cursor> index_;
  std::vector<std::pair<Buffer, Slot>> overlay_;
  const std::shared_ptr<const Segments> segments_;
  const Bounds bounds_;
  const bool reverse_;
  const bool keys_only_;
  std::uint64_t left_;
  At index_at_ = At::before;
  std::size_t changed_at_ = 0;
  Buffer key_;
  Buffer value_;
};

}  // namespace

std::unique_ptr<Cursor> log_cursor(std::unique_ptr<Cursor> index,
                                   std::vector<std::pair<Buffer, Slot>> overlay,
                                   std::shared_ptr<const Segments> segments, const KeyRange& range) {
  return std::make_unique<LogCursor>(std::move(index), std::move(overlay), std::move(segments), range);
}

}  // namespace sheaf::value_log
