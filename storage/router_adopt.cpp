// What others do in a store that is marked `adopt`: while we are open by its changes, before that by a walk
// over its keys.
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
    if (port->adopts() && port->strangers_due && use(*port)) {
      auto found = absorb_strangers(*port);
      if (!found) return found;
      taken += *found;
    }
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
  if (change.kind == Change::Kind::gap) {
    port.strangers_due = true;  // the next call looks for what was missed
    return false;
  }
  if (port.take_own(change.key)) return false;
  const auto name = name_of_copy(change.key);
  const bool copy = name && name->kind == CopyName::Kind::value;
  if (!copy && as_text(change.key).starts_with(as_text(reserved_prefix))) return false;
  const auto known = owner(port, change.key);
  if (!known) return failed(known.error());

  if (change.kind == Change::Kind::del) {
    if (!*known) return false;
    Batch batch;
    batch.del(**known);
    if (auto gone = put_through(batch, Durable::no, {}); !gone) return failed(gone.error());
    return true;
  }
  Buffer value;
  if (auto got = port.get(change.key, value, Checked::yes); !got) {
    if (got.error() == StorageErrc::not_found) return false;  // gone again; its own change follows
    return failed(got.error());
  }
  if (value.size() > limits_.value_bytes) return false;
  if (*known) {
    const Buffer& outer = **known;
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
  if (copy) return false;  // of a value that has moved on
  if (auto taken = adopt(port, change.key, value); !taken) return failed(taken.error());
  return true;
}

// A value of somebody's becomes ours under a fresh key, where today's routes send it; the original, which is
// no copy of ours, goes once that is safe. Should we be cut off before, its reverse record says whose it is.
Result<void> RouterImpl::adopt(RouterPort& port, Bytes original, Bytes value) {
  const Buffer key = fresh_outer_key();
  const Buffer mark = reverse_key(port.number, original);
  Batch batch, marks;
  batch.put(key, value);
  marks.put(mark, key);
  if (auto put = put_through(batch, Durable::yes, {.with = &marks}); !put) return put;
  ++adopted_;
  return remove_original(port, original);
}

Result<void> RouterImpl::remove_original(RouterPort& port, Bytes original) {
  Batch gone;
  gone.del(original);
  // Synced, since without its mark it would be a stranger's once more.
  if (auto removed = write_copies(port, gone, Durable::yes); !removed) return removed;
  const std::lock_guard committing(committing_);
  return root_.del(reverse_key(port.number, original), Durable::no);
}

// What others put here while nobody followed the changes. A copy of ours has a key of ours, or is named by
// the root, or has a record beside it, as one that is being put, or that a crash has left. What they changed
// or deleted then looks like damage, and is check()'s.
Result<std::uint64_t> RouterImpl::absorb_strangers(RouterPort& port) {
  const auto failed = [](const Error& error) -> Result<std::uint64_t> {
    return {boost::system::in_place_error, error};
  };
  port.strangers_due = false;
  std::uint64_t taken = 0;
  Result<void> trouble;
  const Buffer first = past(reserved_prefix);
  Buffer after;
  for (bool ended = false; !ended;) {
    // A page of keys that the root does not know, or knows as adopted already.
    std::set<Buffer> strangers;
    auto cursor = port.iterate(after.empty() ? KeyRange{.gte = first, .keys_only = true}
                                             : KeyRange{.gt = after, .keys_only = true});
    if (!cursor) return failed(cursor.error());
    while (strangers.size() < strangers_a_page) {
      const auto more = (*cursor)->next();
      if (!more) return failed(more.error());
      if (!*more) {
        ended = true;
        break;
      }
      after = to_buffer((*cursor)->key());
      auto ours = is_own_copy(port, after);
      if (!ours) return failed(ours.error());
      if (!*ours) strangers.insert(after);
    }
    cursor->reset();
    if (strangers.empty()) continue;
    if (auto left = leave_out_recorded(port, strangers); !left) return failed(left.error());
    for (const Buffer& key : strangers) {
      auto done = absorb_stranger(port, key);
      if (done && *done) ++taken;
      if (done) continue;
      trouble = done.error();
      note(port.label() + ": a value of others could not be taken in: " + done.error().message());
      // One that no store takes stays where it is; others may be luckier.
      if (done.error() == RouterErrc::no_route || done.error() == StorageErrc::too_large) continue;
      port.strangers_due = true;
      return failed(done.error());
    }
  }
  return taken;
}

// Whose copy a key is, if the root names that copy still: it says so itself. Of what was put in format 2 the
// record beside it does, and a reverse record in the root of what was put in format 1, and of a value that is
// being taken in.
Result<std::optional<Buffer>> RouterImpl::owner(RouterPort& port, Bytes key) {
  if (const auto name = name_of_copy(key); name && name->kind == CopyName::Kind::value) {
    const auto current = named(name->outer_key, name->version, port.number, key);
    if (!current) return current.error();
    return *current ? std::optional(to_buffer(name->outer_key)) : std::nullopt;
  }
  Buffer outer;
  if (auto known = root_.get(reverse_key(port.number, key), outer); known)
    return std::optional(outer);
  else if (known.error() != StorageErrc::not_found)
    return known.error();
  const auto version = version_of_old_copy(key);
  if (!version) return std::optional<Buffer>();
  Buffer bytes;
  if (auto got = port.get(copy_record_key(*version, key), bytes, Checked::yes); !got) {
    if (got.error() == StorageErrc::not_found) return std::optional<Buffer>();
    return got.error();
  }
  auto record = decode_copy_record(bytes);
  if (!record) return std::optional<Buffer>();
  const auto current = named(record->outer_key, *version, port.number, key);
  if (!current) return current.error();
  return *current ? std::optional(std::move(record->outer_key)) : std::nullopt;
}

// Whether it is a copy of ours, whatever became of it since: what has a key of ours, or what an entry names.
// A reverse record alone is a mark of adopt().
Result<bool> RouterImpl::is_own_copy(RouterPort& port, Bytes key) {
  const auto failed = [](const Error& error) -> Result<bool> {
    return {boost::system::in_place_error, error};
  };
  if (const auto version = version_of_old_copy(key)) {
    const std::lock_guard lock(versions_);
    if (*version < next_version_) return true;
  }
  const auto outer = owner(port, key);
  if (!outer) return failed(outer.error());
  if (!*outer) return false;
  const auto record = root_record(**outer);
  if (!record) return failed(record.error());
  const auto entry = *record ? decode_entry(**record) : Result<Entry>(Entry{});
  if (!entry) return true;  // check() reports it
  return entry->pointer &&
         std::any_of(entry->pointer->copies.begin(), entry->pointer->copies.end(),
                     [&](const CopyAt& copy) { return copy.store == port.number && equal(copy.key, key); });
}

// Takes out the keys that have a copy record in the store.
Result<void> RouterImpl::leave_out_recorded(RouterPort& port, std::set<Buffer>& keys) {
  auto cursor = port.iterate({.gte = copy_record_prefix, .lt = past(copy_record_prefix), .keys_only = true});
  if (!cursor) return cursor.error();
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return more.error();
    if (!*more) return {};
    if (const auto name = name_of_copy((*cursor)->key())) keys.erase(to_buffer(name->old_copy));
  }
}

// Whether a mark of adopt() says so, and the value that it was taken in under is this one: another one is
// new.
Result<bool> RouterImpl::is_adopted(RouterPort& port, Bytes key, Bytes value) {
  const auto failed = [](const Error& error) -> Result<bool> {
    return {boost::system::in_place_error, error};
  };
  Buffer outer;
  if (auto known = root_.get(reverse_key(port.number, key), outer); !known) {
    if (known.error() == StorageErrc::not_found) return false;
    return failed(known.error());
  }
  const auto record = root_record(outer);
  if (!record) return failed(record.error());
  if (!*record) return false;
  const auto entry = decode_entry(**record);
  if (!entry) return false;
  return entry->pointer ? entry->pointer->checksum == checksum_of(value) : equal(entry->inline_value, value);
}

// False where it is gone again, or had been taken in before.
Result<bool> RouterImpl::absorb_stranger(RouterPort& port, Bytes key) {
  const auto failed = [](const Error& error) -> Result<bool> {
    return {boost::system::in_place_error, error};
  };
  Buffer value;
  if (auto got = port.get(key, value, Checked::yes); !got) {
    if (got.error() == StorageErrc::not_found) return false;
    return failed(got.error());
  }
  auto before = is_adopted(port, key, value);
  if (!before) return before;
  if (*before) {
    if (auto gone = remove_original(port, key); !gone) return failed(gone.error());
    return false;
  }
  if (value.size() > limits_.value_bytes) return failed(StorageErrc::too_large);
  if (auto taken = adopt(port, key, value); !taken) return failed(taken.error());
  return true;
}

}  // namespace sheaf
