#include "storage/core_table.hpp"

#include <algorithm>

#include "protocol/codec.hpp"
#include "storage/key_schema.hpp"
#include "storage/sweep.hpp"

namespace sheaf {
namespace {

// Records of version 1 have no kind and no partner: they are bare cores. An update writes version 2.
constexpr std::uint8_t record_version = 2;
constexpr Traits record_traits{.role = Traits::Role::state, .core = std::nullopt, .size = 0};

enum Flag : std::uint8_t {
  flag_followed = 1,
  flag_private = 2,
  flag_frozen = 4,
  flag_forgotten = 8,
  flag_secret_key = 16,
  flag_encryption_key = 32,
  flag_partner = 64,
};

// A buffer that holds secrets for a moment.
struct Wiped {
  Buffer bytes;
  ~Wiped() { wipe(bytes); }
};

void encode(const CoreRecord& record, Buffer& bytes) {
  bytes.reserve(512);  // never grows, so that no copy of a secret is left behind
  Writer out(bytes);
  out.u8(record_version);
  out.u8(static_cast<std::uint8_t>(
      (record.followed ? flag_followed : 0) | (record.is_private ? flag_private : 0) |
      (record.frozen ? flag_frozen : 0) | (record.forgotten ? flag_forgotten : 0) |
      (record.secret_key ? flag_secret_key : 0) | (record.encryption_key ? flag_encryption_key : 0) |
      (record.partner ? flag_partner : 0)));
  out.u8(static_cast<std::uint8_t>(record.kind));
  out.u32(record.id.value);
  out.fixed(record.key);
  out.text(record.name);
  if (record.secret_key) out.raw(record.secret_key->bytes());
  if (record.encryption_key) out.raw(record.encryption_key->bytes());
  if (record.partner) out.fixed(*record.partner);
}

std::array<std::byte, 4> encode_u32(std::uint32_t value) {
  std::array<std::byte, 4> out;
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::byte>(value >> (8 * i));
  return out;
}

// Nothing where the record is missing.
Result<std::optional<std::uint32_t>> read_u32(Backend& backend, const keys::Key& key) {
  Buffer bytes;
  if (auto got = backend.get(key, bytes); !got) {
    if (got.error() == StorageErrc::not_found) return std::optional<std::uint32_t>();
    return got.error();
  }
  Reader in(bytes);
  const std::uint32_t value = in.u32();
  if (!in.ok() || !in.at_end()) return StorageErrc::damaged;
  return std::optional(value);
}

Result<bool> failed(const Error& error) { return {boost::system::in_place_error, error}; }

}  // namespace

Result<CoreRecord> decode_core_record(const DiscoveryKey& key, Bytes bytes) {
  Reader in(bytes);
  CoreRecord record;
  const std::uint8_t version = in.u8();
  if (version == 0 || version > record_version) return StorageErrc::damaged;
  const std::uint8_t flags = in.u8();
  const std::uint8_t kind = version > 1 ? in.u8() : 0;
  if (kind > static_cast<std::uint8_t>(CoreKind::archive_blobs)) return StorageErrc::damaged;
  record.kind = static_cast<CoreKind>(kind);
  record.id = {in.u32()};
  record.key = in.fixed<CoreKey>();
  record.discovery_key = key;
  record.name = in.text();
  if (flags & flag_secret_key) record.secret_key = in.fixed<SecretKey>();
  if (flags & flag_encryption_key) record.encryption_key = in.fixed<EncryptionKey>();
  if (flags & flag_partner) record.partner = in.fixed<CoreKey>();
  record.followed = flags & flag_followed;
  record.is_private = flags & flag_private;
  record.frozen = flags & flag_frozen;
  record.forgotten = flags & flag_forgotten;
  if (!in.ok() || !in.at_end()) return StorageErrc::damaged;
  return record;
}

CoreTable::CoreTable(Backend& root, Backend& blocks, std::string boot_id)
    : root_(root), blocks_(blocks), boot_id_(std::move(boot_id)) {}

Result<void> CoreTable::open() {
  const std::lock_guard lock(changing_);
  if (auto known = check_format(); !known) return known;

  std::vector<CoreId> erasing;
  const keys::Span span = keys::all_erasing();
  {
    auto cursor = root_.iterate({.gte = span.first, .lt = span.end, .keys_only = true});
    if (!cursor) return cursor.error();
    for (;;) {
      const auto more = (*cursor)->next();
      if (!more) return more.error();
      if (!*more) break;
      erasing.push_back({keys::last_u32((*cursor)->key())});
    }
  }
  for (const CoreId core : erasing)
    if (auto erased = erase(core); !erased) return erased;
  return {};
}

Result<void> CoreTable::check_format() {
  auto format = read_u32(root_, keys::format());
  if (!format) return format.error();
  if (*format && **format > store_format) return StorageErrc::newer_format;
  if (*format && **format == store_format) return {};
  // An older format is migrated here, step by step, before its number is raised; there is none before 1.
  // Format 1 had records of version 1 alone, which are read as they are.
  if (*format && **format < 1) return StorageErrc::damaged;
  return root_.put(keys::format(), encode_u32(store_format), record_traits, Durable::yes);
}

Result<std::optional<CoreRecord>> CoreTable::find(const DiscoveryKey& key) {
  Wiped stored;
  if (auto got = root_.get(keys::core_record(key), stored.bytes); !got) {
    if (got.error() == StorageErrc::not_found) return std::optional<CoreRecord>();
    return got.error();
  }
  auto record = decode_core_record(key, stored.bytes);
  if (!record) return record.error();
  return std::optional(std::move(*record));
}

Result<std::optional<CoreRecord>> CoreTable::find(std::string_view name) {
  if (name.empty() || name.size() > keys::name_bytes_most) return std::optional<CoreRecord>();
  Buffer stored;
  if (auto got = root_.get(keys::core_name(name), stored); !got) {
    if (got.error() == StorageErrc::not_found) return std::optional<CoreRecord>();
    return got.error();
  }
  if (stored.size() != DiscoveryKey::size) return StorageErrc::damaged;
  return find(DiscoveryKey::from(stored));
}

Result<CoreId> CoreTable::next_id() {
  auto next = read_u32(root_, keys::next_core_id());
  if (!next) return next.error();
  const std::uint32_t id = std::max(next->value_or(1), reserved_);
  if (id == UINT32_MAX) return StorageErrc::full;
  reserved_ = id + 1;
  return CoreId{id};
}

Result<CoreId> CoreTable::reserve_id() {
  const std::lock_guard lock(changing_);
  return next_id();
}

Result<CoreRecord> CoreTable::add(CoreRecord record) {
  if (record.name.size() > keys::name_bytes_most) return StorageErrc::too_large;
  const std::lock_guard lock(changing_);
  auto known = find(record.discovery_key);
  if (!known) return known.error();
  if (*known && !(*known)->forgotten) return StorageErrc::exists;
  if (!record.name.empty()) {
    auto taken = find(record.name);
    if (!taken) return taken.error();
    if (*taken) return StorageErrc::exists;
  }
  const auto stored_next = read_u32(root_, keys::next_core_id());
  if (!stored_next) return stored_next.error();
  if (record.id == CoreId{} || record.id.value >= reserved_) {
    auto fresh = next_id();
    if (!fresh) return fresh.error();
    record.id = *fresh;
  }
  record.forgotten = false;

  Wiped stored;
  encode(record, stored.bytes);
  Batch batch;
  batch.put(keys::core_record(record.discovery_key), stored.bytes, record_traits);
  const std::uint32_t next = std::max(record.id.value + 1, stored_next->value_or(1));
  batch.put_copy(keys::next_core_id(), encode_u32(next), record_traits);
  if (!record.name.empty())
    batch.put(keys::core_name(record.name), record.discovery_key.bytes(), record_traits);
  if (auto written = root_.write(batch, Durable::yes); !written) return written.error();
  return record;
}

Result<void> CoreTable::update(const CoreRecord& record) {
  const std::lock_guard lock(changing_);
  auto known = find(record.discovery_key);
  if (!known) return known.error();
  if (!*known || (*known)->forgotten) return StorageErrc::not_found;
  CoreRecord changed = record;
  changed.id = (*known)->id;
  changed.key = (*known)->key;
  changed.name = (*known)->name;
  changed.forgotten = false;
  Wiped stored;
  encode(changed, stored.bytes);
  return root_.put(keys::core_record(record.discovery_key), stored.bytes, record_traits, Durable::yes);
}

Result<void> CoreTable::forget(const DiscoveryKey& key) {
  const std::lock_guard lock(changing_);
  auto known = find(key);
  if (!known) return known.error();
  if (!*known || (*known)->forgotten) return StorageErrc::not_found;
  CoreRecord mark;
  mark.id = (*known)->id;
  mark.key = (*known)->key;
  mark.discovery_key = key;
  mark.forgotten = true;
  Buffer stored;
  encode(mark, stored);
  Batch batch;
  batch.put(keys::core_record(key), stored, record_traits);
  batch.put_copy(keys::erasing(mark.id), {}, record_traits);
  batch.del(keys::unsynced(mark.id), record_traits);
  if (!(*known)->name.empty()) batch.del(keys::core_name((*known)->name), record_traits);
  if (auto written = root_.write(batch, Durable::yes); !written) return written;
  marked_.erase(mark.id);
  return erase(mark.id);
}

Result<void> CoreTable::erase(CoreId core) {
  if (auto done = delete_span(blocks_, keys::all_blocks(core), {.role = Traits::Role::block}); !done)
    return done;
  if (auto done = delete_span(root_, keys::all_state(core), record_traits); !done) return done;
  // The mark goes last, and not before the deletions in another store are safe.
  if (&root_ != &blocks_)
    if (auto synced = blocks_.sync(); !synced) return synced;
  return delete_one(root_, keys::erasing(core), record_traits, Durable::no);
}

Result<std::optional<CoreRecord>> CoreTable::Walk::next() {
  const auto more = cursor_->next();
  if (!more) return more.error();
  if (!*more) return std::optional<CoreRecord>();
  const Bytes key = cursor_->key();
  if (key.size() != 1 + DiscoveryKey::size) return StorageErrc::damaged;
  auto record = decode_core_record(DiscoveryKey::from(key.subspan(1)), cursor_->value());
  if (!record) return record.error();
  return std::optional(std::move(*record));
}

Result<CoreTable::Walk> CoreTable::list() {
  const keys::Span span = keys::all_records();
  auto cursor = root_.iterate({.gte = span.first, .lt = span.end});
  if (!cursor) return cursor.error();
  return Walk(std::move(*cursor));
}

Result<std::optional<Buffer>> CoreTable::mark_of(CoreId core) {
  Buffer mark;
  if (auto got = root_.get(keys::unsynced(core), mark); !got) {
    if (got.error() == StorageErrc::not_found) return std::optional<Buffer>();
    return got.error();
  }
  return std::optional(std::move(mark));
}

Result<void> CoreTable::mark_unsynced(CoreId core) {
  const std::lock_guard lock(changing_);
  if (marked_.contains(core)) return {};
  auto mark = mark_of(core);
  if (!mark) return mark.error();
  // A foreign mark stays: it says more than ours would.
  if (!*mark) {
    const Bytes boot = as_bytes(boot_id_);
    if (auto done = root_.put(keys::unsynced(core), boot, record_traits, Durable::yes); !done) return done;
  }
  marked_.insert(core);
  return {};
}

Result<void> CoreTable::mark_synced(CoreId core) {
  const std::lock_guard lock(changing_);
  if (&root_ != &blocks_)
    if (auto synced = blocks_.sync(); !synced) return synced;
  auto mark = mark_of(core);
  if (!mark) return mark.error();
  marked_.erase(core);
  if (!*mark || as_text(**mark) != boot_id_) return root_.sync();
  if (auto synced = root_.sync(); !synced) return synced;
  return delete_one(root_, keys::unsynced(core), record_traits, Durable::yes);
}

Result<bool> CoreTable::needs_recovery(CoreId core) {
  auto mark = mark_of(core);
  if (!mark) return failed(mark.error());
  return *mark && as_text(**mark) != boot_id_;
}

Result<bool> CoreTable::unclean_restart() {
  const keys::Span span = keys::all_unsynced();
  auto cursor = root_.iterate({.gte = span.first, .lt = span.end});
  if (!cursor) return failed(cursor.error());
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more || !*more) return more;
    if (as_text((*cursor)->value()) != boot_id_) return true;
  }
}

Result<void> CoreTable::recovered(CoreId core) {
  const std::lock_guard lock(changing_);
  marked_.erase(core);
  if (&root_ != &blocks_)
    if (auto synced = blocks_.sync(); !synced) return synced;
  if (auto synced = root_.sync(); !synced) return synced;
  return delete_one(root_, keys::unsynced(core), record_traits, Durable::yes);
}

Result<void> CoreTable::mark_foreign(CoreId core) {
  const std::lock_guard lock(changing_);
  return root_.put(keys::unsynced(core), as_bytes("elsewhere"), record_traits, Durable::yes);
}

Result<std::optional<Seed>> CoreTable::secret_at(Bytes key) {
  Wiped stored;
  if (auto got = root_.get(key, stored.bytes); !got) {
    if (got.error() == StorageErrc::not_found) return std::optional<Seed>();
    return got.error();
  }
  if (stored.bytes.size() != Seed::size) return StorageErrc::damaged;
  return std::optional(Seed::from(stored.bytes));
}

Result<std::optional<Seed>> CoreTable::identity() { return secret_at(keys::identity()); }

Result<void> CoreTable::set_identity(const Seed& seed) {
  return root_.put(keys::identity(), seed.bytes(), record_traits, Durable::yes);
}

Result<std::optional<Seed>> CoreTable::primary_key() { return secret_at(keys::primary_key()); }

Result<void> CoreTable::set_primary_key(const Seed& key) {
  return root_.put(keys::primary_key(), key.bytes(), record_traits, Durable::yes);
}

Result<void> CoreTable::erase_primary_key() {
  Batch batch;
  batch.del(keys::primary_key(), record_traits);
  return root_.write(batch, Durable::yes);
}

}  // namespace sheaf
