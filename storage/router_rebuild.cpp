// A lost root made again from what the copies say of themselves, a page of a store after the other. Each page
// of pointers goes into the root in one write with the place where it ended, so that a restart goes on there;
// the last one makes it a root again.
#include <algorithm>

#include "storage/router_impl.hpp"

namespace sheaf {

using namespace router_records;

namespace {

// What a page reads of the copies at most, and one copy more.
constexpr std::size_t page_bytes_most = 8 * 1024 * 1024;

// What a name in a store, or an old copy's record, says of a copy.
struct CopyToName {
  Buffer copy;
  Buffer outer_key;
  Pointer pointer;  // without length and copies
};

bool is_one_put(const Pointer& one, const Pointer& other) {
  return one.version == other.version && one.checksum == other.checksum && one.recorded == other.recorded &&
         equal(one.salt.bytes(), other.salt.bytes());
}

// What is not there, or not readable, is no copy.
bool is_no_copy(const Error& error) {
  return error == StorageErrc::not_found || error == StorageErrc::damaged;
}

Result<std::optional<CopyToName>> copy_of_name(RouterPort& port, Bytes key) {
  const auto name = name_of_copy(key);
  if (!name || name->kind == CopyName::Kind::block) return std::optional<CopyToName>();
  CopyToName out;
  out.pointer.version = name->version;
  if (name->kind == CopyName::Kind::value) {
    out.copy = to_buffer(key);
    out.outer_key = to_buffer(name->outer_key);
    out.pointer.checksum = name->checksum;
    out.pointer.salt = name->salt;
    return std::optional(std::move(out));
  }
  Buffer bytes;
  if (auto got = port.get(key, bytes, Checked::yes); !got) {
    if (is_no_copy(got.error())) return std::optional<CopyToName>();
    return got.error();
  }
  auto record = decode_copy_record(bytes);
  if (!record) return std::optional<CopyToName>();
  out.copy = to_buffer(name->old_copy);
  out.outer_key = std::move(record->outer_key);
  out.pointer.checksum = record->checksum;
  out.pointer.recorded = true;
  return std::optional(std::move(out));
}

}  // namespace

// A page while it is made.
struct RouterImpl::Remaking {
  RemadeUpTo up_to;
  std::uint64_t copies_most = 0;         // in all pages
  std::map<Buffer, Pointer> pointers{};  // by outer key
  std::size_t read = 0;                  // bytes of copies
  std::size_t bytes = 0;                 // of the root's write, about

  bool full(const StoreLimits& root) const {
    return up_to.copies >= copies_most || read >= page_bytes_most || bytes >= root.batch_bytes / 2 ||
           pointers.size() + 8 > root.batch_operations;
  }
};

Result<RebuildReport> RouterImpl::rebuild_root(std::size_t most) {
  const std::shared_lock lock(open_);
  if (!opened_) return StorageErrc::closed;
  const std::lock_guard remaking(remaking_);
  if (!rebuilding_) return StorageErrc::exists;
  auto up_to = remade_up_to();
  if (!up_to) return up_to.error();
  Remaking page{.up_to = std::move(*up_to)};
  page.copies_most = page.up_to.copies + std::max<std::size_t>(most, 1);

  bool done = true;
  for (auto at = by_number_.lower_bound(page.up_to.store); at != by_number_.end() && done; ++at) {
    if (at->first != page.up_to.store) page.up_to.name.clear();
    page.up_to.store = at->first;
    auto ended = remake_pointers(*at->second, page);
    if (!ended) {
      note(at->second->label() + ": " + at->second->trouble());
      return ended.error();
    }
    done = *ended;
  }
  if (auto written = write_remade(page, done); !written) return written.error();
  return RebuildReport{.copies = page.up_to.copies, .values = page.up_to.values, .done = done};
}

Result<RemadeUpTo> RouterImpl::remade_up_to() {
  Buffer bytes;
  if (auto got = root_.get(remade_key(), bytes); got)
    return decode_remade(bytes);
  else if (got.error() != StorageErrc::not_found)
    return got.error();
  return RemadeUpTo{};
}

Result<void> RouterImpl::write_remade(const Remaking& page, bool done) {
  Batch batch;
  for (const auto& [outer, pointer] : page.pointers)
    batch.put_copy(entry_key(outer), encode_pointer(pointer));
  const std::lock_guard committing(committing_);
  if (!done) {
    batch.put_copy(remade_key(), encode_remade(page.up_to));
    return root_.write(batch, Durable::no);
  }
  batch.del(remade_key());
  // What no pointer names may be another router's, so it is for a check to say, and for a repair to remove.
  const std::uint64_t next = lowest_in_flight();
  for (const auto& port : ports_) {
    port->settled = next;
    batch.put_copy(settled_key(port->number), encode_u64(next));
  }
  if (auto written = write_format(batch); !written) return written;
  rebuilding_ = false;
  return {};
}

// Whether the end of the store was reached.
Result<bool> RouterImpl::remake_pointers(RouterPort& port, Remaking& page) {
  const auto failed = [](const Error& error) -> Result<bool> {
    return {boost::system::in_place_error, error};
  };
  const Buffer begin = page.up_to.name.empty() ? to_buffer(value_copy_prefix) : page.up_to.name;
  auto cursor = port.iterate(page.up_to.name.empty()
                                 ? KeyRange{.gte = begin, .lt = past(copy_record_prefix), .keys_only = true}
                                 : KeyRange{.gt = begin, .lt = past(copy_record_prefix), .keys_only = true});
  if (!cursor) return failed(cursor.error());
  while (!page.full(root_.limits())) {
    const auto more = (*cursor)->next();
    if (!more) return failed(more.error());
    if (!*more) return true;
    const Bytes name = (*cursor)->key();
    if (auto made = remake_pointer(port, name, page); !made) return failed(made.error());
    page.up_to.name = to_buffer(name);
    ++page.up_to.copies;
  }
  return false;
}

// Copies of one key and version belong together; the highest version of a key is its value.
Result<void> RouterImpl::remake_pointer(RouterPort& port, Bytes name, Remaking& page) {
  auto copy = copy_of_name(port, name);
  if (!copy) return copy.error();
  if (!*copy) return {};
  Buffer value;
  if (auto got = port.get((*copy)->copy, value, Checked::yes); !got)
    return is_no_copy(got.error()) ? Result<void>() : got;
  page.read += value.size();
  Pointer& named = (*copy)->pointer;
  if (checksum_of(value) != named.checksum) return {};

  auto at = page.pointers.find((*copy)->outer_key);
  if (at == page.pointers.end()) {
    const auto record = root_record((*copy)->outer_key);
    if (!record) return record.error();
    auto entry = *record ? decode_entry(**record) : Result<Entry>(Entry{});
    if (!entry) return entry.error();
    if (!entry->pointer) ++page.up_to.values;
    at = page.pointers.emplace((*copy)->outer_key, entry->pointer.value_or(Pointer{})).first;
    page.bytes += (*copy)->outer_key.size() + name.size();
  }
  Pointer& pointer = at->second;
  if (pointer.version < named.version) {
    pointer = std::move(named);
    pointer.length = value.size();
  } else if (!is_one_put(pointer, named)) {
    return {};  // replaced, or of another router
  }
  pointer.copies.push_back(
      {.store = port.number, .key = pointer.recorded ? std::move((*copy)->copy) : Buffer()});
  return {};
}

}  // namespace sheaf
