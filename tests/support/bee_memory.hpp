// A Hyperbee in memory: the blocks of its core, and the operations that append to them.
#pragma once

#include <set>
#include <vector>

#include "protocol/bee_writer.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf::test {

class BeeMemory final : public BeeBlocks {
 public:
  Result<SharedBeeBlock> block(BlockIndex index) override {
    ++reads;
    if (index.value >= raw.size()) return ProtocolErrc::malformed;
    if (missing.contains(index.value)) {
      asked = index;
      return ProtocolErrc::missing_node;
    }
    auto block = BeeBlock::decode(raw[index.value]);
    if (!block) return block.error();
    return std::make_shared<const BeeBlock>(std::move(*block));
  }

  Length length() const { return {raw.size()}; }
  void add_header(const BeeHeader& header) {
    if (raw.empty()) raw.push_back(encode(header));
  }
  void append(BeeBatch& batch) {
    for (Buffer& block : batch.finish()) raw.push_back(std::move(block));
  }

  std::vector<Buffer> raw;
  std::set<std::uint64_t> missing;  // these are not here
  BlockIndex asked;                 // the last of them that was wanted
  std::size_t reads = 0;
};

}  // namespace sheaf::test
