// How the router writes: copies, then the root, then what is named no longer.
#include <algorithm>
#include <unordered_map>

#include "sheaf/protocol/key.hpp"
#include "storage/router_impl.hpp"

namespace sheaf {

using namespace router_records;

// One write of the router while it is made.
class PutPlan {
 public:
  explicit PutPlan(std::uint64_t version) : version_(version) {}

  struct Put {
    Batch::Operation operation;
    Pointer pointer;
    std::vector<RouterPort*> ports;
  };

  std::uint64_t version_;
  Batch root_;
  std::vector<Put> puts_;
  Journal journal_;
  std::size_t journal_bytes_ = 0;
  std::map<RouterPort*, Batch> copies_;
  bool has_values_ = false;  // that go to other stores
};

namespace {

// Whether an operation counts: the last one of its key does. State is left to the order of the root's batch.
class LastOfEachKey {
 public:
  explicit LastOfEachKey(const Batch& batch) {
    if (batch.size() < 2) return;
    counts_.assign(batch.size(), true);
    std::unordered_map<std::string_view, std::size_t> last;
    last.reserve(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Batch::Operation operation = batch[i];
      if (operation.traits.role == Traits::Role::state) continue;
      const auto [at, fresh] = last.try_emplace(as_text(operation.key), i);
      if (fresh) continue;
      counts_[at->second] = false;
      at->second = i;
    }
  }
  bool operator[](std::size_t at) const { return counts_.empty() || counts_[at]; }

 private:
  std::vector<bool> counts_;  // none: all do
};

void put_entry(Batch& root, Bytes outer_key, std::span<const Bytes> record, const Traits& traits) {
  const Bytes key[] = {entry_prefix, outer_key};
  root.put_joined(key, record, traits);
}

// The root's record of a value that lies in the root itself.
void put_inline(Batch& root, Bytes outer_key, Bytes value, const Traits& traits) {
  const Bytes record[] = {value, Bytes(&inline_mark, 1)};
  put_entry(root, outer_key, record, traits);
}

bool is_pointer(Bytes record) { return !record.empty() && record.back() == pointer_mark; }

bool only_state(const Batch& batch) {
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (batch[i].traits.role != Traits::Role::state) return false;
  return true;
}

}  // namespace

Result<void> RouterImpl::write(const Batch& batch, Durable durable) {
  if (auto fits = check_limits(batch, limits_); !fits) return fits;
  const auto lock = enter();
  if (!opened_) return StorageErrc::closed;
  if (root_.poisoned()) return StorageErrc::poisoned;
  if (rebuilding_) {
    note("the root was lost: rebuild_root() comes before the first write");
    return StorageErrc::damaged;
  }
  return put_through(batch, durable, {});
}

Result<Buffer> RouterImpl::post(Bytes value, const Traits& traits, Durable durable) {
  Buffer key = fresh_outer_key();
  Traits fresh = traits;
  fresh.fresh = true;
  if (auto stored = put(key, value, fresh, durable); !stored) return stored.error();
  return key;
}

Buffer RouterImpl::fresh_outer_key() {
  Buffer key = fresh_prefix_;
  const Buffer random = fresh_keys_.next();
  if (fresh_text_)
    append(key, as_bytes(to_hex(random)));
  else
    append(key, random);
  return key;
}

std::uint64_t RouterImpl::begin_version() {
  const std::lock_guard lock(versions_);
  in_flight_.push_back(next_version_);
  return next_version_++;
}

void RouterImpl::end_version(std::uint64_t version) {
  const std::lock_guard lock(versions_);
  in_flight_.erase(std::lower_bound(in_flight_.begin(), in_flight_.end(), version));
}

std::uint64_t RouterImpl::lowest_in_flight() {
  const std::lock_guard lock(versions_);
  return in_flight_.empty() ? next_version_ : in_flight_.front();
}

// Versions are never given out twice: the root says how far they may have got, synced, before they do. And in
// which format its records are.
Result<void> RouterImpl::reserve_versions() {
  std::uint64_t wanted = 0;
  {
    const std::lock_guard lock(versions_);
    if (format_ == format_version && next_version_ + versions_reserved / 2 < reserved_) return {};
    wanted = next_version_ + versions_reserved;
  }
  const std::lock_guard committing(committing_);
  Batch batch;
  batch.put_copy(format_key(), encode_u64(format_version));
  batch.put_copy(reserved_key(), encode_u64(wanted));
  if (auto written = root_.write(batch, Durable::yes); !written) return written;
  const std::lock_guard lock(versions_);
  reserved_ = std::max(reserved_, wanted);
  format_ = format_version;
  return {};
}

Result<std::optional<Buffer>> RouterImpl::root_record(Bytes outer_key) {
  Buffer record;
  if (auto got = root_.get(entry_key(outer_key), record); !got) {
    if (got.error() == StorageErrc::not_found) return std::optional<Buffer>();
    return got.error();
  }
  return std::optional(std::move(record));
}

Result<std::vector<RouterPort*>> RouterImpl::route(Bytes value, const Traits& traits) {
  std::vector<std::string> labels = mapper_->labels(value, traits);
  if (labels.empty() && traits.role == Traits::Role::block) labels.emplace_back(root_label);
  if (labels.empty() && !fallback_.empty()) labels.push_back(fallback_);
  std::vector<RouterPort*> ports;
  bool to_root = false;
  for (const std::string& label : labels) {
    if (label == root_label) {
      to_root = true;
      continue;
    }
    RouterPort* const found = port(label);
    if (!found) {
      note("the mapper names a store that does not exist: " + label);
      return RouterErrc::no_route;
    }
    if (std::find(ports.begin(), ports.end(), found) == ports.end()) ports.push_back(found);
  }
  if (ports.empty() && !to_root) {
    note("no route takes a value of " + std::to_string(value.size()) + " bytes, and there is no fallback");
    return RouterErrc::no_route;
  }
  return ports;
}

Result<void> RouterImpl::use(RouterPort& port) {
  if (auto able = port.ready(); !able) return able;
  return port.sweeps.due() ? sweep(port) : Result<void>();
}

void RouterImpl::add_copy(Batch& batch, const Pointer& pointer, const CopyAt& copy, Bytes outer_key,
                          Bytes value, bool fresh) {
  const Traits traits{.role = pointer.block ? Traits::Role::block : Traits::Role::value, .fresh = fresh};
  batch.put(copy_key(pointer, copy, outer_key), value, traits);
  if (!pointer.block)
    put_copy_record(batch, pointer.version, copy.key, outer_key, pointer.length, pointer.checksum, traits);
}

void RouterImpl::add_removal(Batch& batch, const Pointer& pointer, const CopyAt& copy, Bytes outer_key) {
  batch.del(copy_key(pointer, copy, outer_key));
  if (!pointer.block) batch.del(copy_record_key(pointer.version, copy.key));
}

// In as many writes as the store's limits ask for: nobody sees a copy before its pointer.
Result<void> RouterImpl::write_copies(RouterPort& port, const Batch& batch, Durable durable) {
  port.expect_own(batch);
  const StoreLimits& limits = port.backend().limits();
  if (batch.size() <= limits.batch_operations && batch.bytes() <= limits.batch_bytes)
    return port.write(batch, durable);
  Batch slice;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch[i];
    const std::size_t bytes = operation.key.size() + operation.value.size();
    if (!slice.empty() &&
        (slice.size() + 1 > limits.batch_operations || slice.bytes() + bytes > limits.batch_bytes)) {
      if (auto written = port.write(slice, durable); !written) return written;
      slice.clear();
    }
    if (operation.kind == Batch::Kind::put)
      slice.put(operation.key, operation.value, operation.traits);
    else
      slice.del(operation.key, operation.traits);
  }
  return port.write(slice, durable);
}

// Looks for what lies under the key of a value or block: its copies have to go, and the journal of an
// unsynced put says what the key goes back to.
Result<void> RouterImpl::replace(PutPlan& plan, const Batch::Operation& operation,
                                 const std::optional<Bytes>& only_if) {
  const bool value = operation.traits.role == Traits::Role::value;
  const auto may_have_copies = [&] { return pointed_.may_hold(PointedKeys::hash_of(operation.key)); };
  const bool needed =
      only_if || (!operation.traits.fresh && (!value || plan.journal_.verify || may_have_copies()));
  std::optional<Buffer> old;
  if (needed) {
    auto found = root_record(operation.key);
    if (!found) return found.error();
    old = std::move(*found);
    if (value && !plan.journal_.verify && !(old && is_pointer(*old))) pointed_.looked_in_vain();
  }
  if (only_if && (!old || !equal(*old, *only_if))) return StorageErrc::not_found;
  std::optional<Pointer> old_pointer;
  if (old) {
    auto entry = decode_entry(*old);
    // What cannot be read can still be deleted.
    if (!entry && operation.kind == Batch::Kind::del) entry = Entry{};
    if (!entry) return entry.error();
    old_pointer = std::move(entry->pointer);
  }
  if (old_pointer && old_pointer->reversed)
    for (const CopyAt& copy : old_pointer->copies) plan.root_.del(reverse_key(copy.store, copy.key));
  if ((value && (needed || plan.journal_.verify)) || old_pointer) {
    plan.journal_bytes_ += operation.key.size() + (old ? old->size() : 0) + 8;
    plan.journal_.before.push_back({.key = to_buffer(operation.key), .record = std::move(old)});
  }
  return {};
}

Result<void> RouterImpl::put_through(const Batch& batch, Durable durable, const Quietly& quietly) {
  const bool versioned = !batch.empty() && !only_state(batch);
  if (versioned)
    if (auto reserved = reserve_versions(); !reserved) return reserved;

  std::vector<std::uint64_t> locked;
  if (versioned)
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch[i].traits.role == Traits::Role::value) locked.push_back(KeyLocks::hash_of(batch[i].key));
  const KeyLocks::Held held(keys_, std::move(locked));

  PutPlan plan(versioned ? begin_version() : 0);
  struct Ending {
    RouterImpl& router;
    std::uint64_t version;
    ~Ending() {
      if (version != 0) router.end_version(version);
    }
  } ending{*this, plan.version_};

  const LastOfEachKey counts(batch);
  const auto is_put = [](const Batch::Operation& operation) {
    return operation.kind == Batch::Kind::put && operation.traits.role != Traits::Role::state;
  };

  // Where everything goes, and so whether the journal has to say what lies there now.
  constexpr std::size_t usual_pointer = 64, usual_journal = 96;
  std::size_t root_bytes = usual_journal;
  std::vector<std::vector<RouterPort*>> routes(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch[i];
    if (!counts[i]) continue;
    root_bytes += operation.key.size() + usual_pointer;
    if (is_put(operation)) {
      auto ports = route(operation.value, operation.traits);
      if (!ports) return ports.error();
      routes[i] = std::move(*ports);
    }
    if (routes[i].empty())
      root_bytes += operation.value.size();
    else if (operation.traits.role == Traits::Role::value)
      plan.has_values_ = true;
  }
  plan.journal_.verify = durable == Durable::no && plan.has_values_;

  std::uint64_t random = plan.has_values_ ? fresh_keys_.number() : 0;
  plan.root_.reserve(batch.size() + 4, root_bytes);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch[i];
    const bool put = operation.kind == Batch::Kind::put;
    if (!counts[i]) continue;
    if (operation.traits.role == Traits::Role::state) {
      put ? put_inline(plan.root_, operation.key, operation.value, operation.traits)
          : plan.root_.del(entry_key(operation.key), operation.traits);
      continue;
    }
    if (auto replaced = replace(plan, operation, quietly.only_if); !replaced) return replaced;
    if (!put) {
      plan.root_.del(entry_key(operation.key), operation.traits);
      continue;
    }
    if (routes[i].empty()) {
      put_inline(plan.root_, operation.key, operation.value, operation.traits);
      continue;
    }
    PutPlan::Put routed{.operation = operation, .pointer = {}, .ports = std::move(routes[i])};
    routed.pointer.version = plan.version_;
    routed.pointer.length = operation.value.size();
    routed.pointer.block = operation.traits.role == Traits::Role::block;
    if (!routed.pointer.block) routed.pointer.checksum = checksum_of(operation.value);
    for (RouterPort* const port : routed.ports) {
      CopyAt copy{.store = port->number, .key = {}};
      if (!routed.pointer.block) copy.key = value_copy_key(plan.version_, random++);
      Batch& copies = plan.copies_[port];
      if (copies.empty()) copies.reserve(2 * batch.size(), 2 * (64 + operation.key.size()) * batch.size());
      add_copy(copies, routed.pointer, copy, operation.key, operation.value, true);
      routed.pointer.copies.push_back(std::move(copy));
    }
    const Buffer pointer = encode_pointer(routed.pointer);
    const Bytes record[] = {pointer};
    put_entry(plan.root_, operation.key, record, operation.traits);
    plan.puts_.push_back(std::move(routed));
  }

  Durable copies_durable = quietly.copies_first ? Durable::yes : durable;
  if (plan.journal_.verify && plan.journal_bytes_ > journal_bytes_most) {
    plan.journal_.verify = false;
    copies_durable = Durable::yes;
  }
  if (!plan.journal_.verify && !plan.journal_.before.empty()) {
    // What an unsettled put before this one would put back must not be taken for that put's own.
    const std::lock_guard committing(committing_);
    std::erase_if(plan.journal_.before, [&](const Journal::Before& before) {
      const bool pointed = before.record && is_pointer(*before.record);
      return !pointed && !reversible_.contains(PointedKeys::hash_of(before.key));
    });
  }
  if (quietly.with)
    for (std::size_t i = 0; i < quietly.with->size(); ++i)
      plan.root_.put_copy((*quietly.with)[i].key, (*quietly.with)[i].value);
  if (!plan.journal_.before.empty())
    plan.root_.put_copy(journal_key(plan.version_), encode_journal(plan.journal_));

  // The copies.
  std::set<RouterPort*> failed;
  Error why;
  for (auto& [port, copies] : plan.copies_) {
    auto written = use(*port);
    if (written) written = write_copies(*port, copies, copies_durable);
    if (written) continue;
    failed.insert(port);
    port->sweeps.ask();
    why = written.error();
    note(port->label() + ": " + port->trouble());
  }
  const auto give_up = [&](Error error) -> Result<void> {
    std::map<RouterPort*, Batch> removals;
    for (const PutPlan::Put& put : plan.puts_)
      for (std::size_t i = 0; i < put.ports.size(); ++i)
        if (!failed.contains(put.ports[i]))
          add_removal(removals[put.ports[i]], put.pointer, put.pointer.copies[i], put.operation.key);
    for (const auto& [port, removal] : removals)
      if (!write_copies(*port, removal, Durable::no)) port->sweeps.ask();
    return error;
  };
  for (const PutPlan::Put& put : plan.puts_) {
    const auto bad = static_cast<std::size_t>(std::count_if(
        put.ports.begin(), put.ports.end(), [&](RouterPort* port) { return failed.contains(port); }));
    const std::size_t least =
        copies_least_ == 0 ? put.ports.size() : std::min(copies_least_, put.ports.size());
    if (put.ports.size() - bad < least) return give_up(why);
  }
  if (durable == Durable::yes)  // a synced write makes everything before it safe
    for (const auto& port : ports_)
      if (!plan.copies_.contains(port.get())) (void)port->sync();

  // The root: from here on the put has happened.
  Garbage garbage{.version = plan.version_, .certain = durable == Durable::yes, .keys = {}};
  collect_keys(garbage, plan.journal_);
  const bool journaled = !plan.journal_.before.empty();
  bool at_once = false;
  {
    const std::lock_guard committing(committing_);
    if (quietly.only_if) {
      auto now = root_record(batch[0].key);
      const bool moved_on = now && (!*now || !equal(**now, *quietly.only_if));
      if (!now || moved_on) return give_up(now ? Error(StorageErrc::not_found) : now.error());
    }
    if (pointed_.gathers()) tell_pointed(plan);
    if (auto written = root_.write(plan.root_, durable); !written) {
      note("root: " + root_.trouble());
      // Of a poisoned root nobody knows what it has kept; opening it again shows which copies are named.
      if (root_.poisoned()) {
        for (const auto& [port, copies] : plan.copies_) port->sweeps.ask();
        return written;
      }
      return give_up(written.error());
    }
    garbage.commit = ++commits_;
    if (!quietly.silent) hub_.publish(batch);
    at_once = garbage.certain && (pins_.empty() || *pins_.begin() >= garbage.commit) && failed.empty();
    if (journaled && !at_once) add_garbage(std::move(garbage), false);
  }
  if (journaled && at_once) {
    Garbage* const alone[] = {&garbage};
    remove_garbage(alone);
    const std::lock_guard committing(committing_);
    add_garbage(std::move(garbage), false);
  }
  // Whether it settles changes nothing about the put.
  if (unsettled_ >= settle_at || unsettled_bytes_ >= settle_bytes ||
      (versioned && plan.version_ % settle_at == 0))
    settle_soon();
  if (pointed_.page_due()) learn_pointed();
  return {};
}

// Requires: committing_ is held, and the root is not written yet.
void RouterImpl::tell_pointed(const PutPlan& plan) {
  for (const PutPlan::Put& put : plan.puts_)
    if (!put.pointer.block) pointed_.add(PointedKeys::hash_of(put.operation.key));
  // What may go back may get its pointer back.
  if (plan.journal_.verify)
    for (const Journal::Before& before : plan.journal_.before) pointed_.add(PointedKeys::hash_of(before.key));
}

// A page of the walk. Somebody who does it already is not waited for.
void RouterImpl::learn_pointed() {
  const std::unique_lock learning(learning_, std::try_to_lock);
  if (!learning || !pointed_.page_due()) return;
  {
    const std::lock_guard committing(committing_);
    if (!pointed_.begin_page()) return;
    if (!pointed_.after())
      for (const std::uint64_t hash : reversible_) pointed_.add(hash);
  }
  const auto after = pointed_.after();
  auto cursor = root_.iterate(after ? KeyRange{.gt = *after, .lt = past(entry_prefix)}
                                    : KeyRange{.gte = entry_prefix, .lt = past(entry_prefix)});
  if (!cursor) return pointed_.give_up();
  std::vector<std::uint64_t> found;
  std::size_t bytes = 0;
  for (std::size_t records = 0; records < PointedKeys::page_records && bytes < PointedKeys::page_bytes;
       ++records) {
    const auto more = (*cursor)->next();
    if (!more) return pointed_.give_up();
    if (!*more) return pointed_.end_page(found, std::nullopt);
    const Bytes outer = (*cursor)->key().subspan(1), record = (*cursor)->value();
    bytes += record.size();
    const bool values = !traits_ || traits_->traits(outer).role == Traits::Role::value;
    if (values && is_pointer(record)) found.push_back(PointedKeys::hash_of(outer));
  }
  pointed_.end_page(found, to_buffer((*cursor)->key()));
}

}  // namespace sheaf
