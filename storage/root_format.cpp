#include "storage/root_format.hpp"

#include <array>

#include "protocol/codec.hpp"
#include "sheaf/protocol/key.hpp"
#include "storage/key_schema.hpp"
#include "storage/router_records.hpp"

namespace sheaf {
namespace {

constexpr std::size_t keys_a_write = 1'000;
constexpr std::size_t bytes_a_write = 8 * 1024 * 1024;

Result<std::uint32_t> format_of(Backend& root) {
  Buffer bytes;
  if (auto got = root.get(keys::format(), bytes); !got) {
    if (got.error() == StorageErrc::not_found) return std::uint32_t{0};
    return {boost::system::in_place_error, got.error()};
  }
  Reader in(bytes);
  const std::uint32_t format = in.u32();
  if (!in.ok() || !in.at_end() || format == 0)
    return {boost::system::in_place_error, Error(StorageErrc::damaged)};
  return format;
}

Buffer encoded(std::uint32_t format) {
  Buffer bytes;
  Writer(bytes).u32(format);
  return bytes;
}

void move_entry(Batch& batch, Bytes key, Bytes value) {
  Buffer record = to_buffer(value);
  record.push_back(router_records::inline_mark);
  batch.put_copy(router_records::entry_key(key), record);
  batch.del(key);
}

// Each write moves its keys whole, so that a migration that was cut off goes on with what is left.
Result<void> move_all(Backend& root) {
  Batch batch;
  for (const keys::Key& key : {keys::next_core_id(), keys::identity(), keys::primary_key()}) {
    Buffer value;
    const auto got = root.get(key, value);
    if (got) move_entry(batch, key, value);
    if (!got && got.error() != StorageErrc::not_found) return got.error();
    wipe(value);
  }
  constexpr std::byte first[] = {std::byte{2}};
  constexpr std::byte end[] = {std::byte{0xff}};
  auto cursor = root.iterate({.gte = first, .lt = end});
  if (!cursor) return cursor.error();
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return more.error();
    if (!*more) break;
    move_entry(batch, (*cursor)->key(), (*cursor)->value());
    if (batch.size() < keys_a_write && batch.bytes() < bytes_a_write) continue;
    if (auto written = root.write(batch, Durable::no); !written) return written;
    batch.clear();
  }
  return batch.empty() ? Result<void>() : root.write(batch, Durable::no);
}

}  // namespace

Result<void> prepare_root(Backend& root) {
  const auto format = format_of(root);
  if (!format) return format.error();
  if (*format > routed_format) return StorageErrc::newer_format;
  Buffer known;
  const auto routed = root.get(router_records::format_key(), known);
  if (routed) return *format == routed_format ? Result<void>() : Result<void>(StorageErrc::damaged);
  if (routed.error() != StorageErrc::not_found) return routed;
  if (*format < routed_format) {
    Batch batch;
    if (*format > 0) move_entry(batch, keys::format(), encoded(*format));
    batch.put_copy(keys::format(), encoded(routed_format));
    if (auto written = root.write(batch, Durable::yes); !written) return written;
  }
  if (auto moved = move_all(root); !moved) return moved;
  return root.sync();
}

}  // namespace sheaf
