// Copies that no pointer names: what a put that was cut off has left is swept, what else there is check()
// finds.
#include <algorithm>

#include "storage/router_impl.hpp"

namespace sheaf {

using namespace router_records;

// Whether the root names this copy.
Result<bool> RouterImpl::named(Bytes outer_key, std::uint64_t version, Number store, Bytes copy_key) {
  auto record = root_record(outer_key);
  if (!record) return {boost::system::in_place_error, record.error()};
  if (!*record) return false;
  const auto entry = decode_entry(**record);
  if (!entry || !entry->pointer || entry->pointer->version != version) return false;
  return std::any_of(entry->pointer->copies.begin(), entry->pointer->copies.end(), [&](const CopyAt& copy) {
    return copy.store == store && equal(router_records::copy_key(*entry->pointer, copy, outer_key), copy_key);
  });
}

// Of versions from `from` on; puts under way keep theirs, and so do those that wait to be removed.
Result<RouterImpl::Orphans> RouterImpl::orphans(RouterPort& port, std::uint64_t from) {
  std::vector<std::uint64_t> under_way;
  Orphans out;
  {
    const std::lock_guard lock(versions_);
    under_way = in_flight_;
    out.end = next_version_;
  }
  out.settled = under_way.empty() ? out.end : under_way.front();
  using Kind = CopyName::Kind;
  for (const Kind kind : {Kind::block, Kind::value, Kind::record}) {
    auto cursor = port.iterate(
        {.gte = first_name(kind, from), .lt = first_name(kind, out.end), .keys_only = kind != Kind::record});
    out.readable = out.readable && cursor.has_value();
    while (out.readable) {
      const auto more = (*cursor)->next();
      out.readable = more.has_value();
      if (!out.readable || !*more) break;
      const auto name = name_of_copy((*cursor)->key());
      if (!name || std::ranges::binary_search(under_way, name->version)) continue;
      Orphan orphan{.copy = to_buffer((*cursor)->key()), .outer_key = to_buffer(name->outer_key)};
      orphan.version = name->version;
      orphan.block = kind == Kind::block;
      if (kind == Kind::record) {
        orphan.record = std::exchange(orphan.copy, to_buffer(name->old_copy));
        if (auto record = decode_copy_record((*cursor)->value()); record)
          orphan.outer_key = std::move(record->outer_key);
      }
      if (!orphan.outer_key.empty()) {
        auto known = named(orphan.outer_key, orphan.version, port.number, orphan.copy);
        if (!known) return known.error();
        if (*known) continue;
      }
      out.found.push_back(std::move(orphan));
    }
  }
  const std::set<Buffer> waiting = waiting_copies(port.number);
  std::erase_if(out.found, [&](const Orphan& orphan) { return waiting.contains(orphan.copy); });
  return out;
}

void RouterImpl::add_removal(Batch& batch, const Orphan& orphan) {
  batch.del(orphan.copy);
  if (orphan.record) batch.del(*orphan.record);
}

// Removes the copies that puts after `settled` have left without a pointer. What cannot be read is check()'s
// to report.
Result<void> RouterImpl::sweep(RouterPort& port) {
  if (rebuilding_) return {};
  const std::uint64_t reasons = port.sweeps.begin();
  const auto left = orphans(port, port.settled);
  if (!left) return left.error();
  Batch gone;
  for (const Orphan& orphan : left->found) {
    add_removal(gone, orphan);
    ++swept_;
  }
  if (!gone.empty())
    if (auto removed = write_copies(port, gone, Durable::no); !removed) return removed;
  if (port.settled < left->settled) port.settled = left->settled;
  port.sweeps.end(reasons);
  return {};
}

// In every store. What others put there is no concern of ours, unless we adopt.
Result<void> RouterImpl::find_orphans(const CheckOptions& options, CheckReport& report) {
  using Finding = RouterFinding::Kind;
  if (rebuilding_) return {};
  (void)settle();
  for (const auto& port : ports_) {
    const auto unreadable = [&] {
      report.findings.push_back({.kind = Finding::unreadable, .key = {}, .store = port->label()});
    };
    if (auto able = use(*port); !able) {
      unreadable();
      continue;
    }
    const auto left = orphans(*port, 0);
    if (!left) return left.error();
    if (!left->readable) unreadable();
    for (const Orphan& orphan : left->found) {
      bool mended = false;
      if (options.repair && orphan.version >= port->joined) {
        if (auto kept = keep_last_of_value(*port, orphan); !kept) return kept;
        Batch batch;
        add_removal(batch, orphan);
        mended = write_copies(*port, batch, Durable::no).has_value();
      }
      report.findings.push_back(
          {.kind = Finding::orphan_copy, .key = orphan.copy, .store = port->label(), .mended = mended});
    }
  }
  return {};
}

// An older copy is all that is left of a value whose own copies are gone, as after a store came back from a
// backup: get_all() goes on showing it.
Result<void> RouterImpl::keep_last_of_value(RouterPort& port, const Orphan& orphan) {
  if (orphan.block || orphan.outer_key.empty()) return {};
  auto record = root_record(orphan.outer_key);
  if (!record) return record.error();
  const auto entry = *record ? decode_entry(**record) : Result<Entry>(Entry{});
  if (!entry || !entry->pointer) return {};
  for (std::size_t at = 0; at < entry->pointer->copies.size(); ++at)
    if (auto found = found_copy(orphan.outer_key, *entry->pointer, at); found && found->current) return {};
  Buffer value;
  if (auto got = port.get(orphan.copy, value, Checked::yes); !got)
    return got.error() == StorageErrc::not_found ? Result<void>() : got;
  return keep_aside(orphan.outer_key, value, orphan.version);
}

}  // namespace sheaf
