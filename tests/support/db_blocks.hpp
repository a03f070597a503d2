// Archives block by block, as any writer may have made them: also with names and values that ours refuses.
#pragma once

#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "protocol/bee_writer.hpp"
#include "protocol/drive_entry.hpp"
#include "protocol/entry_path.hpp"
#include "sheaf/protocol/key.hpp"

namespace sheaf::test {

// The blocks of a db core in memory, header first.
struct DbBlocks final : BeeBlocks {
  explicit DbBlocks(const BeeHeader& header) { blocks.push_back(encode(header)); }
  Result<SharedBeeBlock> block(BlockIndex index) override {
    auto decoded = BeeBlock::decode(blocks.at(index.value));
    if (!decoded) return decoded.error();
    return std::make_shared<const BeeBlock>(std::move(*decoded));
  }
  void put(std::string_view path, Bytes value) {
    BeeBatch batch(*this, Length{blocks.size()});
    REQUIRE(batch.put(entry_key(path), value).has_value());
    for (Buffer& one : batch.finish()) blocks.push_back(std::move(one));
  }
  void put(std::string_view path, const DriveEntry& entry) { put(path, Bytes(encode(entry))); }
  std::vector<Buffer> blocks;
};

inline BeeHeader header_naming(const CoreKey& blobs) {
  BeeHeader header;
  header.protocol = to_buffer(as_bytes(std::string_view("hyperbee")));
  header.metadata.emplace();
  header.metadata->content_feed = to_buffer(blobs.bytes());
  return header;
}

inline DriveEntry file(std::uint64_t block, std::uint64_t byte, std::uint64_t blocks, std::uint64_t bytes) {
  DriveEntry entry;
  entry.blob = BlobId{{block}, {byte}, {blocks}, {bytes}, false};
  return entry;
}

}  // namespace sheaf::test
