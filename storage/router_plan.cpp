// What a write of the router becomes: where each value goes, what it replaces, and the records that say so.
#include <algorithm>

#include "storage/router_impl.hpp"
#include "storage/xxh3.hpp"

namespace sheaf {

using namespace router_records;

namespace {

void put_entry(Batch& root, Bytes outer_key, std::span<const Bytes> record, const Traits& traits) {
  const Bytes key[] = {entry_prefix, outer_key};
  root.put_joined(key, record, traits);
}

// The root's record of a value that lies in the root itself.
void put_inline(Batch& root, Bytes outer_key, Bytes value, const Traits& traits) {
  const Bytes record[] = {value, Bytes(&inline_mark, 1)};
  put_entry(root, outer_key, record, traits);
}

}  // namespace

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

// Looks for what lies under the key of a value or block: its copies have to go, and the journal of an
// unsynced put says what the key goes back to.
Result<void> RouterImpl::replace(PutPlan& plan, const Batch::Operation& operation,
                                 const std::optional<Bytes>& only_if) {
  const bool value = operation.traits.role == Traits::Role::value;
  // An unsynced put elsewhere may have to go back to whatever lies there, any other only leaves copies
  // behind.
  const bool all = plan.journal.verify;
  KnownKeys& known = all ? present_ : pointed_;
  const auto known_to_be_none = [&] {
    return value && is_value_key(operation.key) && !known.may_hold(xxh3_64(operation.key));
  };
  const bool needed = only_if || (!operation.traits.fresh && !known_to_be_none());
  std::optional<Buffer> old;
  if (needed) {
    auto found = root_record(operation.key);
    if (!found) return found.error();
    old = std::move(*found);
    if (value && !(old && (all || is_pointer(*old)))) known.looked_in_vain();
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
    for (const CopyAt& copy : old_pointer->copies) plan.root.del(reverse_key(copy.store, copy.key));
  if ((value && (needed || all)) || old_pointer) {
    plan.journal_bytes += operation.key.size() + (old ? old->size() : 0) + 8;
    plan.journal.before.push_back({.key = to_buffer(operation.key), .record = std::move(old)});
  }
  return {};
}

// Where everything goes, and so whether the journal has to say what lies there now.
Result<void> RouterImpl::route_all(PutPlan& plan) {
  constexpr std::size_t usual_pointer = 64, usual_journal = 96;
  plan.root_bytes = usual_journal;
  for (std::size_t i = 0; i < plan.batch.size(); ++i) {
    const Batch::Operation operation = plan.batch[i];
    if (!plan.counts[i]) continue;
    plan.root_bytes += operation.key.size() + usual_pointer;
    if (operation.kind == Batch::Kind::put && operation.traits.role != Traits::Role::state) {
      auto ports = route(operation.value, operation.traits);
      if (!ports) return ports.error();
      plan.routes[i] = std::move(*ports);
    }
    if (plan.routes[i].empty())
      plan.root_bytes += operation.value.size();
    else if (operation.traits.role == Traits::Role::value)
      plan.has_values = true;
  }
  plan.journal.verify = plan.durable == Durable::no && plan.has_values;
  return {};
}

// The entries of the root, the copies, and what the journal has to tell.
Result<void> RouterImpl::gather(PutPlan& plan, const std::optional<Bytes>& only_if) {
  plan.root.reserve(plan.batch.size() + 4, plan.root_bytes);
  if (plan.has_values) plan.salt = Salt::from(fresh_keys_.half());
  for (std::size_t i = 0; i < plan.batch.size(); ++i) {
    const Batch::Operation operation = plan.batch[i];
    if (!plan.counts[i]) continue;
    if (operation.traits.role != Traits::Role::state)
      if (auto replaced = replace(plan, operation, only_if); !replaced) return replaced;
    if (operation.kind == Batch::Kind::del)
      plan.root.del(entry_key(operation.key), operation.traits);
    else if (plan.routes[i].empty())
      put_inline(plan.root, operation.key, operation.value, operation.traits);
    else
      add_put(plan, operation, std::move(plan.routes[i]));
  }
  return {};
}

void RouterImpl::add_put(PutPlan& plan, const Batch::Operation& operation, std::vector<RouterPort*> ports) {
  PutPlan::Put put{.operation = operation, .pointer = {}, .ports = std::move(ports)};
  put.pointer.version = plan.version;
  put.pointer.length = operation.value.size();
  put.pointer.block = operation.traits.role == Traits::Role::block;
  if (!put.pointer.block) {
    put.pointer.checksum = checksum_of(operation.value);
    put.pointer.salt = plan.salt;
  }
  for (const RouterPort* const port : put.ports) put.pointer.copies.push_back({.store = port->number});
  const Buffer key = copy_key(put.pointer, put.pointer.copies.front(), operation.key);
  const Traits traits{.role = operation.traits.role, .fresh = true};  // nobody has had this version
  for (RouterPort* const port : put.ports) {
    Batch& copies = plan.copies[port];
    if (copies.empty()) copies.reserve(plan.batch.size(), plan.batch.size() * key.size());
    copies.put(key, operation.value, traits);
  }
  const Buffer pointer = encode_pointer(put.pointer);
  const Bytes record[] = {pointer};
  put_entry(plan.root, operation.key, record, operation.traits);
  plan.puts.push_back(std::move(put));
}

// Where the journal would be too long, the copies are synced before the root names them instead.
void RouterImpl::add_journal(PutPlan& plan) {
  if (plan.journal.verify && plan.journal_bytes > journal_bytes_most) {
    plan.journal.verify = false;
    plan.copies_durable = Durable::yes;
  }
  if (!plan.journal.verify && !plan.journal.before.empty()) {
    // What an unsettled put before this one would put back must not be taken for that put's own.
    const std::lock_guard committing(committing_);
    std::erase_if(plan.journal.before, [&](const Journal::Before& before) {
      const bool pointed = before.record && is_pointer(*before.record);
      return !pointed && !reversible_.contains(xxh3_64(before.key));
    });
  }
  if (!plan.journal.before.empty())
    plan.root.put_copy(journal_key(plan.version), encode_journal(plan.journal));
}

// What nobody but applications has under a key.
bool RouterImpl::is_value_key(Bytes outer_key) const {
  return !traits_ || traits_->traits(outer_key).role == Traits::Role::value;
}

// Requires: committing_ is held, and the root is not written yet.
void RouterImpl::tell_known(const PutPlan& plan) {
  if (present_.gathers())
    for (std::size_t i = 0; i < plan.batch.size(); ++i)
      if (const auto put = plan.batch[i]; put.kind == Batch::Kind::put && is_value_key(put.key))
        present_.add(xxh3_64(put.key));
  if (pointed_.gathers())
    for (const PutPlan::Put& put : plan.puts)
      if (!put.pointer.block) pointed_.add(xxh3_64(put.operation.key));
  // What may go back may be there again, with its pointer.
  if (!plan.journal.verify) return;
  for (KnownKeys* const known : {&present_, &pointed_})
    if (known->gathers())
      for (const Journal::Before& before : plan.journal.before) known->add(xxh3_64(before.key));
}

// A page of the walk. Somebody who does it already is not waited for.
void RouterImpl::learn(KnownKeys& known) {
  const std::unique_lock learning(learning_, std::try_to_lock);
  if (!learning || !known.page_due()) return;
  {
    const std::lock_guard committing(committing_);
    if (!known.begin_page()) return;
    if (!known.after())
      for (const std::uint64_t hash : reversible_) known.add(hash);
  }
  const auto after = known.after();
  auto cursor = root_.iterate(after ? KeyRange{.gt = *after, .lt = past(entry_prefix)}
                                    : KeyRange{.gte = entry_prefix, .lt = past(entry_prefix)});
  if (!cursor) return known.give_up();
  std::vector<std::uint64_t> found;
  std::size_t bytes = 0;
  for (std::size_t records = 0; records < KnownKeys::page_records && bytes < KnownKeys::page_bytes;
       ++records) {
    const auto more = (*cursor)->next();
    if (!more) return known.give_up();
    if (!*more) return known.end_page(found, std::nullopt);
    const Bytes outer = (*cursor)->key().subspan(1), record = (*cursor)->value();
    bytes += record.size();
    if (is_value_key(outer) && (&known == &present_ || is_pointer(record))) found.push_back(xxh3_64(outer));
  }
  known.end_page(found, to_buffer((*cursor)->key()));
}

}  // namespace sheaf
