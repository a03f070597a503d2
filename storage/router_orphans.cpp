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

// Of versions from `from` on, a page of the store; puts under way keep theirs, and so do those that wait to
// be removed.
Result<RouterImpl::Orphans> RouterImpl::orphans(RouterPort& port, std::uint64_t from,
                                                const std::optional<Buffer>& after) {
  std::vector<std::uint64_t> under_way;
  std::uint64_t end = 0;
  {
    const std::lock_guard lock(versions_);
    under_way = in_flight_;
    end = next_version_;
  }
  Orphans out;
  out.settled = under_way.empty() ? end : under_way.front();
  using Kind = CopyName::Kind;
  for (const Kind kind : {Kind::block, Kind::value, Kind::record}) {
    const Buffer first = first_name(kind, from), past_last = first_name(kind, end);
    if (after && *after >= past_last) continue;
    const bool begun = after && *after >= first;
    auto cursor =
        port.iterate(begun ? KeyRange{.gt = *after, .lt = past_last, .keys_only = kind != Kind::record}
                           : KeyRange{.gte = first, .lt = past_last, .keys_only = kind != Kind::record});
    out.readable = out.readable && cursor.has_value();
    while (out.readable && !out.next) {
      const auto more = (*cursor)->next();
      out.readable = more.has_value();
      if (!out.readable || !*more) break;
      const Bytes key = (*cursor)->key();
      if (++out.looked_at == orphans_a_page) out.next = to_buffer(key);
      const auto name = name_of_copy(key);
      if (!name || std::ranges::binary_search(under_way, name->version)) continue;
      Orphan orphan{.copy = to_buffer(key), .outer_key = to_buffer(name->outer_key)};
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
    if (out.next) break;
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
  const std::uint64_t from = port.settled;
  std::optional<std::uint64_t> settled;
  std::optional<Buffer> after;
  do {
    const auto left = orphans(port, from, after);
    if (!left) return left.error();
    Batch gone;
    for (const Orphan& orphan : left->found) add_removal(gone, orphan);
    if (!gone.empty())
      if (auto removed = write_copies(port, gone, Durable::no); !removed) return removed;
    swept_ += left->found.size();
    if (!settled) settled = left->settled;
    after = left->next;
  } while (after);
  if (port.settled < *settled) port.settled = *settled;
  port.sweeps.end(reasons);
  return {};
}

// A page of one store. What others put there is no concern of ours, unless we adopt.
Result<void> RouterImpl::find_orphans(RouterPort& port, const CheckOptions& options, CheckReport& report) {
  using Finding = RouterFinding::Kind;
  const bool begins = options.after->key.empty();
  if (begins) (void)settle();
  const auto unreadable = [&] {
    report.findings.push_back({.kind = Finding::unreadable, .key = {}, .store = port.label()});
    report.next = store_after(port.label());
  };
  if (auto able = use(port); !able) {
    unreadable();
    return {};
  }
  const auto left = orphans(port, 0, begins ? std::nullopt : std::optional(options.after->key));
  if (!left) return left.error();
  report.stored += left->looked_at;
  if (left->next)
    report.next = CheckPosition{.store = port.label(), .key = *left->next};
  else if (left->readable)
    report.next = store_after(port.label());
  else
    unreadable();
  Batch gone;
  for (const Orphan& orphan : left->found) {
    const bool mend = options.repair && orphan.version >= port.joined;
    if (mend) {
      if (auto kept = keep_last_of_value(port, orphan); !kept) return kept;
      add_removal(gone, orphan);
    }
    report.findings.push_back(
        {.kind = Finding::orphan_copy, .key = orphan.copy, .store = port.label(), .mended = mend});
  }
  if (!gone.empty() && !write_copies(port, gone, Durable::no))
    for (RouterFinding& finding : report.findings) finding.mended = false;
  return {};
}

// Where a check goes on once it is through with a store, or with the root; none: it is at its end.
std::optional<CheckPosition> RouterImpl::store_after(std::string_view label) const {
  if (rebuilding_) return std::nullopt;
  auto at = ports_.begin();
  if (!label.empty()) {
    while ((*at)->label() != label) ++at;
    ++at;
  }
  if (at == ports_.end()) return std::nullopt;
  return CheckPosition{.store = (*at)->label()};
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
