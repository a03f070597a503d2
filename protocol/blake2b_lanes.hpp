// The compression function of BLAKE2b (RFC 7693, section 3.2) over vectors: word i of all lanes' states and
// messages lies in one vector.
//
// Compiled once for each instruction set, by the source file named after it, with that set switched on. So
// nothing here may be an inline function that another file could share: no library but what has no code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sheaf::crypto::lanes {

inline constexpr std::size_t block_bytes = 128;
inline constexpr std::size_t state_words = 8;

inline constexpr std::uint64_t initial[state_words] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// Takes `blocks` blocks of each lane, one after another from its pointer on. State: word i of lane l at
// i * lanes + l. counted[l]: bytes of the message up to and with the first of these blocks. last[l]: all ones
// if the only block is the message's last, else zero.
using Compress = void (*)(std::uint64_t* state, const unsigned char* const* from, std::size_t blocks,
                          const std::uint64_t* counted, const std::uint64_t* last);

// Null where the compiler was not told of the instruction set.
extern const Compress compress_avx2;    // four lanes
extern const Compress compress_avx512;  // eight lanes

// `Word` is a vector of 64-bit words, one for each lane.
template <class Word>
struct Kernel {
  static constexpr std::size_t lane_count = sizeof(Word) / sizeof(std::uint64_t);

  static constexpr unsigned char order[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                                  {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                                  {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                                  {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                                  {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                                  {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                                  {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                                  {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                                  {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                                  {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

  static Word rotated(Word x, int bits) { return (x >> bits) | (x << (64 - bits)); }

  static void mix(Word& a, Word& b, Word& c, Word& d, Word x, Word y) {
    a += b + x;
    d = rotated(d ^ a, 32);
    c += d;
    b = rotated(b ^ c, 24);
    a += b + y;
    d = rotated(d ^ a, 16);
    c += d;
    b = rotated(b ^ c, 63);
  }

  template <std::size_t number>
  static void round(Word* v, const Word* m) {
    constexpr const unsigned char* s = order[number % 10];
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }

  template <std::size_t... numbers>
  static void rounds(Word* v, const Word* m, std::index_sequence<numbers...>) {
    (round<numbers>(v, m), ...);
  }

  static Word loaded(const std::uint64_t* from) {
    Word out;
    __builtin_memcpy(&out, from, sizeof out);
    return out;
  }

  static void compress(std::uint64_t* state, const unsigned char* const* from, std::size_t blocks,
                       const std::uint64_t* counted, const std::uint64_t* last) {
    Word h[state_words];
    for (std::size_t i = 0; i < state_words; ++i) h[i] = loaded(state + i * lane_count);
    Word count = loaded(counted);
    const Word final = loaded(last);
    for (std::size_t block = 0; block < blocks; ++block, count += block_bytes) {
      Word m[16], v[16];
      for (std::size_t i = 0; i < 16; ++i) {
        for (std::size_t lane = 0; lane < lane_count; ++lane) {
          std::uint64_t word;
          __builtin_memcpy(&word, from[lane] + block * block_bytes + 8 * i, 8);
          m[i][lane] = word;
        }
      }
      for (std::size_t i = 0; i < state_words; ++i) {
        v[i] = h[i];
        v[i + state_words] = Word{} + initial[i];
      }
      v[12] ^= count;  // the upper half of the counter stays zero: no message has 2^64 bytes
      v[14] ^= final;
      rounds(v, m, std::make_index_sequence<12>{});
      for (std::size_t i = 0; i < state_words; ++i) h[i] ^= v[i] ^ v[i + state_words];
    }
    for (std::size_t i = 0; i < state_words; ++i)
      __builtin_memcpy(state + i * lane_count, &h[i], sizeof h[i]);
  }
};

}  // namespace sheaf::crypto::lanes
