// Holding pointers and copies against each other, and mending what differs.
#include <algorithm>

#include "storage/router_impl.hpp"

namespace sheaf {

using namespace router_records;

namespace {

using Kind = RouterFinding::Kind;

// What a page holds of the root at most, and one record more.
constexpr std::size_t page_bytes_most = 8 * 1024 * 1024;

}  // namespace

Result<CheckReport> RouterImpl::check(const CheckOptions& options) {
  wake_silent();
  const auto lock = enter();
  if (!opened_) return StorageErrc::closed;
  CheckReport report;
  if (options.after && !options.after->store.empty()) {
    if (RouterPort* const store = port(options.after->store); store && !rebuilding_)
      if (auto done = find_orphans(*store, options, report); !done) return done.error();
    return report;
  }
  std::vector<std::pair<Buffer, Buffer>> page;
  bool ended = false;
  {
    const Buffer from = options.after ? entry_key(options.after->key) : to_buffer(entry_prefix);
    auto cursor = root_.iterate(options.after ? KeyRange{.gt = from, .lt = past(entry_prefix)}
                                              : KeyRange{.gte = from, .lt = past(entry_prefix)});
    if (!cursor) return cursor.error();
    std::size_t bytes = 0;
    while (page.size() < options.most && bytes < page_bytes_most) {
      const auto more = (*cursor)->next();
      if (!more) return more.error();
      if (!*more) {
        ended = true;
        break;
      }
      // Of values in the root nothing is compared here; rebalancing asks where they belong.
      const Bytes record = (*cursor)->value();
      const bool pointed = is_pointer(record);
      page.emplace_back(to_buffer((*cursor)->key().subspan(1)),
                        pointed || options.rebalance ? to_buffer(record) : Buffer{inline_mark});
      bytes += page.back().second.size();
    }
  }
  for (const auto& [key, record] : page) {
    if (auto done = check_entry(key, record, options, report); !done) return done.error();
    ++report.keys;
  }
  // What was moved is safe where it is now, and goes where it was.
  if (options.rebalance && !report.findings.empty()) (void)settle();
  if (ended)
    report.next = store_after({});
  else if (!page.empty())
    report.next = CheckPosition{.key = std::move(page.back().first)};
  return report;
}

Result<void> RouterImpl::check_entry(Bytes key, Bytes record, const CheckOptions& options,
                                     CheckReport& report) {
  const auto entry = decode_entry(record);
  if (!entry) {
    report.findings.push_back(
        {.kind = Kind::damaged_entry, .key = to_buffer(key), .store = std::string(root_label)});
    return {};
  }
  if (entry->pointer)
    if (auto done = check_pointer(key, *entry->pointer, options, report); !done) return done;
  return options.rebalance ? rebalance(key, record, *entry, report) : Result<void>();
}

Result<void> RouterImpl::check_pointer(Bytes key, const Pointer& pointer, const CheckOptions& options,
                                       CheckReport& report) {
  std::vector<std::size_t> bad;
  std::size_t good = pointer.copies.size();
  std::size_t unreadable = 0;
  std::vector<RouterFinding> found;
  for (std::size_t at = 0; at < pointer.copies.size(); ++at) {
    ++report.copies;
    const Number number = pointer.copies[at].store;
    const auto label = labels_.find(number);
    const std::string name = label == labels_.end() ? std::to_string(number) : label->second;
    const auto say = [&](Kind kind) {
      found.push_back({.kind = kind, .key = to_buffer(key), .store = name});
    };
    auto copy = found_copy(key, pointer, at);
    if (copy && copy->current) {
      if (good == pointer.copies.size()) good = at;
      continue;
    }
    if (copy || copy.error() == StorageErrc::damaged) {
      say(Kind::damaged_copy);
    } else if (copy.error() == StorageErrc::not_found) {
      say(Kind::missing_copy);
    } else {
      say(Kind::unreadable);
      ++unreadable;
      continue;
    }
    bad.push_back(at);
  }
  if (found.empty()) return {};
  // The key may have moved on while it was looked at.
  auto record = root_record(key);
  if (!record) return record.error();
  const auto now = *record ? decode_entry(**record) : Result<Entry>(Entry{});
  if (!now || !now->pointer || now->pointer->version != pointer.version) return {};

  const bool nowhere = good == pointer.copies.size() && unreadable == 0;
  if (nowhere) found.push_back({.kind = Kind::no_good_copy, .key = to_buffer(key), .store = {}});
  if (options.repair && good < pointer.copies.size() && !bad.empty()) {
    auto source = found_copy(key, pointer, good);
    if (source && source->current)
      for (const std::size_t at : bad) {
        const std::size_t one[] = {at};
        const bool done = mend(key, pointer, source->value, one).has_value();
        for (RouterFinding& finding : found)
          if (finding.store == labels_[pointer.copies[at].store]) finding.mended = done;
      }
  }
  report.findings.insert(report.findings.end(), found.begin(), found.end());
  return {};
}

// Puts the value through the routes again where they have changed. What a node keeps as state stays in the
// root.
Result<void> RouterImpl::rebalance(Bytes key, Bytes record, const Entry& entry, CheckReport& report) {
  Traits traits = traits_ ? traits_->traits(key) : Traits{.role = Traits::Role::state};
  if (entry.pointer) traits.role = entry.pointer->block ? Traits::Role::block : Traits::Role::value;
  if (traits.role == Traits::Role::state) return {};
  traits.size = entry.pointer ? entry.pointer->length : entry.inline_value.size();
  Buffer value;
  if (!entry.pointer)
    value = to_buffer(entry.inline_value);
  else if (!read(key, *entry.pointer, value, Checked::yes, false))
    return {};  // reported already
  auto wanted = route(value, traits);
  if (!wanted) return {};
  std::set<Number> now, then;
  if (entry.pointer)
    for (const CopyAt& copy : entry.pointer->copies) now.insert(copy.store);
  for (const RouterPort* port : *wanted) then.insert(port->number);
  if (now == then) return {};
  Batch batch;
  batch.put(key, value, traits);
  // Lost with the power, a move of a value is undone; of a block nobody would know that it is to be.
  const auto moved =
      put_through(batch, Durable::no,
                  {.silent = true, .only_if = record, .copies_first = traits.role == Traits::Role::block});
  if (!moved && moved.error() == StorageErrc::not_found) return {};  // overwritten meanwhile
  report.findings.push_back(
      {.kind = Kind::misplaced,
       .key = to_buffer(key),
       .store = entry.pointer ? labels_of(*entry.pointer).front() : std::string(root_label),
       .mended = moved.has_value()});
  return {};
}

}  // namespace sheaf
