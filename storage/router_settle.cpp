// The end of a put's life: when its old copies may go, and what a restart makes of one that was cut off.
//
// A journal entry stands in the root from the put's own atomic write on. It goes once the put cannot be lost
// any more and the copies that nobody names are gone for good: stores synced, root synced, copies removed,
// stores synced again.
//
// A put that was not synced may lose its copies with the power while the root keeps it. Its entry then says
// what was under its keys, and all of them go back to that, but for those that a later put has changed: that
// one has an entry that names them, too, as long as the earlier one is not settled.
#include <algorithm>

#include "storage/router_impl.hpp"
#include "storage/xxh3.hpp"

namespace sheaf {

using namespace router_records;

void RouterImpl::collect_keys(Garbage& garbage, const Journal& journal) const {
  for (const Journal::Before& before : journal.before) {
    if (journal.verify) garbage.reversible.push_back(xxh3_64(before.key));
    if (!before.record) continue;
    const auto entry = decode_entry(*before.record);
    if (!entry || !entry->pointer) continue;
    for (const CopyAt& copy : entry->pointer->copies) {
      garbage.bytes += entry->pointer->length;
      garbage.keys.emplace_back(copy.store, copy_key(*entry->pointer, copy, before.key));
      if (entry->pointer->recorded)
        garbage.keys.emplace_back(copy.store, copy_record_key(entry->pointer->version, copy.key));
    }
  }
}

void RouterImpl::add_garbage(Garbage garbage, bool oldest) {
  reversible_.insert(garbage.reversible.begin(), garbage.reversible.end());
  ++unsettled_;
  unsettled_bytes_ += garbage.bytes;
  garbage_.insert(oldest ? garbage_.begin() : garbage_.end(), std::move(garbage));
  waiting_ = garbage_.size();
}

// Copies in a store that nobody names any more, and that only settling may remove. Asked after a copy was
// found to be without a pointer, it tells a replaced one from an orphan.
std::set<Buffer> RouterImpl::waiting_copies(Number store) {
  const std::lock_guard committing(committing_);
  std::set<Buffer> out;
  for (const auto& [number, key] : settling_copies_)
    if (number == store) out.insert(key);
  for (const Garbage& garbage : garbage_)
    for (const auto& [number, key] : garbage.keys)
      if (number == store) out.insert(key);
  return out;
}

// In one write a store. What a store could not be asked to remove waits for another time.
void RouterImpl::remove_garbage(std::span<Garbage* const> all) {
  std::map<Number, Batch> removals;
  for (Garbage* const garbage : all) {
    std::erase_if(garbage->keys, [&](const auto& at) {
      return port(at.first) == nullptr;  // no longer configured: check() sweeps it should it come back
    });
    for (const auto& [number, key] : garbage->keys) removals[number].del(key);
  }
  for (const auto& [number, removal] : removals) {
    RouterPort* const store = port(number);
    auto gone = use(*store);
    if (gone) gone = write_copies(*store, removal, Durable::no);
    if (!gone) continue;
    for (Garbage* const garbage : all)
      std::erase_if(garbage->keys, [n = number](const auto& at) { return at.first == n; });
  }
  for (Garbage* const garbage : all) garbage->removed = garbage->keys.empty();
}

Result<void> RouterImpl::settle() {
  const std::unique_lock settling(settling_, std::try_to_lock);
  if (!settling) return {};  // somebody does it already
  unsettled_ = 0;
  unsettled_bytes_ = 0;

  std::vector<Garbage> round;
  {
    const std::lock_guard committing(committing_);
    while (!garbage_.empty() && (pins_.empty() || garbage_.front().commit <= *pins_.begin())) {
      const auto& keys = garbage_.front().keys;
      settling_copies_.insert(settling_copies_.end(), keys.begin(), keys.end());
      round.push_back(std::move(garbage_.front()));
      garbage_.pop_front();
    }
    waiting_ = garbage_.size();
  }
  // Of versions below, everything was written before the stores are synced, and is removed where no sweep is
  // due now.
  const std::uint64_t lowest = lowest_in_flight();
  std::set<Number> unsure, unswept;
  for (const auto& port : ports_) {
    if (port->sweeps.due()) unswept.insert(port->number);
    if (!port->seen || !port->sync()) unsure.insert(port->number);
  }
  const auto synced = root_.sync();

  // Of puts of an earlier run: while one may have to be undone still, so may those that it has replaced. And
  // an entry says of its keys that they have moved on since, so it stays.
  const bool verified =
      std::none_of(round.begin(), round.end(), [](const Garbage& garbage) { return garbage.unverified; });
  std::vector<Garbage> kept;
  std::vector<Garbage*> removable;
  std::vector<std::uint64_t> settled;
  Batch ended;
  kept.reserve(round.size());
  for (Garbage& garbage : round) {
    if (garbage.removed && unsure.empty() && verified) {
      ended.del(journal_key(garbage.version));
      settled.insert(settled.end(), garbage.reversible.begin(), garbage.reversible.end());
      continue;
    }
    kept.push_back(std::move(garbage));
    // What a put has written itself may lie in a store that is not sure.
    const Garbage& last = kept.back();
    if (!last.removed && synced && (last.certain || (unsure.empty() && verified)))
      removable.push_back(&kept.back());
  }
  remove_garbage(removable);
  for (const auto& port : ports_) {
    if (port->settled >= lowest || unsure.contains(port->number) || unswept.contains(port->number)) continue;
    ended.put_copy(settled_key(port->number), encode_u64(lowest));
    port->settled = lowest;
  }
  const std::lock_guard committing(committing_);
  garbage_.insert(garbage_.begin(), std::make_move_iterator(kept.begin()),
                  std::make_move_iterator(kept.end()));
  waiting_ = garbage_.size();
  settling_copies_.clear();
  for (const std::uint64_t hash : settled) reversible_.erase(reversible_.find(hash));
  if (!synced) return synced;
  return ended.empty() ? Result<void>() : root_.write(ended, Durable::no);
}

// Beside the callers, where there is a lane for it. They wait only where it falls far behind.
void RouterImpl::settle_soon() {
  if (!tidying_) {
    (void)settle();
    return;
  }
  if (unsettled_ >= unsettled_most * settle_at || unsettled_bytes_ >= unsettled_most * settle_bytes) {
    { const std::lock_guard until_it_is_done(settling_); }
    (void)settle();
    return;
  }
  if (tidying_asked_.exchange(true)) return;
  class Tidy final : public Lane::Work {
   public:
    explicit Tidy(RouterImpl& router) : router_(router) {}
    void run() override { router_.tidy(); }

   private:
    RouterImpl& router_;  // which ends the lane first
  };
  tidying_->begin(std::make_shared<Tidy>(*this));
}

void RouterImpl::tidy() {
  tidying_asked_ = false;
  const std::shared_lock lock(open_);
  if (opened_ && !root_.poisoned()) (void)settle();
}

// -- After a restart.

// A put that was not synced has lost a value where no copy is left of it in any store that it names. A store
// that does not answer may have one; one that is not configured any more is not waited for.
Result<RouterImpl::Fate> RouterImpl::fate(std::uint64_t version, const Journal& journal) {
  std::set<RouterPort*> silent;
  bool unknown = false;
  for (const Journal::Before& before : journal.before) {
    auto record = root_record(before.key);
    if (!record) return record.error();
    if (!*record) continue;
    const auto entry = decode_entry(**record);
    if (!entry || !entry->pointer || entry->pointer->version != version || entry->pointer->block) continue;
    bool found = false;
    bool asked_all = true;
    bool configured = false;
    std::set<RouterPort*> asked_in_vain;
    for (const CopyAt& copy : entry->pointer->copies) {
      RouterPort* const store = port(copy.store);
      auto there = store ? store->has(copy_key(*entry->pointer, copy, before.key))
                         : Result<bool>(StorageErrc::not_found);
      if (!there) asked_all = false;
      if (!there && store) configured = true;
      if (!there && store && !store->healthy()) asked_in_vain.insert(store);
      if (there && *there) found = true;
    }
    if (found) continue;
    if (asked_all) return Fate::lost;
    if (configured) unknown = true;
    silent.merge(asked_in_vain);
  }
  silent_.merge(silent);
  return unknown ? Fate::unknown : Fate::kept;
}

// Keys that a later put has changed are that one's. Should it be undone, too, they go back to this one, and
// with it to what was before: so much of the entry stays.
Result<Journal> RouterImpl::roll_back(std::uint64_t version, const Journal& journal, const Moved& moved) {
  Batch root;
  Garbage lost;
  Journal rest{.verify = true, .before = {}};
  for (const Journal::Before& before : journal.before) {
    if (moved.on.contains(before.key)) {
      rest.before.push_back(before);
      continue;
    }
    auto record = root_record(before.key);
    if (!record) return record.error();
    if (*record) {
      const auto entry = decode_entry(**record);
      if (!entry) continue;  // check() reports it
      if (entry->pointer) {
        if (entry->pointer->version != version) continue;
        for (const CopyAt& copy : entry->pointer->copies) {
          if (entry->pointer->reversed) root.del(reverse_key(copy.store, copy.key));
          lost.keys.emplace_back(copy.store, copy_key(*entry->pointer, copy, before.key));
          if (entry->pointer->recorded)
            lost.keys.emplace_back(copy.store, copy_record_key(version, copy.key));
        }
      }
    }
    if (!before.record) {
      root.del(entry_key(before.key));
      continue;
    }
    root.put(entry_key(before.key), *before.record);
    const auto old = decode_entry(*before.record);
    if (old && old->pointer && old->pointer->reversed)
      for (const CopyAt& copy : old->pointer->copies)
        root.put_copy(reverse_key(copy.store, copy.key), before.key);
  }
  root.del(journal_key(version));
  if (!rest.before.empty()) root.put_copy(journal_key(version), encode_journal(rest));
  if (auto written = root_.write(root, Durable::yes); !written) return written.error();
  ++rolled_back_;
  Garbage* const alone[] = {&lost};
  remove_garbage(alone);  // a sweep or a check finds what stays
  return rest;
}

void RouterImpl::note_moved(const Journal& journal, bool undecided, Moved& moved) const {
  for (const Journal::Before& before : journal.before) {
    moved.on.insert(before.key);
    if (undecided) moved.undecided.insert(before.key);
  }
}

bool RouterImpl::is_undecided(const Journal& journal, const Moved& moved) const {
  return std::any_of(journal.before.begin(), journal.before.end(),
                     [&](const Journal::Before& before) { return moved.undecided.contains(before.key); });
}

Result<void> RouterImpl::replay(std::uint64_t version, const Journal& journal, Moved& moved) {
  const auto found = journal.verify ? fate(version, journal) : Result<Fate>(Fate::kept);
  if (!found) return found.error();
  Garbage garbage{
      .version = version, .certain = !journal.verify, .unverified = *found == Fate::unknown, .keys = {}};
  if (*found == Fate::lost) {
    const auto rest = roll_back(version, journal, moved);
    if (!rest) return rest.error();
    if (rest->before.empty()) return {};
    garbage.unverified = is_undecided(*rest, moved);
    collect_keys(garbage, *rest);
  } else {
    note_moved(journal, garbage.unverified, moved);
    collect_keys(garbage, journal);
  }
  const std::lock_guard committing(committing_);
  add_garbage(std::move(garbage), true);
  return {};
}

Result<RouterImpl::Journals> RouterImpl::journals() {
  Journals out;
  auto cursor = root_.iterate({.gte = journal_prefix, .lt = past(journal_prefix), .reverse = true});
  if (!cursor) return cursor.error();
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return more.error();
    if (!*more) return out;
    auto journal = decode_journal((*cursor)->value());
    if (!journal || (*cursor)->key().size() != 9) return StorageErrc::damaged;
    std::uint64_t version = 0;
    for (const std::byte byte : (*cursor)->key().subspan(1))
      version = version << 8 | std::to_integer<std::uint64_t>(byte);
    out.emplace_back(version, std::move(*journal));
  }
}

// The newest first: what a later put has replaced is put back by that put's entry.
Result<void> RouterImpl::recover() {
  const auto entries = journals();
  if (!entries) return entries.error();
  {
    const std::lock_guard lock(versions_);
    run_begin_ = next_version_;
  }
  Moved moved;
  for (const auto& [version, journal] : *entries)
    if (auto replayed = replay(version, journal, moved); !replayed) return replayed;
  for (const auto& port : ports_)
    if (port->healthy() && port->sweeps.due())
      if (auto swept = sweep(*port); !swept) note(port->label() + ": " + port->trouble());
  return settle();
}

// A store that was away when the router opened is back: as recover(), but beside what was put meanwhile.
void RouterImpl::verify() {
  const std::unique_lock lock(open_);
  if (!opened_ || silent_.empty() || root_.poisoned()) return;
  const auto entries = journals();
  if (!entries) return note("root: " + root_.trouble());
  silent_.clear();
  Moved moved;
  bool undone = false;
  for (const auto& [version, journal] : *entries) {
    if (version >= run_begin_ || !journal.verify) {
      note_moved(journal, false, moved);
      continue;
    }
    const auto found = fate(version, journal);
    const auto rest = found && *found == Fate::lost ? roll_back(version, journal, moved)
                                                    : Result<Journal>(StorageErrc::not_found);
    const bool unverified = rest ? is_undecided(*rest, moved) : !found || *found != Fate::kept;
    undone = undone || rest;
    if (!rest) note_moved(journal, unverified, moved);
    const std::lock_guard committing(committing_);
    const auto entry =
        std::find_if(garbage_.begin(), garbage_.end(),
                     [wanted = version](const Garbage& garbage) { return garbage.version == wanted; });
    if (entry == garbage_.end()) continue;
    entry->unverified = unverified;
    if (!rest) continue;
    for (const std::uint64_t hash : entry->reversible) reversible_.erase(reversible_.find(hash));
    entry->keys.clear();
    entry->reversible.clear();
    collect_keys(*entry, *rest);
    reversible_.insert(entry->reversible.begin(), entry->reversible.end());
    if (rest->before.empty()) garbage_.erase(entry);
    waiting_ = garbage_.size();
  }
  if (undone) hub_.gap();
}

// For calls that concern all stores.
void RouterImpl::wake_silent() {
  const std::shared_lock lock(open_);
  if (opened_)
    for (RouterPort* const port : silent_) (void)port->ready();
}

}  // namespace sheaf
