#include "storage/key_schema.hpp"

#include <algorithm>

#include "sheaf/protocol/invariant.hpp"

namespace sheaf::keys {
namespace {

// First bytes. Frozen: they are on disk.
constexpr std::uint8_t store_records = 0x01;
constexpr std::uint8_t core_records = 0x02;
constexpr std::uint8_t names = 0x03;
constexpr std::uint8_t unsynced_marks = 0x04;
constexpr std::uint8_t erasing_marks = 0x05;
constexpr std::uint8_t core_state = 0x10;
constexpr std::uint8_t block_values = 0x20;
constexpr std::uint8_t application_values = 0x30;

// Kinds of a core's state. Frozen as well.
enum class State : std::uint8_t { manifest, head, held, sweep, page, node, conflict };

Key state(CoreId core, State kind) {
  return Key().u8(core_state).u32(core.value).u8(static_cast<std::uint8_t>(kind));
}

Key blocks_of(CoreId core) { return Key().u8(block_values).u32(core.value); }

// The first key that does not begin as `core_key` does, which ends in an id of 4 bytes.
Key after_core(std::uint8_t first, CoreId core) {
  return core.value == UINT32_MAX ? Key().u8(first + 1) : Key().u8(first).u32(core.value + 1);
}

std::uint64_t big_endian(Bytes bytes) {
  std::uint64_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::uint64_t>(byte);
  return value;
}

}  // namespace

Key& Key::raw(Bytes bytes) {
  invariant(size_ + bytes.size() <= bytes_.size(), "a stored key fits its buffer");
  std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
  size_ += bytes.size();
  return *this;
}

Key& Key::u8(std::uint8_t value) {
  const std::byte byte{value};
  return raw({&byte, 1});
}

Key& Key::u32(std::uint32_t value) {
  std::array<std::byte, 4> bytes;
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(value >> (24 - 8 * i));
  return raw(bytes);
}

Key& Key::u64(std::uint64_t value) {
  std::array<std::byte, 8> bytes;
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(value >> (56 - 8 * i));
  return raw(bytes);
}

Key format() { return Key().u8(store_records).u8(0); }
Key next_core_id() { return Key().u8(store_records).u8(1); }
Key identity() { return Key().u8(store_records).u8(2); }
Key primary_key() { return Key().u8(store_records).u8(3); }
Key core_record(const DiscoveryKey& key) { return Key().u8(core_records).raw(key.bytes()); }
Key core_name(std::string_view name) { return Key().u8(names).raw(as_bytes(name)); }
Key unsynced(CoreId core) { return Key().u8(unsynced_marks).u32(core.value); }
Key erasing(CoreId core) { return Key().u8(erasing_marks).u32(core.value); }

Key manifest(CoreId core) { return state(core, State::manifest); }
Key head(CoreId core) { return state(core, State::head); }
Key held(CoreId core) { return state(core, State::held); }
Key sweep(CoreId core) { return state(core, State::sweep); }
Key page(CoreId core, std::uint64_t page) { return state(core, State::page).u64(page); }
Key node(CoreId core, TreeIndex index) { return state(core, State::node).u64(index.value); }
Key conflict(CoreId core) { return state(core, State::conflict); }
Key block(CoreId core, BlockIndex index) { return blocks_of(core).u64(index.value); }

Span all_records() { return {Key().u8(core_records), Key().u8(core_records + 1)}; }
Span all_unsynced() { return {Key().u8(unsynced_marks), Key().u8(unsynced_marks + 1)}; }
Span all_erasing() { return {Key().u8(erasing_marks), Key().u8(erasing_marks + 1)}; }

Span all_state(CoreId core) { return {Key().u8(core_state).u32(core.value), after_core(core_state, core)}; }

Span pages_from(CoreId core, std::uint64_t first) { return {page(core, first), state(core, State::node)}; }

Span nodes_from(CoreId core, TreeIndex first) { return {node(core, first), conflict(core)}; }

Span blocks(CoreId core, BlockIndex begin, BlockIndex end) { return {block(core, begin), block(core, end)}; }

Span all_blocks(CoreId core) { return {blocks_of(core), after_core(block_values, core)}; }

Span all_values() { return {Key().u8(application_values), Key().u8(application_values + 1)}; }

Traits traits_of(Bytes key) {
  Traits out{.role = Traits::Role::state};
  if (key.empty()) return out;
  const auto kind = std::to_integer<std::uint8_t>(key.front());
  if (kind == application_values) out.role = Traits::Role::value;
  if (kind == block_values) {
    out.role = Traits::Role::block;
    if (key.size() > 4) out.core = CoreId{static_cast<std::uint32_t>(big_endian(key.subspan(1, 4)))};
  }
  return out;
}

std::uint64_t last_u64(Bytes key) {
  invariant(key.size() >= 8, "the key ends in an index");
  return big_endian(key.last(8));
}

std::uint32_t last_u32(Bytes key) {
  invariant(key.size() >= 4, "the key ends in an id");
  return static_cast<std::uint32_t>(big_endian(key.last(4)));
}

}  // namespace sheaf::keys
