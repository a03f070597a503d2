// How the router reads: the best store first, held against the checksum; copies that are not what the pointer
// says are mended from one that is.
#include <algorithm>

#include "storage/router_impl.hpp"
#include "storage/xxh3.hpp"

namespace sheaf {

using namespace router_records;

namespace {

// A pointer that was read may be replaced, and its copies removed, before they are asked for; then the root
// is read again. More often than this within one read nobody overwrites a key.
constexpr int attempts = 16;

}  // namespace

Result<void> RouterImpl::get(Bytes key, Buffer& out, Checked checked) {
  const auto lock = enter();
  if (!opened_) return StorageErrc::closed;
  if (key.empty() || key.size() > limits_.key_bytes) return StorageErrc::not_found;
  const std::size_t start = out.size();
  std::uint64_t last_version = 0;
  for (int attempt = 0;; ++attempt) {
    if (auto got = root_.get(entry_key(key), out, checked); !got) return got;
    if (out.size() > start && out.back() == inline_mark) {
      out.pop_back();
      return {};
    }
    auto entry = decode_entry(Bytes(out).subspan(start));
    out.resize(start);
    if (!entry) {
      note("root: an entry does not decode");
      return entry.error();
    }
    auto got = read(key, *entry->pointer, out, checked, true);
    if (got || entry->pointer->version == last_version || attempt == attempts) return got;
    out.resize(start);
    last_version = entry->pointer->version;
  }
}

Result<void> RouterImpl::read(Bytes key, const Pointer& pointer, Buffer& out, Checked checked,
                              bool mend_too) {
  std::vector<std::size_t> order(pointer.copies.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (order.size() > 1)
    std::stable_partition(order.begin(), order.end(), [&](std::size_t at) {
      const RouterPort* const store = port(pointer.copies[at].store);
      return store && store->healthy();
    });
  const std::size_t start = out.size();
  // The pointer's checksum says whether a copy is good: the store need not compare one of its own first.
  if (!pointer.block) checked = Checked::no;
  std::vector<std::size_t> bad;
  bool all_missing = true;
  Error trouble = StorageErrc::damaged;
  for (const std::size_t at : order) {
    const CopyAt& copy = pointer.copies[at];
    RouterPort* const store = port(copy.store);
    if (!store) {
      all_missing = false;
      const auto label = labels_.find(copy.store);
      note("the store of a copy is not configured any more: " +
           (label == labels_.end() ? std::string("?") : label->second));
      continue;
    }
    out.resize(start);
    auto got = store->get(copy_key(pointer, copy, key), out, checked);
    if (!got) {
      if (got.error() == StorageErrc::not_found || got.error() == StorageErrc::damaged) bad.push_back(at);
      if (got.error() != StorageErrc::not_found) {
        all_missing = false;
        trouble = got.error();
        note(store->label() + ": " + store->trouble());
      }
      continue;
    }
    const Bytes value = Bytes(out).subspan(start);
    if (value.size() == pointer.length && (pointer.block || checksum_of(value) == pointer.checksum)) {
      if (mend_too && !bad.empty()) (void)mend(key, pointer, value, bad);
      return {};
    }
    all_missing = false;
    bad.push_back(at);
    note(store->label() + ": a copy is not what was written");
  }
  out.resize(start);
  // A block that is nowhere is one that a loss of power has taken: its core fetches it again.
  if (all_missing && pointer.block) return StorageErrc::not_found;
  if (all_missing) {
    std::string names;
    for (const std::string& label : labels_of(pointer)) names += " " + label;
    note("no copy of a value is left in its stores:" + names);
    return StorageErrc::damaged;
  }
  if (!pointer.block)
    if (auto resolved = resolve(key, pointer, out); resolved) return resolved;
  return trouble;
}

Result<void> RouterImpl::fetch(Bytes key, const Pointer& pointer, Buffer& out) {
  const auto lock = enter();
  if (!opened_) return StorageErrc::closed;
  return read(key, pointer, out, Checked::yes, false);
}

std::vector<std::string> RouterImpl::labels_of(const Pointer& pointer) const {
  std::vector<std::string> out;
  for (const CopyAt& copy : pointer.copies) {
    const auto label = labels_.find(copy.store);
    out.push_back(label == labels_.end() ? std::to_string(copy.store) : label->second);
  }
  return out;
}

// One copy as it is found. not_found where there is none.
Result<FoundCopy> RouterImpl::found_copy(Bytes key, const Pointer& pointer, std::size_t at) {
  const CopyAt& copy = pointer.copies[at];
  RouterPort* const store = port(copy.store);
  if (!store) return StorageErrc::io_error;
  FoundCopy found{.store = store->label(), .version = 0, .current = false, .value = {}};
  if (auto got = store->get(copy_key(pointer, copy, key), found.value, Checked::yes); !got)
    return got.error();
  found.current =
      found.value.size() == pointer.length && (pointer.block || checksum_of(found.value) == pointer.checksum);
  if (found.current || pointer.block) found.version = pointer.version;
  return found;
}

// The copy that is found, and where it is not what the pointer says, others of its key in that store that
// vouch for themselves: somebody's values.
Result<std::vector<FoundCopy>> RouterImpl::found_copies(Bytes key, const Pointer& pointer, std::size_t at) {
  auto found = found_copy(key, pointer, at);
  if (!found) return found.error();
  std::vector<FoundCopy> out{std::move(*found)};
  if (out[0].current || pointer.block) return out;
  RouterPort* const store = port(pointer.copies[at].store);
  const Checksum sum = checksum_of(out[0].value);
  const CopyName::Kind kind = pointer.recorded ? CopyName::Kind::record : CopyName::Kind::value;
  const Buffer first = first_name(kind, pointer.recorded ? 0 : pointer.version);
  auto names = store->iterate(
      {.gte = first, .lt = past(Bytes(first).first(2)), .keys_only = kind == CopyName::Kind::value});
  while (names) {
    const auto more = (*names)->next();
    if (!more || !*more) break;
    const auto name = name_of_copy((*names)->key());
    if (!name) continue;
    if (pointer.recorded) {
      // Under its own key, with a record that another version has put beside it.
      if (!equal(name->old_copy, pointer.copies[at].key)) continue;
      const auto record = decode_copy_record((*names)->value());
      if (record && record->checksum == sum && record->length == out[0].value.size())
        out[0].version = std::max(out[0].version, name->version);
      continue;
    }
    if (name->version <= pointer.version || !equal(name->outer_key, key)) continue;
    FoundCopy other{.store = store->label(), .version = name->version, .current = false, .value = {}};
    if (store->get((*names)->key(), other.value, Checked::yes) && checksum_of(other.value) == name->checksum)
      out.push_back(std::move(other));
  }
  return out;
}

// None of the copies is what the pointer says: the caller's resolver decides, or the highest version that
// vouches for itself.
Result<void> RouterImpl::resolve(Bytes key, const Pointer& pointer, Buffer& out) {
  std::vector<FoundCopy> copies;
  for (std::size_t at = 0; at < pointer.copies.size(); ++at)
    if (auto found = found_copies(key, pointer, at))
      copies.insert(copies.end(), std::make_move_iterator(found->begin()),
                    std::make_move_iterator(found->end()));
  std::optional<std::size_t> chosen;
  if (resolver_) {
    chosen = resolver_->choose(key, copies);
  } else {
    for (std::size_t i = 0; i < copies.size(); ++i)
      if (copies[i].version > pointer.version && (!chosen || copies[i].version > copies[*chosen].version))
        chosen = i;
  }
  if (!chosen || *chosen >= copies.size()) return StorageErrc::damaged;
  append(out, copies[*chosen].value);
  return {};
}

Result<void> RouterImpl::keep_aside(Bytes key, Bytes value, std::uint64_t version) {
  return root_.put(aside_key(key, version), value, {.role = Traits::Role::state}, Durable::no);
}

// Writes the good value over copies that are missing or wrong, unless the key has moved on meanwhile.
Result<void> RouterImpl::mend(Bytes key, const Pointer& pointer, Bytes value,
                              std::span<const std::size_t> bad) {
  std::vector<std::uint64_t> locked;
  if (!pointer.block) locked.push_back(xxh3_64(key));
  const KeyLocks::Held held(keys_, std::move(locked));
  for (const std::size_t at : bad) {
    const CopyAt& copy = pointer.copies[at];
    RouterPort* const store = port(copy.store);
    if (!store) continue;
    const Buffer there = copy_key(pointer, copy, key);
    auto current = named(key, pointer.version, copy.store, there);
    if (!current || !*current) return StorageErrc::not_found;
    // A diverging copy that vouches for itself is somebody's value: nothing of that kind is thrown away.
    if (const auto found = found_copies(key, pointer, at))
      for (const FoundCopy& other : *found)
        if (!other.current && other.version != 0)
          if (auto kept = keep_aside(key, other.value, other.version); !kept) return kept;
    Batch batch;
    add_copy(batch, pointer, copy, key, value);
    if (auto able = use(*store); !able) return able;
    if (auto written = write_copies(*store, batch, Durable::no); !written) return written;
    ++repaired_;
    // Writers of blocks take no lock: what one of them has replaced meanwhile goes again.
    current = named(key, pointer.version, copy.store, there);
    if (current && *current) continue;
    Batch removal;
    add_removal(removal, pointer, copy, key);
    if (!write_copies(*store, removal, Durable::no)) store->sweeps.ask();
    return StorageErrc::not_found;
  }
  return {};
}

Result<std::vector<FoundCopy>> RouterImpl::get_all(Bytes key) {
  const auto lock = enter();
  if (!opened_) return StorageErrc::closed;
  auto record = root_record(key);
  if (!record) return record.error();
  if (!*record) return StorageErrc::not_found;
  const auto entry = decode_entry(**record);
  if (!entry) return entry.error();
  std::vector<FoundCopy> out;
  if (!entry->pointer) {
    out.push_back({.store = std::string(root_label),
                   .version = 0,
                   .current = true,
                   .value = to_buffer(entry->inline_value)});
  } else {
    for (std::size_t at = 0; at < entry->pointer->copies.size(); ++at)
      if (auto found = found_copies(key, *entry->pointer, at))
        out.insert(out.end(), std::make_move_iterator(found->begin()), std::make_move_iterator(found->end()));
  }
  const Buffer first = aside_key(key, 0);
  auto aside = root_.iterate({.gte = first, .lte = aside_key(key, UINT64_MAX)});
  if (!aside) return aside.error();
  for (;;) {
    const auto more = (*aside)->next();
    if (!more) return more.error();
    if (!*more) break;
    std::uint64_t version = 0;
    for (const std::byte byte : (*aside)->key().last(8))
      version = version << 8 | std::to_integer<std::uint64_t>(byte);
    out.push_back({.store = std::string(root_label),
                   .version = version,
                   .current = false,
                   .value = to_buffer((*aside)->value())});
  }
  if (out.empty()) return StorageErrc::damaged;
  return out;
}

}  // namespace sheaf
