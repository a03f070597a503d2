// A core's life as commits, with what has to be there after each of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "storage/core_store.hpp"
#include "tests/conformance/sheaf/conformance/results.hpp"
#include "tests/support/log_world.hpp"

namespace sheaf::test {

// Everything that a core's store shows. Comparing two of them compares the cores.
struct CoreView {
  std::optional<TreeHead> head;
  std::map<std::uint64_t, TreeNode> nodes;
  std::map<std::uint64_t, Buffer> blocks;  // by index; of held ones
  std::uint64_t missing = 0;               // held by the bitfield, but without a value
  std::uint64_t counted = 0;               // the stored count of held blocks
  bool operator==(const CoreView&) const = default;
};

inline CoreView view_of(CoreStore& store, const CoreStore::Contents& contents) {
  CoreView view{.head = contents.head, .nodes = {}, .blocks = {}, .counted = contents.held.value};
  const std::uint64_t length = contents.head ? contents.head->length.value : 0;
  for (std::uint64_t i = 0; i < 4 * length + 8; ++i) {
    const auto node = store.node({i});
    REQUIRE(node);
    if (*node) view.nodes[i] = **node;
  }
  const auto pages = store.bitfield();
  REQUIRE(pages);
  for (const BitfieldPage& page : *pages) {
    for (std::uint64_t bit = 0; bit < page.bytes.size() * 8; ++bit) {
      if ((page.bytes[bit / 8] & std::byte{1} << (bit % 8)) == std::byte{}) continue;
      const BlockIndex index{page.page * BitfieldPage::bits + bit};
      Buffer bytes;
      const auto got = store.block(index, bytes);
      if (!got) {
        REQUIRE(got.error() == StorageErrc::not_found);
        ++view.missing;
        continue;
      }
      // Whatever is given is what the tree says.
      REQUIRE(store.check(index));
      view.blocks[index.value] = bytes;
    }
  }
  return view;
}

// One commit, owning what its change only lends.
struct Step {
  std::optional<Length> truncate;
  std::vector<BlockRange> clear;
  std::vector<TreeNode> nodes;
  std::vector<std::pair<BlockIndex, Buffer>> blocks;
  std::optional<TreeHead> head;
  CoreView after;

  Result<void> commit(CoreStore& store, Durable durable) const {
    std::vector<BlockBytes> lent;
    for (const auto& [index, bytes] : blocks) lent.push_back({index, bytes});
    CoreChange change;
    change.truncate = truncate;
    change.clear = clear;
    change.nodes = nodes;
    change.blocks = lent;
    change.head = head ? &*head : nullptr;
    return store.commit(change, durable);
  }
};

// Builds steps with a real tree and real signatures.
class CoreScript {
 public:
  CoreScript() : writer_(key_pair_of(1)) { states.emplace_back(); }

  std::vector<Step> steps;
  std::vector<CoreView> states;  // states[n]: after n steps

  void append(std::uint64_t count, std::uint8_t flavour = 0) {
    Step step;
    const std::uint64_t from = writer_.blocks.size();
    const MapNodes before = writer_.nodes;
    writer_.append(count, flavour);
    for (const auto& [index, node] : writer_.nodes.nodes)
      if (!before.nodes.contains(index)) step.nodes.push_back(node);
    for (std::uint64_t i = from; i < writer_.blocks.size(); ++i) {
      step.blocks.emplace_back(BlockIndex{i}, writer_.blocks[i]);
      held_[i] = writer_.blocks[i];
    }
    add(std::move(step), true);
  }
  void truncate(std::uint64_t length) {
    Step step;
    step.truncate = Length{length};
    writer_.truncate({length}, {writer_.head.fork.value + 1});
    std::erase_if(held_, [&](const auto& entry) { return entry.first >= length; });
    add(std::move(step), true);
  }
  // What another fork brings to a reader: fewer blocks in common, new nodes, new blocks, in one change.
  void reorganise(std::uint64_t common, std::uint64_t more, std::uint8_t flavour) {
    Step step;
    step.truncate = Length{common};
    writer_.truncate({common}, {writer_.head.fork.value + 1});
    std::erase_if(held_, [&](const auto& entry) { return entry.first >= common; });
    const MapNodes before = writer_.nodes;
    writer_.append(more, flavour);
    for (const auto& [index, node] : writer_.nodes.nodes)
      if (!before.nodes.contains(index)) step.nodes.push_back(node);
    for (std::uint64_t i = common; i < writer_.blocks.size(); ++i) {
      step.blocks.emplace_back(BlockIndex{i}, writer_.blocks[i]);
      held_[i] = writer_.blocks[i];
    }
    add(std::move(step), true);
  }
  void clear(std::uint64_t begin, std::uint64_t end) {
    Step step;
    step.clear.push_back({{begin}, {end}});
    std::erase_if(held_, [&](const auto& entry) { return entry.first >= begin && entry.first < end; });
    add(std::move(step), false);
  }

 private:
  void add(Step step, bool with_head) {
    if (with_head) step.head = writer_.head;
    step.after.head = writer_.head;
    for (const auto& [index, node] : writer_.nodes.nodes) step.after.nodes[index.value] = node;
    step.after.blocks = held_;
    step.after.counted = held_.size();
    states.push_back(step.after);
    steps.push_back(std::move(step));
  }

  LogWriter writer_;
  std::map<std::uint64_t, Buffer> held_;
};

}  // namespace sheaf::test
