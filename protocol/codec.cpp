#include "protocol/codec.hpp"

#include "protocol/limits.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {

std::uint64_t Reader::little_endian(std::size_t bytes) {
  if (rest_.size() < bytes) {
    fail();
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::to_integer<std::uint64_t>(rest_[i]) << (8 * i);
  rest_ = rest_.subspan(bytes);
  return value;
}

std::uint64_t Reader::uint() {
  const std::uint64_t first = little_endian(1);
  if (first <= 0xfc) return first;
  if (first == 0xfd) return little_endian(2);
  if (first == 0xfe) return little_endian(4);
  return u64();
}

std::uint8_t Reader::u8() { return static_cast<std::uint8_t>(little_endian(1)); }
std::uint16_t Reader::u16() { return static_cast<std::uint16_t>(little_endian(2)); }
std::uint32_t Reader::u24() { return static_cast<std::uint32_t>(little_endian(3)); }
std::uint32_t Reader::u32() { return static_cast<std::uint32_t>(little_endian(4)); }

std::uint64_t Reader::u64() {
  const std::uint64_t value = little_endian(8);
  if (value <= max_wire_integer) return value;
  fail();
  return 0;
}

bool Reader::boolean() { return u8() == 1; }

Bytes Reader::raw(std::size_t size) {
  if (rest_.size() < size) {
    fail();
    return {};
  }
  const Bytes out = rest_.first(size);
  rest_ = rest_.subspan(size);
  return out;
}

Bytes Reader::raw_rest() { return raw(rest_.size()); }

Bytes Reader::buffer() {
  const std::uint64_t size = uint();
  if (rest_.size() < size) {
    fail();
    return {};
  }
  return raw(static_cast<std::size_t>(size));
}

std::string_view Reader::text() { return as_text(buffer()); }

std::size_t Reader::count(std::size_t least) {
  const std::uint64_t count = uint();
  if (count > limits::array_elements || count > rest_.size() / (least == 0 ? 1 : least)) {
    fail();
    return 0;
  }
  return static_cast<std::size_t>(count);
}

void Writer::little_endian(std::uint64_t value, std::size_t bytes) {
  std::byte spelled[8];
  for (std::size_t i = 0; i < bytes; ++i) spelled[i] = static_cast<std::byte>(value >> (8 * i));
  append(*out_, Bytes(spelled, bytes));
}

void Writer::uint(std::uint64_t value) {
  invariant(value <= max_wire_integer, "an integer on the wire is below 2^53");
  if (value <= 0xfc) return u8(static_cast<std::uint8_t>(value));  // most of them
  if (value <= 0xffff) {
    u8(0xfd);
    return little_endian(value, 2);
  }
  if (value <= 0xffffffff) {
    u8(0xfe);
    return little_endian(value, 4);
  }
  u8(0xff);
  little_endian(value, 8);
}

void Writer::u8(std::uint8_t value) { out_->push_back(static_cast<std::byte>(value)); }
void Writer::u16(std::uint16_t value) { little_endian(value, 2); }
void Writer::u24(std::uint32_t value) { little_endian(value, 3); }
void Writer::u32(std::uint32_t value) { little_endian(value, 4); }

void Writer::u64(std::uint64_t value) {
  invariant(value <= max_wire_integer, "an integer on the wire is below 2^53");
  little_endian(value, 8);
}

void Writer::buffer(Bytes bytes) {
  uint(bytes.size());
  raw(bytes);
}

}  // namespace sheaf
