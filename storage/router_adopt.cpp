// What others do in a store that is marked `adopt`.
#include <algorithm>

#include "storage/router_impl.hpp"

namespace sheaf {

using namespace router_records;

Result<std::uint64_t> RouterImpl::absorb() {
  const std::shared_lock lock(open_);
  if (!opened_) return {boost::system::in_place_error, Error(StorageErrc::closed)};
  if (root_.poisoned()) return {boost::system::in_place_error, Error(StorageErrc::poisoned)};
  if (rebuilding_) return {boost::system::in_place_error, Error(StorageErrc::damaged)};
  const std::lock_guard absorbing(absorbing_);
  std::uint64_t taken = 0;
  for (const auto& port : ports_) {
    while (port->changes) {
      const auto change = port->changes->try_next();
      if (!change) break;
      auto done = absorb_one(*port, *change);
      if (!done) return {boost::system::in_place_error, done.error()};
      if (*done) ++taken;
    }
  }
  return taken;
}

Result<bool> RouterImpl::absorb_one(RouterPort& port, const Change& change) {
  const auto failed = [](const Error& error) -> Result<bool> {
    return {boost::system::in_place_error, error};
  };
  if (change.kind == Change::Kind::gap) return false;  // check() finds what was missed
  if (port.take_own(change.key)) return false;
  if (as_text(change.key).starts_with(as_text(reserved_prefix))) return false;
  Buffer outer;
  auto known = root_.get(reverse_key(port.number, change.key), outer);
  if (!known && known.error() != StorageErrc::not_found) return failed(known.error());

  if (change.kind == Change::Kind::del) {
    if (!known) return false;
    Batch batch;
    batch.del(outer);
    if (auto gone = put_through(batch, Durable::no, {}); !gone) return failed(gone.error());
    return true;
  }
  Buffer value;
  if (auto got = port.get(change.key, value, Checked::yes); !got) {
    if (got.error() == StorageErrc::not_found) return false;  // gone again; its own change follows
    return failed(got.error());
  }
  if (value.size() > limits_.value_bytes) return false;
  if (known) {
    // Another value under a copy of ours is a new value of the outer key, unless it is what we know already.
    auto record = root_record(outer);
    if (!record) return failed(record.error());
    const auto entry = *record ? decode_entry(**record) : Result<Entry>(Entry{});
    if (entry && entry->pointer && entry->pointer->checksum == checksum_of(value)) return false;
    Batch batch;
    batch.put(outer, value);
    if (auto put = put_through(batch, Durable::no, {}); !put) return failed(put.error());
    return true;
  }
  // A value of somebody's becomes ours under a fresh key, where today's routes send it; the original, which
  // is no copy of ours, is replaced by one that is.
  const Buffer key = fresh_outer_key();
  Batch batch;
  batch.put(key, value);
  if (auto put = put_through(batch, Durable::no, {}); !put) return failed(put.error());
  Batch original;
  original.del(change.key);
  if (auto gone = write_copies(port, original, Durable::no); !gone) return failed(gone.error());
  ++adopted_;
  return true;
}

}  // namespace sheaf
