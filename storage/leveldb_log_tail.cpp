#include "storage/leveldb_log_tail.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "sheaf/protocol/bytes.hpp"

namespace sheaf {
namespace {

constexpr std::uint64_t block_bytes = 32 * 1024;
constexpr std::size_t header_bytes = 7;

// CRC-32C, fed byte by byte: one checksum for each length that a record may have is then one pass.
class Crc {
 public:
  void feed(std::byte byte) {
    state_ = table()[(state_ ^ std::to_integer<std::uint32_t>(byte)) & 0xff] ^ (state_ >> 8);
  }
  std::uint32_t masked() const {
    const std::uint32_t crc = ~state_;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
  }

 private:
  static const std::array<std::uint32_t, 256>& table() {
    static const auto made = [] {
      std::array<std::uint32_t, 256> out{};
      for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82f63b78u : 0u);
        out[i] = value;
      }
      return out;
    }();
    return made;
  }
  std::uint32_t state_ = 0xffffffff;
};

std::uint32_t checksum_of(Bytes record) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(record[i]) << (8 * i);
  return value;
}

std::size_t length_of(Bytes record) {
  return std::to_integer<std::size_t>(record[4]) | std::to_integer<std::size_t>(record[5]) << 8;
}

bool is_whole(Bytes record) {
  if (record.size() < header_bytes || length_of(record) > record.size() - header_bytes) return false;
  Crc crc;
  for (const std::byte byte : record.subspan(6, 1 + length_of(record))) crc.feed(byte);
  return crc.masked() == checksum_of(record);
}

// `record` claims more than there is. Some other length fits its checksum, and the file ends there or goes on
// with a good record: one checksum alone would fit by chance once in 2^17 torn records.
bool only_length_is_wrong(Bytes record) {
  Crc crc;
  crc.feed(record[6]);
  for (std::size_t end = header_bytes;; ++end) {
    if (crc.masked() == checksum_of(record) && (end == record.size() || is_whole(record.subspan(end))))
      return true;
    if (end == record.size()) return false;
    crc.feed(record[end]);
  }
}

bool altered_tail(Bytes block) {
  while (block.size() >= header_bytes) {
    if (length_of(block) > block.size() - header_bytes) return only_length_is_wrong(block);
    block = block.subspan(header_bytes + length_of(block));
  }
  return false;
}

bool altered_file(leveldb::Env& env, const std::string& path) {
  std::uint64_t size = 0;
  if (!env.GetFileSize(path, &size).ok() || size == 0) return false;
  leveldb::RandomAccessFile* opened = nullptr;
  if (!env.NewRandomAccessFile(path, &opened).ok()) return false;
  const std::unique_ptr<leveldb::RandomAccessFile> file(opened);
  const std::uint64_t from = (size - 1) / block_bytes * block_bytes;
  std::vector<char> room(static_cast<std::size_t>(size - from));
  leveldb::Slice block;
  if (!file->Read(from, room.size(), &block, room.data()).ok()) return false;
  return altered_tail(as_bytes({block.data(), block.size()}));
}

}  // namespace

bool altered_log_tail(leveldb::Env& env, const std::string& folder) {
  std::vector<std::string> names;
  if (!env.GetChildren(folder, &names).ok()) return false;
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return (name.ends_with(".log") || name.starts_with("MANIFEST-")) &&
           altered_file(env, folder + "/" + name);
  });
}

}  // namespace sheaf
