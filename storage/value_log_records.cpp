#include "storage/value_log_records.hpp"

#include <algorithm>

#include "protocol/codec.hpp"
#include "sheaf/protocol/invariant.hpp"
#include "storage/xxh3.hpp"

namespace sheaf::value_log {
namespace {

constexpr std::byte inline_tag{0};
constexpr std::byte location_tag{1};

Buffer prefixed(Bytes prefix, Bytes rest) {
  Buffer out;
  out.reserve(prefix.size() + rest.size());
  append(out, prefix);
  append(out, rest);
  return out;
}

void put_position(Writer& out, const Position& position) {
  out.u32(position.segment);
  out.u64(position.offset);
}

Position get_position(Reader& in) {
  Position position;
  position.segment = in.u32();
  position.offset = in.u64();
  return position;
}

}  // namespace

Checksum Checksum::from(Bytes bytes) {
  invariant(bytes.size() == size, "a checksum of the log has 8 bytes");
  Checksum out;
  std::copy(bytes.begin(), bytes.end(), out.value.begin());
  return out;
}

Checksum checksum_of(Bytes bytes) { return Checksum::from(xxh3_64_digest(bytes)); }

Buffer encode_group(SegmentNumber segment, const std::vector<Record>& records) {
  std::size_t record_bytes = 0;
  std::uint64_t value_bytes = 0;
  for (const Record& record : records) {
    record_bytes += 3 + record.key.size();
    if (record.kind != Batch::Kind::put) continue;
    record_bytes += 4 + Checksum::size;
    value_bytes += record.value_bytes;
  }
  Buffer bytes;
  bytes.reserve(group_head_bytes + record_bytes);
  Writer out(bytes);
  out.fixed(Checksum{});
  out.u32(segment);
  out.u32(static_cast<std::uint32_t>(records.size()));
  out.u32(static_cast<std::uint32_t>(record_bytes));
  out.u64(value_bytes);
  for (const Record& record : records) {
    out.u8(record.kind == Batch::Kind::put ? 1 : 0);
    out.u16(static_cast<std::uint16_t>(record.key.size()));
    out.raw(record.key);
    if (record.kind != Batch::Kind::put) continue;
    out.u32(record.value_bytes);
    out.fixed(record.checksum);
  }
  const Checksum checksum = checksum_of(Bytes(bytes).subspan(Checksum::size));
  std::copy(checksum.value.begin(), checksum.value.end(), bytes.begin());
  return bytes;
}

Result<GroupHead> decode_group_head(SegmentNumber segment, Bytes bytes) {
  Reader in(bytes);
  GroupHead head;
  head.checksum = in.fixed<Checksum>();
  const std::uint32_t of = in.u32();
  head.count = in.u32();
  head.record_bytes = in.u32();
  head.value_bytes = in.u64();
  if (!in.ok() || of != segment) return StorageErrc::damaged;
  return head;
}

Result<std::vector<Record>> decode_group(const GroupHead& head, Bytes bytes) {
  if (bytes.size() != group_head_bytes + head.record_bytes) return StorageErrc::damaged;
  if (checksum_of(bytes.subspan(Checksum::size)) != head.checksum) return StorageErrc::damaged;
  Reader in(bytes.subspan(group_head_bytes));
  if (head.count > head.record_bytes / 3) return StorageErrc::damaged;
  std::vector<Record> records;
  records.reserve(head.count);
  std::uint64_t value_bytes = 0;
  for (std::uint32_t i = 0; i < head.count; ++i) {
    const std::uint8_t kind = in.u8();
    Record record{.kind = kind == 1 ? Batch::Kind::put : Batch::Kind::del, .key = in.raw(in.u16())};
    if (kind == 1) {
      record.value_bytes = in.u32();
      record.checksum = in.fixed<Checksum>();
      value_bytes += record.value_bytes;
    }
    if (!in.ok() || kind > 1 || record.key.empty()) return StorageErrc::damaged;
    records.push_back(record);
  }
  if (!in.at_end() || value_bytes != head.value_bytes) return StorageErrc::damaged;
  return records;
}

Buffer head_key() { return {std::byte{0}}; }

Buffer segment_key(SegmentNumber segment) {
  std::array<std::byte, 4> number;
  for (std::size_t i = 0; i < number.size(); ++i)
    number[i] = static_cast<std::byte>(segment >> (8 * (number.size() - 1 - i)));
  return prefixed(segment_prefix, number);
}

std::optional<SegmentNumber> segment_of_key(Bytes key) {
  if (key.size() != 5) return std::nullopt;
  SegmentNumber number = 0;
  for (const std::byte byte : key.subspan(1)) number = number << 8 | std::to_integer<SegmentNumber>(byte);
  return number;
}

Buffer data_key(Bytes key) { return prefixed(data_prefix, key); }

Buffer encode_index_head(const IndexHead& head) {
  Buffer bytes;
  Writer out(bytes);
  out.u32(head.format);
  put_position(out, head.position);
  return bytes;
}

Result<IndexHead> decode_index_head(Bytes bytes) {
  Reader in(bytes);
  IndexHead head;
  head.format = in.u32();
  if (in.ok() && head.format > format_version) return StorageErrc::newer_format;
  head.position = get_position(in);
  if (!in.ok() || !in.at_end() || head.format == 0 || head.position.segment == 0) return StorageErrc::damaged;
  return head;
}

Buffer encode_space(const Space& space) {
  Buffer bytes;
  Writer out(bytes);
  out.u64(space.live);
  out.u64(space.bytes);
  return bytes;
}

Result<Space> decode_space(Bytes bytes) {
  Reader in(bytes);
  Space space;
  space.live = in.u64();
  space.bytes = in.u64();
  if (!in.ok() || !in.at_end()) return StorageErrc::damaged;
  return space;
}

Buffer encode_slot(const Slot& slot) {
  Buffer bytes;
  if (const auto* value = std::get_if<Buffer>(&slot)) {
    bytes.reserve(1 + value->size());
    bytes.push_back(inline_tag);
    append(bytes, *value);
    return bytes;
  }
  const auto* location = std::get_if<Location>(&slot);
  invariant(location != nullptr, "a deleted key has no entry");
  Writer out(bytes);
  bytes.push_back(location_tag);
  put_position(out, location->at);
  out.u32(location->bytes);
  out.fixed(location->checksum);
  return bytes;
}

bool is_location(Bytes encoded_slot) { return !encoded_slot.empty() && encoded_slot.front() == location_tag; }

Result<Slot> decode_slot(Bytes bytes) {
  if (bytes.empty()) return StorageErrc::damaged;
  if (bytes.front() == inline_tag) return Slot(to_buffer(bytes.subspan(1)));
  if (bytes.front() != location_tag) return StorageErrc::damaged;
  Reader in(bytes.subspan(1));
  Location location;
  location.at = get_position(in);
  location.bytes = in.u32();
  location.checksum = in.fixed<Checksum>();
  if (!in.ok() || !in.at_end() || location.at.segment == 0) return StorageErrc::damaged;
  return Slot(location);
}

}  // namespace sheaf::value_log
