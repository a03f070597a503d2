// How the router writes: copies, then the root, then what is named no longer.
#include <algorithm>

#include "sheaf/protocol/key.hpp"
#include "storage/router_impl.hpp"
#include "storage/xxh3.hpp"

namespace sheaf {

using namespace router_records;

namespace {

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

Result<void> RouterImpl::use(RouterPort& port) {
  if (auto able = port.ready(); !able) return able;
  return port.sweeps.due() ? sweep(port) : Result<void>();
}

// Once more: the store may have something under its key.
void RouterImpl::add_copy(Batch& batch, const Pointer& pointer, const CopyAt& copy, Bytes outer_key,
                          Bytes value) {
  const Traits traits{.role = pointer.block ? Traits::Role::block : Traits::Role::value};
  batch.put(copy_key(pointer, copy, outer_key), value, traits);
  if (pointer.recorded)
    batch.put_copy(copy_record_key(pointer.version, copy.key),
                   encode_copy_record(outer_key, pointer.length, pointer.checksum), traits);
}

void RouterImpl::add_removal(Batch& batch, const Pointer& pointer, const CopyAt& copy, Bytes outer_key) {
  batch.del(copy_key(pointer, copy, outer_key));
  if (pointer.recorded) batch.del(copy_record_key(pointer.version, copy.key));
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

Result<void> RouterImpl::put_through(const Batch& batch, Durable durable, const Quietly& quietly) {
  const bool versioned = !batch.empty() && !only_state(batch);
  if (versioned)
    if (auto reserved = reserve_versions(); !reserved) return reserved;

  std::vector<std::uint64_t> locked;
  if (versioned)
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch[i].traits.role == Traits::Role::value) locked.push_back(xxh3_64(batch[i].key));
  const KeyLocks::Held held(keys_, std::move(locked));

  PutPlan plan(batch, versioned ? begin_version() : 0, durable);
  struct Ending {
    RouterImpl& router;
    std::uint64_t version;
    ~Ending() {
      if (version != 0) router.end_version(version);
    }
  } ending{*this, plan.version};

  if (auto routed = route_all(plan); !routed) return routed;
  if (auto gathered = gather(plan, quietly.only_if); !gathered) return gathered;
  add_journal(plan);
  if (quietly.copies_first) plan.copies_durable = Durable::yes;
  if (quietly.with)
    for (std::size_t i = 0; i < quietly.with->size(); ++i)
      plan.root.put_copy((*quietly.with)[i].key, (*quietly.with)[i].value);

  if (auto placed = place_copies(plan); !placed) return placed;
  if (auto committed = commit(plan, quietly); !committed) return committed;
  // Whether it settles changes nothing about the put.
  if (unsettled_ >= settle_at || unsettled_bytes_ >= settle_bytes ||
      (versioned && plan.version % settle_at == 0))
    settle_soon();
  for (KnownKeys* const known : {&present_, &pointed_})
    if (known->page_due()) learn(*known);
  return {};
}

// Enough of them for each value, or none stay.
Result<void> RouterImpl::place_copies(PutPlan& plan) {
  Error why;
  for (auto& [port, copies] : plan.copies) {
    auto written = use(*port);
    if (written) written = write_copies(*port, copies, plan.copies_durable);
    if (written) continue;
    plan.failed.insert(port);
    port->sweeps.ask();
    why = written.error();
    note(port->label() + ": " + port->trouble());
  }
  for (const PutPlan::Put& put : plan.puts) {
    const auto bad = static_cast<std::size_t>(std::count_if(
        put.ports.begin(), put.ports.end(), [&](RouterPort* port) { return plan.failed.contains(port); }));
    const std::size_t least =
        copies_least_ == 0 ? put.ports.size() : std::min(copies_least_, put.ports.size());
    if (put.ports.size() - bad >= least) continue;
    take_back_copies(plan);
    return why;
  }
  if (plan.durable == Durable::yes)  // a synced write makes everything before it safe
    for (const auto& port : ports_)
      if (!plan.copies.contains(port.get())) (void)port->sync();
  return {};
}

void RouterImpl::take_back_copies(const PutPlan& plan) {
  std::map<RouterPort*, Batch> removals;
  for (const PutPlan::Put& put : plan.puts)
    for (std::size_t i = 0; i < put.ports.size(); ++i)
      if (!plan.failed.contains(put.ports[i]))
        add_removal(removals[put.ports[i]], put.pointer, put.pointer.copies[i], put.operation.key);
  for (const auto& [port, removal] : removals)
    if (!write_copies(*port, removal, Durable::no)) port->sweeps.ask();
}

// The root: from its write on the put has happened.
Result<void> RouterImpl::commit(PutPlan& plan, const Quietly& quietly) {
  Garbage garbage{.version = plan.version, .certain = plan.durable == Durable::yes, .keys = {}};
  collect_keys(garbage, plan.journal);
  const bool journaled = !plan.journal.before.empty();
  bool at_once = false;
  {
    const std::lock_guard committing(committing_);
    if (quietly.only_if) {
      auto now = root_record(plan.batch[0].key);
      const bool moved_on = now && (!*now || !equal(**now, *quietly.only_if));
      if (!now || moved_on) {
        take_back_copies(plan);
        return now ? Error(StorageErrc::not_found) : now.error();
      }
    }
    tell_known(plan);
    if (auto written = root_.write(plan.root, plan.durable); !written) {
      note("root: " + root_.trouble());
      // Of a poisoned root nobody knows what it has kept; opening it again shows which copies are named.
      if (root_.poisoned())
        for (const auto& [port, copies] : plan.copies) port->sweeps.ask();
      else
        take_back_copies(plan);
      return written;
    }
    garbage.commit = ++commits_;
    if (!quietly.silent) hub_.publish(plan.batch);
    at_once = garbage.certain && (pins_.empty() || *pins_.begin() >= garbage.commit) && plan.failed.empty();
    if (journaled && !at_once) add_garbage(std::move(garbage), false);
  }
  if (journaled && at_once) {
    Garbage* const alone[] = {&garbage};
    remove_garbage(alone);
    const std::lock_guard committing(committing_);
    add_garbage(std::move(garbage), false);
  }
  return {};
}

}  // namespace sheaf
