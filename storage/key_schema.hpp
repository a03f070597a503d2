// Every key that is stored, in one place. Keys sort by their bytes, so every integer is big endian.
//
//   01 ‖ 00                        format version of the store (u32)
//   01 ‖ 01                        next core id (u32)
//   01 ‖ 02                        the node's identity: an ed25519 seed
//   01 ‖ 03                        the primary key of the folder's archive: 32 random bytes
//   02 ‖ discovery key             core record (core_table.cpp)
//   03 ‖ name                      discovery key of the own core of that name
//   04 ‖ core id                   own core with unsynced appends: the boot id of the machine
//   05 ‖ core id                   core whose data is being deleted: empty
//   10 ‖ core id ‖ 00              manifest, as it is hashed
//   10 ‖ core id ‖ 01              head (core_records.cpp)
//   10 ‖ core id ‖ 02              how many blocks are held (u64)
//   10 ‖ core id ‖ 03              deletions that a large change still has to make (core_records.cpp)
//   10 ‖ core id ‖ 04 ‖ page       bitfield page: bit n of page p is block 4096 p + n, zeros at the end cut
//                                  off
//   10 ‖ core id ‖ 05 ‖ index      tree node: size (u64), hash
//   10 ‖ core id ‖ 06              that its writer signed two histories: both, as peers are shown them
//                                  (core_records.cpp)
//   20 ‖ core id ‖ index           block
//   30 ‖ key                       a value of an application (sheaf/storage/value_keys.hpp)
//
// Core ids have 4 bytes, pages and indexes 8. Nothing here is ever given another meaning: a new layout takes
// new numbers and a higher format version.
#pragma once

#include <array>
#include <string_view>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"
#include "sheaf/storage/batch.hpp"

namespace sheaf::keys {

inline constexpr std::size_t name_bytes_most = 255;

// A key on the stack.
class Key {
 public:
  Key& u8(std::uint8_t value);
  Key& u32(std::uint32_t value);
  Key& u64(std::uint64_t value);
  Key& raw(Bytes bytes);  // Requires: the whole has at most 256 bytes.
  operator Bytes() const { return Bytes(bytes_.data(), size_); }

 private:
  std::array<std::byte, name_bytes_most + 1> bytes_;
  std::size_t size_ = 0;
};

// All keys from `first` up to but not including `end`.
struct Span {
  Key first;
  Key end;
};

Key format();
Key next_core_id();
Key identity();
Key primary_key();
Key core_record(const DiscoveryKey& key);
Key core_name(std::string_view name);  // Requires: at most name_bytes_most bytes.
Key unsynced(CoreId core);
Key erasing(CoreId core);

Key manifest(CoreId core);
Key head(CoreId core);
Key held(CoreId core);
Key sweep(CoreId core);
Key page(CoreId core, std::uint64_t page);
Key node(CoreId core, TreeIndex index);
Key conflict(CoreId core);
Key block(CoreId core, BlockIndex index);

Span all_records();
Span all_unsynced();
Span all_erasing();
Span all_state(CoreId core);
Span pages_from(CoreId core, std::uint64_t page);
Span nodes_from(CoreId core, TreeIndex first);
Span blocks(CoreId core, BlockIndex begin, BlockIndex end);
Span all_blocks(CoreId core);
Span all_values();  // of applications

// What lies under a key, and of a block its core; everything but blocks and values is state.
Traits traits_of(Bytes key);

// The integer at the end of a key made by page(), node() or block(), and the id at the end of unsynced() and
// erasing(). Requires: such a key.
std::uint64_t last_u64(Bytes key);
std::uint32_t last_u32(Bytes key);

}  // namespace sheaf::keys
