// What the router writes, in the root and beside the copies. Frozen: it is on disk.
//
// In the root (integers in keys big endian):
//   00 ‖ 00                          format version (u32)
//   00 ‖ 01                          versions below this one may have been given out (u64)
//   00 ‖ 02 ‖ store                  label of the store of that number
//   00 ‖ 03 ‖ store                  versions below this one are settled in that store (u64)
//   00 ‖ 04 ‖ store                  versions below this one were in that store before it joined (u64)
//   00 ‖ 05                          how far a lost root is made again; without a format version until then
//   01 ‖ outer key                   value ‖ 00, or pointer ‖ 01
//   02 ‖ store ‖ key                 outer key: the reverse record of a value of others that is being taken
//                                    in; of what was put in format 1 also of every copy
//   03 ‖ version                     journal entry of a put that is not settled yet
//   04 ‖ size ‖ outer key ‖ version  a diverging copy that was kept aside
//
// In a store, where any key that does not begin with 0 is somebody else's:
//   00 ‖ 63 ‖ version ‖ salt ‖ checksum ‖ outer key
//                                    a copy, nothing around it. Its key is its record: it leads back to the
//                                    outer key, and vouches for the value
//   00 ‖ 62 ‖ version ‖ outer key    a copy of a value of role `block`, which the core's tree vouches for
// What was put in format 1 and 2 has instead:
//   01 ‖ version (7 bytes) ‖ random  a copy; 16 bytes in all
//   00 ‖ 72 ‖ version ‖ copy key     its record: checksum, length, outer key
//
// store: u16; version: u64; size: u16.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf::router_records {

// Roots of format 1 and 2 are read and written on; their format goes up before the first record of this one.
inline constexpr std::uint32_t format_version = 3;

// XXH3-128, canonical form.
struct Checksum {
  static constexpr std::size_t size = 16;
  std::array<std::byte, size> value{};
  Bytes bytes() const { return value; }
  static Checksum from(Bytes bytes);
  friend bool operator==(const Checksum&, const Checksum&) = default;
};
Checksum checksum_of(Bytes bytes);

// Random; tells apart the copies of routers that share a store.
struct Salt {
  static constexpr std::size_t size = 8;
  std::array<std::byte, size> value{};
  Bytes bytes() const { return value; }
  static Salt from(Bytes bytes);
};

using StoreNumber = std::uint16_t;

struct CopyAt {
  StoreNumber store{};
  Buffer key{};  // in that store, where it is `recorded`; else it follows from the pointer and the outer key
  friend bool operator==(const CopyAt&, const CopyAt&) = default;
};

struct Pointer {
  std::uint64_t version = 0;
  std::uint64_t length = 0;
  bool block = false;
  bool recorded = false;  // of format 1 and 2: a copy has a key of its own, and a record beside it
  bool reversed = false;  // of format 1: the root has reverse records of its copies
  Checksum checksum{};    // not of a block
  Salt salt{};            // nor this, which is in the keys of the copies
  std::vector<CopyAt> copies;
};

// What lies under an outer key: a pointer, or the value itself.
struct Entry {
  std::optional<Pointer> pointer;
  Bytes inline_value;  // a view into what was decoded
};

inline constexpr std::byte inline_mark{0};
inline constexpr std::byte pointer_mark{1};
inline bool is_pointer(Bytes record) { return !record.empty() && record.back() == pointer_mark; }

Buffer encode_pointer(const Pointer& pointer);  // with its mark
Result<Entry> decode_entry(Bytes record);       // damaged

// What stood beside a copy of format 1 and 2.
struct CopyRecord {
  Checksum checksum{};
  std::uint64_t length = 0;
  Buffer outer_key;
};
Buffer encode_copy_record(Bytes outer_key, std::uint64_t length, const Checksum& checksum);
Result<CopyRecord> decode_copy_record(Bytes bytes);  // damaged

// A put that is not settled: what lay under its keys before.
struct Journal {
  struct Before {
    Buffer key;
    std::optional<Buffer> record;  // the root's, mark included
  };
  bool verify = false;         // its copies may not have survived: if one is nowhere, all keys go back
  std::vector<Before> before;  // without `verify`, only entries whose copies have to go
};
Buffer encode_journal(const Journal& journal);
Result<Journal> decode_journal(Bytes bytes);  // damaged

// A lost root that is being made again: all copies are in it up to this name in this store.
struct RemadeUpTo {
  StoreNumber store = 0;
  Buffer name;
  std::uint64_t copies = 0;  // looked at
  std::uint64_t values = 0;  // that have a pointer
};
Buffer encode_remade(const RemadeUpTo& remade);
Result<RemadeUpTo> decode_remade(Bytes bytes);  // damaged

Buffer format_key();
Buffer reserved_key();
Buffer remade_key();
Buffer label_key(StoreNumber store);
Buffer settled_key(StoreNumber store);
Buffer joined_key(StoreNumber store);
Buffer entry_key(Bytes outer_key);
Buffer reverse_key(StoreNumber store, Bytes copy_key);
Buffer journal_key(std::uint64_t version);
Buffer aside_key(Bytes outer_key, std::uint64_t version);
Buffer copy_record_key(std::uint64_t version, Bytes copy_key);
// The key of a copy in its store. In the order of the puts, so that a store writes the copies next to the
// ones before: in LevelDB that saves a quarter of a put of 100 bytes (bench_stores FOLDER 100 20000000
// router-one).
Buffer copy_key(const Pointer& pointer, const CopyAt& copy, Bytes outer_key);
// The version in a key of format 1 and 2; none in others.
std::optional<std::uint64_t> version_of_old_copy(Bytes copy_key);

inline constexpr std::byte entry_prefix[] = {std::byte{1}};
inline constexpr std::byte label_prefix[] = {std::byte{0}, std::byte{2}};
inline constexpr std::byte journal_prefix[] = {std::byte{3}};
inline constexpr std::byte reserved_prefix[] = {std::byte{0}};  // in a store: not anybody else's
inline constexpr std::byte copy_record_prefix[] = {std::byte{0}, std::byte{0x72}};
inline constexpr std::byte block_copy_prefix[] = {std::byte{0}, std::byte{0x62}};
inline constexpr std::byte value_copy_prefix[] = {std::byte{0}, std::byte{0x63}};
// The first key past all that begin so. Requires: the last byte is not ff.
Buffer past(Bytes prefix);

// What a key that begins with one of these prefixes says.
struct CopyName {
  enum class Kind : std::uint8_t { block, value, record };
  Kind kind{};
  std::uint64_t version = 0;
  Checksum checksum{};  // of a value
  Salt salt{};          // of a value
  Bytes outer_key;      // of a block or value; views into the key
  Bytes old_copy;       // of a record: the key of its copy
};
std::optional<CopyName> name_of_copy(Bytes key);
// Where the names of all copies of a kind begin that were put from a version on.
Buffer first_name(CopyName::Kind kind, std::uint64_t version);

Buffer encode_u64(std::uint64_t value);
Result<std::uint64_t> decode_u64(Bytes bytes);  // damaged

}  // namespace sheaf::router_records
