// Compact encoding: the bounded Reader and the Writer under everything above the secret stream.
//
// Format: compact-encoding 3.5 (integers little endian; `uint` is the prefix varint of 1, 3, 5 or 9 bytes).
// The Reader never reads past its window and never allocates by an announced size. Its failure is sticky:
// after the first field that does not fit every read gives zero or an empty view, and ok() stays false; so
// a decoder reads all its fields and asks once. Views that it returns live as long as the window.
#pragma once

#include <cstdint>
#include <string_view>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

class Reader {
 public:
  explicit Reader(Bytes window) : rest_(window) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  Bytes rest() const { return rest_; }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  std::uint64_t uint();  // at most 2^53 - 1; forms longer than needed are accepted
  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u24();
  std::uint32_t u32();
  std::uint64_t u64();  // at most 2^53 - 1
  bool boolean();       // true only for the byte 1
  Bytes raw(std::size_t size);
  Bytes raw_rest();
  Bytes buffer();  // uint length, then bytes; also an optionalBuffer, whose absence is the empty view
  std::string_view text();  // as buffer(); UTF-8 is not checked here
  // An array's count. Fails above the wire's bound, and where `least` bytes an element cannot be left.
  std::size_t count(std::size_t least = 1);

  template <class Fixed>
  Fixed fixed() {
    const Bytes bytes = raw(Fixed::size);
    return bytes.size() == Fixed::size ? Fixed::from(bytes) : Fixed{};
  }

 private:
  std::uint64_t little_endian(std::size_t bytes);

  Bytes rest_;
  bool ok_ = true;
};

// Appends to a buffer that the caller owns. Requires: integers given to uint() and u64() are at most 2^53
// - 1.
class Writer {
 public:
  explicit Writer(Buffer& out) : out_(&out) {}

  void uint(std::uint64_t value);  // always the shortest form
  void u8(std::uint8_t value);
  void u16(std::uint16_t value);
  void u24(std::uint32_t value);
  void u32(std::uint32_t value);
  void u64(std::uint64_t value);
  void boolean(bool value) { u8(value ? 1 : 0); }
  void raw(Bytes bytes) { append(*out_, bytes); }
  void buffer(Bytes bytes);
  void text(std::string_view value) { buffer(as_bytes(value)); }
  template <class Fixed>
  void fixed(const Fixed& value) {
    raw(value.bytes());
  }

  Buffer& out() { return *out_; }

 private:
  void little_endian(std::uint64_t value, std::size_t bytes);

  Buffer* out_;
};

// How many bytes uint(value) takes.
constexpr std::size_t uint_size(std::uint64_t value) {
  return value <= 0xfc ? 1 : value <= 0xffff ? 3 : value <= 0xffffffff ? 5 : 9;
}

}  // namespace sheaf
