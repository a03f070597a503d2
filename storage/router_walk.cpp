// Walking the router: a snapshot of the root, and the values that it names, fetched as they are come to.
//
// While a walk lives, the copies that its snapshot names are kept.
#include "storage/router_impl.hpp"

namespace sheaf {

using namespace router_records;

namespace {

class Walk final : public RouterCursor {
 public:
  Walk(RouterImpl& router, std::unique_ptr<Cursor> root, std::uint64_t snapshot, bool keys_only)
      : router_(router), root_(std::move(root)), snapshot_(snapshot), keys_only_(keys_only) {}
  ~Walk() override { router_.unpin(snapshot_); }

  Result<bool> next() override {
    const auto more = root_->next();
    placed_ = more && *more;
    if (!placed_) return more;
    fetched_.clear();
    auto entry = decode_entry(root_->value());
    if (!entry) return failed(entry.error());
    entry_ = std::move(*entry);
    if (keys_only_ || !entry_.pointer) return true;
    auto got = router_.fetch(key(), *entry_.pointer, fetched_);
    return got ? Result<bool>(true) : failed(got.error());
  }
  // Of a value that cannot be read, too; none where it is the root that cannot.
  Bytes key() const override { return placed_ ? root_->key().subspan(1) : Bytes{}; }
  Bytes value() const override {
    if (keys_only_) return {};
    return entry_.pointer ? Bytes(fetched_) : entry_.inline_value;
  }
  std::uint64_t length() const override {
    return entry_.pointer ? entry_.pointer->length : entry_.inline_value.size();
  }
  std::vector<std::string> stores() const override {
    if (!entry_.pointer) return {std::string(root_label)};
    return router_.labels_of(*entry_.pointer);
  }

 private:
  static Result<bool> failed(const Error& error) { return {boost::system::in_place_error, error}; }

  RouterImpl& router_;
  std::unique_ptr<Cursor> root_;
  const std::uint64_t snapshot_;
  const bool keys_only_;
  bool placed_ = false;
  Entry entry_;
  Buffer fetched_;
};

// For who asks for keys alone, and may ask for thousands: the root's records are not read.
class KeyWalk final : public Cursor {
 public:
  explicit KeyWalk(std::unique_ptr<Cursor> root) : root_(std::move(root)) {}
  Result<bool> next() override { return root_->next(); }
  Bytes key() const override { return root_->key().subspan(1); }
  Bytes value() const override { return {}; }

 private:
  std::unique_ptr<Cursor> root_;
};

// The same bounds in the root's keys, and never out of the entries.
struct RootRange {
  Buffer gt, gte, lt, lte;
  KeyRange range;

  explicit RootRange(const KeyRange& outer) : range(outer) {
    const auto bound = [](Bytes key, Buffer& out) {
      if (!key.empty()) out = entry_key(key);
    };
    bound(outer.gt, gt);
    bound(outer.gte, gte);
    bound(outer.lt, lt);
    bound(outer.lte, lte);
    if (gt.empty() && gte.empty()) gte = to_buffer(entry_prefix);
    if (lt.empty() && lte.empty()) lt = past(entry_prefix);
    range.gt = gt;
    range.gte = gte;
    range.lt = lt;
    range.lte = lte;
  }
};

}  // namespace

std::uint64_t RouterImpl::pin() {
  pins_.insert(commits_);
  return commits_;
}

void RouterImpl::unpin(std::uint64_t snapshot) {
  const std::lock_guard committing(committing_);
  pins_.erase(pins_.find(snapshot));
}

Result<std::unique_ptr<RouterCursor>> RouterImpl::entries(const KeyRange& range) {
  const std::shared_lock lock(open_);
  if (!opened_) return StorageErrc::closed;
  RootRange inner(range);
  inner.range.keys_only = false;
  const std::lock_guard committing(committing_);
  auto root = root_.iterate(inner.range);
  if (!root) return root.error();
  return std::unique_ptr<RouterCursor>(
      std::make_unique<Walk>(*this, std::move(*root), pin(), range.keys_only));
}

Result<std::unique_ptr<Cursor>> RouterImpl::iterate(const KeyRange& range) {
  if (!range.keys_only) {
    auto made = entries(range);
    if (!made) return made.error();
    return std::unique_ptr<Cursor>(std::move(*made));
  }
  const std::shared_lock lock(open_);
  if (!opened_) return StorageErrc::closed;
  const RootRange inner(range);
  auto root = root_.iterate(inner.range);
  if (!root) return root.error();
  return std::unique_ptr<Cursor>(std::make_unique<KeyWalk>(std::move(*root)));
}

}  // namespace sheaf
