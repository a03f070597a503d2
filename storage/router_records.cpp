#include "storage/router_records.hpp"

#include <algorithm>
#include <array>

#include "protocol/codec.hpp"
#include "sheaf/storage/error.hpp"
#include "storage/xxh3.hpp"

namespace sheaf::router_records {
namespace {

constexpr std::uint8_t reversed_pointer_version = 1;
constexpr std::uint8_t block_pointer_version = 2;
constexpr std::uint8_t recorded_pointer_version = 3;
constexpr std::uint8_t pointer_version = 4;
constexpr std::uint8_t copy_record_version = 1;
constexpr std::uint8_t journal_version = 1;
constexpr std::uint8_t remade_version = 1;

// What is added to the key later has room already, as in all that is encoded here: a put makes a dozen of
// these.
Buffer key_of(Bytes head, std::size_t more) {
  Buffer key;
  key.reserve(head.size() + more);
  append(key, head);
  return key;
}

Buffer key_of(std::initializer_list<std::uint8_t> head, std::size_t more) {
  return key_of(std::as_bytes(std::span(head.begin(), head.size())), more);
}

void add_big_endian(Buffer& to, std::uint64_t value, std::size_t bytes) {
  std::array<std::byte, sizeof value> all;
  for (std::size_t i = all.size(); i-- > 0; value >>= 8) all[i] = static_cast<std::byte>(value);
  append(to, Bytes(all).last(bytes));
}

std::uint64_t read_big_endian(Bytes bytes) {
  std::uint64_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::uint64_t>(byte);
  return value;
}

Bytes prefix_of(CopyName::Kind kind) {
  switch (kind) {
    case CopyName::Kind::block: return block_copy_prefix;
    case CopyName::Kind::value: return value_copy_prefix;
    case CopyName::Kind::record: return copy_record_prefix;
  }
  return {};
}

}  // namespace

Checksum Checksum::from(Bytes bytes) {
  Checksum out;
  std::copy_n(bytes.begin(), size, out.value.begin());
  return out;
}

Salt Salt::from(Bytes bytes) {
  Salt out;
  std::copy_n(bytes.begin(), size, out.value.begin());
  return out;
}

Checksum checksum_of(Bytes bytes) { return Checksum::from(xxh3_128_digest(bytes)); }

Buffer encode_pointer(const Pointer& pointer) {
  constexpr std::size_t fixed_bytes = 56, copy_bytes = 20;
  Buffer bytes;
  bytes.reserve(fixed_bytes + copy_bytes * pointer.copies.size());
  Writer out(bytes);
  out.u8(pointer.block      ? block_pointer_version
         : pointer.reversed ? reversed_pointer_version
         : pointer.recorded ? recorded_pointer_version
                            : pointer_version);
  out.uint(pointer.version);
  out.uint(pointer.length);
  if (!pointer.block) out.fixed(pointer.checksum);
  if (!pointer.block && !pointer.recorded) out.fixed(pointer.salt);
  out.uint(pointer.copies.size());
  for (const CopyAt& copy : pointer.copies) {
    out.u16(copy.store);
    if (pointer.recorded) out.buffer(copy.key);
  }
  bytes.push_back(pointer_mark);
  return bytes;
}

Result<Entry> decode_entry(Bytes record) {
  if (record.empty()) return StorageErrc::damaged;
  const Bytes content = record.first(record.size() - 1);
  if (record.back() == inline_mark) return Entry{.pointer = std::nullopt, .inline_value = content};
  if (record.back() != pointer_mark) return StorageErrc::damaged;
  Reader in(content);
  Pointer pointer;
  const std::uint8_t kind = in.u8();
  if (kind < reversed_pointer_version || kind > pointer_version) return StorageErrc::damaged;
  pointer.block = kind == block_pointer_version;
  pointer.reversed = kind == reversed_pointer_version;
  pointer.recorded = pointer.reversed || kind == recorded_pointer_version;
  pointer.version = in.uint();
  pointer.length = in.uint();
  if (!pointer.block) pointer.checksum = in.fixed<Checksum>();
  if (kind == pointer_version) pointer.salt = in.fixed<Salt>();
  pointer.copies.resize(in.count(pointer.recorded ? 3 : 2));
  for (CopyAt& copy : pointer.copies) {
    copy.store = in.u16();
    if (!pointer.recorded) continue;
    copy.key = to_buffer(in.buffer());
    if (copy.key.empty()) return StorageErrc::damaged;
  }
  if (!in.ok() || !in.at_end() || pointer.copies.empty()) return StorageErrc::damaged;
  return Entry{.pointer = std::move(pointer), .inline_value = {}};
}

Buffer encode_copy_record(Bytes outer_key, std::uint64_t length, const Checksum& checksum) {
  constexpr std::size_t fixed_bytes = 1 + Checksum::size + 9;
  Buffer bytes;
  bytes.reserve(fixed_bytes + outer_key.size());
  Writer out(bytes);
  out.u8(copy_record_version);
  out.fixed(checksum);
  out.uint(length);
  out.raw(outer_key);
  return bytes;
}

Result<CopyRecord> decode_copy_record(Bytes bytes) {
  Reader in(bytes);
  CopyRecord record;
  if (in.u8() != copy_record_version) return StorageErrc::damaged;
  record.checksum = in.fixed<Checksum>();
  record.length = in.uint();
  record.outer_key = to_buffer(in.raw_rest());
  if (!in.ok() || record.outer_key.empty()) return StorageErrc::damaged;
  return record;
}

Buffer encode_journal(const Journal& journal) {
  std::size_t size = 16;
  for (const Journal::Before& before : journal.before)
    size += 16 + before.key.size() + (before.record ? before.record->size() : 0);
  Buffer bytes;
  bytes.reserve(size);
  Writer out(bytes);
  out.u8(journal_version);
  out.boolean(journal.verify);
  out.uint(journal.before.size());
  for (const Journal::Before& before : journal.before) {
    out.buffer(before.key);
    out.boolean(before.record.has_value());
    if (before.record) out.buffer(*before.record);
  }
  return bytes;
}

Result<Journal> decode_journal(Bytes bytes) {
  Reader in(bytes);
  Journal journal;
  if (in.u8() != journal_version) return StorageErrc::damaged;
  journal.verify = in.boolean();
  journal.before.resize(in.count(2));
  for (Journal::Before& before : journal.before) {
    before.key = to_buffer(in.buffer());
    if (in.boolean()) before.record = to_buffer(in.buffer());
    if (before.key.empty()) return StorageErrc::damaged;
  }
  if (!in.ok() || !in.at_end()) return StorageErrc::damaged;
  return journal;
}

Buffer encode_remade(const RemadeUpTo& remade) {
  Buffer bytes;
  Writer out(bytes);
  out.u8(remade_version);
  out.u16(remade.store);
  out.buffer(remade.name);
  out.uint(remade.copies);
  out.uint(remade.values);
  return bytes;
}

Result<RemadeUpTo> decode_remade(Bytes bytes) {
  Reader in(bytes);
  RemadeUpTo remade;
  if (in.u8() != remade_version) return StorageErrc::damaged;
  remade.store = in.u16();
  remade.name = to_buffer(in.buffer());
  remade.copies = in.uint();
  remade.values = in.uint();
  if (!in.ok() || !in.at_end()) return StorageErrc::damaged;
  return remade;
}

Buffer format_key() { return key_of({0, 0}, 0); }
Buffer reserved_key() { return key_of({0, 1}, 0); }
Buffer remade_key() { return key_of({0, 5}, 0); }

Buffer label_key(StoreNumber store) {
  Buffer key = key_of({0, 2}, 2);
  add_big_endian(key, store, 2);
  return key;
}

Buffer settled_key(StoreNumber store) {
  Buffer key = key_of({0, 3}, 2);
  add_big_endian(key, store, 2);
  return key;
}

Buffer joined_key(StoreNumber store) {
  Buffer key = key_of({0, 4}, 2);
  add_big_endian(key, store, 2);
  return key;
}

Buffer entry_key(Bytes outer_key) {
  Buffer key = key_of({1}, outer_key.size());
  append(key, outer_key);
  return key;
}

Buffer reverse_key(StoreNumber store, Bytes copy_key) {
  Buffer key = key_of({2}, 2 + copy_key.size());
  add_big_endian(key, store, 2);
  append(key, copy_key);
  return key;
}

Buffer journal_key(std::uint64_t version) {
  Buffer key = key_of({3}, 8);
  add_big_endian(key, version, 8);
  return key;
}

Buffer aside_key(Bytes outer_key, std::uint64_t version) {
  Buffer key = key_of({4}, 10 + outer_key.size());
  add_big_endian(key, outer_key.size(), 2);
  append(key, outer_key);
  add_big_endian(key, version, 8);
  return key;
}

Buffer copy_record_key(std::uint64_t version, Bytes copy_key) {
  Buffer key = key_of(copy_record_prefix, 8 + copy_key.size());
  add_big_endian(key, version, 8);
  append(key, copy_key);
  return key;
}

Buffer copy_key(const Pointer& pointer, const CopyAt& copy, Bytes outer_key) {
  if (pointer.recorded) return copy.key;
  const CopyName::Kind kind = pointer.block ? CopyName::Kind::block : CopyName::Kind::value;
  Buffer key = key_of(prefix_of(kind), 16 + Checksum::size + outer_key.size());
  add_big_endian(key, pointer.version, 8);
  if (!pointer.block) {
    append(key, pointer.salt.bytes());
    append(key, pointer.checksum.bytes());
  }
  append(key, outer_key);
  return key;
}

std::optional<std::uint64_t> version_of_old_copy(Bytes copy_key) {
  if (copy_key.size() != 16 || copy_key[0] != std::byte{1}) return std::nullopt;
  return read_big_endian(copy_key.subspan(1, 7));
}

Buffer past(Bytes prefix) {
  Buffer key = to_buffer(prefix);
  key.back() = static_cast<std::byte>(std::to_integer<unsigned>(key.back()) + 1);
  return key;
}

std::optional<CopyName> name_of_copy(Bytes key) {
  using Kind = CopyName::Kind;
  constexpr std::size_t head = 2 + 8, value_head = head + Salt::size + Checksum::size;
  for (const Kind kind : {Kind::block, Kind::value, Kind::record}) {
    const std::size_t fixed = kind == Kind::value ? value_head : head;
    if (key.size() <= fixed || !equal(key.first(2), prefix_of(kind))) continue;
    CopyName name;
    name.kind = kind;
    name.version = read_big_endian(key.subspan(2, 8));
    if (kind == Kind::value) {
      name.salt = Salt::from(key.subspan(head, Salt::size));
      name.checksum = Checksum::from(key.subspan(head + Salt::size, Checksum::size));
    }
    (kind == Kind::record ? name.old_copy : name.outer_key) = key.subspan(fixed);
    return name;
  }
  return std::nullopt;
}

Buffer first_name(CopyName::Kind kind, std::uint64_t version) {
  Buffer key = key_of(prefix_of(kind), 8);
  add_big_endian(key, version, 8);
  return key;
}

Buffer encode_u64(std::uint64_t value) {
  Buffer bytes;
  Writer(bytes).u64(value);
  return bytes;
}

Result<std::uint64_t> decode_u64(Bytes bytes) {
  Reader in(bytes);
  const std::uint64_t value = in.u64();
  if (!in.ok() || !in.at_end()) return StorageErrc::damaged;
  return value;
}

}  // namespace sheaf::router_records
