#include "protocol/bee_writer.hpp"

#include <algorithm>

#include "protocol/limits.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

// Of a node that is not the root; after an operation no node has more than twice as many.
constexpr std::size_t least_keys = 4;
constexpr std::size_t most_keys = 2 * least_keys;

template <class T>
T take_first(std::vector<T>& from) {
  T out = from.front();
  from.erase(from.begin());
  return out;
}

template <class T>
T take_last(std::vector<T>& from) {
  T out = from.back();
  from.pop_back();
  return out;
}

template <class T>
auto at(std::vector<T>& list, std::size_t index) {
  return list.begin() + static_cast<std::ptrdiff_t>(index);
}

}  // namespace

BeeBatch::BeeBatch(BeeBlocks& blocks, Length length) : blocks_(blocks), length_(length) {
  invariant(length.value >= 1, "a tree is written behind its header");
}

Result<SharedBeeBlock> BeeBatch::Source::block(BlockIndex index) {
  if (const auto own = batch_.pending_.find(index.value); own != batch_.pending_.end()) return own->second;
  return batch_.blocks_.block(index);
}

BeeBatch::Pointer* BeeBatch::pointer_to(Node* node) {
  pointers_.push_back({{}, node});
  return &pointers_.back();
}

Result<BeeBatch::Node*> BeeBatch::root() {
  if (root_) return root_;
  const auto place = bee_root(length_);
  if (!place) {
    nodes_.emplace_back();
    return root_ = &nodes_.back();
  }
  Node above;
  pointers_.push_back({*place, nullptr});
  above.children.push_back(&pointers_.back());
  auto loaded = child(above, 0);
  if (loaded) root_ = *loaded;
  return loaded;
}

Result<BeeBatch::Node*> BeeBatch::child(Node& parent, std::size_t index) {
  Pointer& pointer = *parent.children[index];
  if (pointer.node) return pointer.node;
  auto block = source_.block(pointer.place.block);
  if (!block) return block.error();
  auto level = (*block)->level(pointer.place.offset, pointer.place.block);
  if (!level) return level.error();
  nodes_.emplace_back();
  Node& node = nodes_.back();
  node.keys.assign(level->keys.begin(), level->keys.end());
  for (const BeeChild& below : level->children) {
    pointers_.push_back({below, nullptr});
    node.children.push_back(&pointers_.back());
  }
  return pointer.node = &node;
}

Result<BeeBatch::Found> BeeBatch::search(const Node& node, Bytes key) {
  std::size_t begin = 0;
  std::size_t end = node.keys.size();
  while (begin < end) {
    const std::size_t middle = (begin + end) / 2;
    auto block = source_.block(node.keys[middle]);
    if (!block) return block.error();
    const int compared = as_text(key).compare(as_text((*block)->key()));
    if (compared == 0) return Found{middle, true};
    if (compared < 0)
      end = middle;
    else
      begin = middle + 1;
  }
  return Found{begin, false};
}

Result<std::optional<BeeEntry>> BeeBatch::get(Bytes key) {
  if (operations_.empty()) return bee_get(blocks_, length_, key);
  Node* node = root_;
  for (std::size_t depth = 0;; ++depth) {
    if (depth > limits::bee_depth) return ProtocolErrc::malformed;
    auto found = search(*node, key);
    if (!found) return found.error();
    if (found->here) {
      const BlockIndex seq = node->keys[found->index];
      auto block = source_.block(seq);
      if (!block) return block.error();
      return std::optional(BeeEntry{seq, std::move(*block)});
    }
    if (node->children.empty()) return std::optional<BeeEntry>();
    auto below = child(*node, found->index);
    if (!below) return below.error();
    node = *below;
  }
}

Result<void> BeeBatch::put(Bytes key, std::optional<Bytes> value) {
  const BlockIndex seq = next_seq();
  auto begun = root();
  if (!begun) return begun.error();
  Node* node = *begun;
  std::vector<Node*> path;
  for (;;) {
    if (path.size() > limits::bee_depth) return ProtocolErrc::malformed;
    auto found = search(*node, key);
    if (!found) return found.error();
    path.push_back(node);
    if (found->here) {
      node->keys[found->index] = seq;
      break;
    }
    if (node->children.empty()) {
      node->keys.insert(at(node->keys, found->index), seq);
      break;
    }
    auto below = child(*node, found->index);
    if (!below) return below.error();
    node = *below;
  }
  for (Node* changed : path) changed->changed = true;
  path.pop_back();
  split(path, node);
  record(root_, key, value);
  return {};
}

// `path` leads to the node's parent. A node with one key too many becomes two, and its middle key moves up.
void BeeBatch::split(std::vector<Node*>& path, Node* node) {
  while (node->keys.size() > most_keys) {
    nodes_.emplace_back();
    Node& right = nodes_.back();
    right.changed = true;
    const std::size_t middle = node->keys.size() - node->keys.size() / 2 - 1;
    const BlockIndex median = node->keys[middle];
    right.keys.assign(at(node->keys, middle + 1), node->keys.end());
    node->keys.resize(middle);
    if (!node->children.empty()) {
      right.children.assign(at(node->children, middle + 1), node->children.end());
      node->children.resize(middle + 1);
    }
    if (path.empty()) {
      nodes_.emplace_back();
      Node& top = nodes_.back();
      top.changed = true;
      top.keys.push_back(median);
      top.children.push_back(pointer_to(node));
      top.children.push_back(pointer_to(&right));
      root_ = &top;
      return;
    }
    Node* parent = take_last(path);
    const auto place = std::ranges::find(parent->children, node, [](const Pointer* p) { return p->node; });
    const auto index = static_cast<std::size_t>(place - parent->children.begin());
    parent->keys.insert(at(parent->keys, index), median);
    parent->children.insert(at(parent->children, index + 1), pointer_to(&right));
    node = parent;
  }
}

Result<bool> BeeBatch::del(Bytes key) {
  const auto failed = [](const Error& error) { return Result<bool>(boost::system::in_place_error, error); };
  auto begun = root();
  if (!begun) return failed(begun.error());
  Node* node = *begun;
  std::vector<Node*> path;
  for (;;) {
    if (path.size() > limits::bee_depth) return failed(ProtocolErrc::malformed);
    auto found = search(*node, key);
    if (!found) return failed(found.error());
    path.push_back(node);
    if (found->here) {
      if (node->children.empty()) {
        node->keys.erase(at(node->keys, found->index));
      } else if (auto taken = take_from_leaf(*node, found->index, path); !taken) {
        return failed(taken.error());
      }
      break;
    }
    if (node->children.empty()) return false;
    auto below = child(*node, found->index);
    if (!below) return failed(below.error());
    node = *below;
  }
  for (Node* changed : path) changed->changed = true;
  auto top = rebalance(std::move(path));
  if (!top) return failed(top.error());
  root_ = *top;
  record(root_, key, std::nullopt);
  return true;
}

// The key at `index` gives way to its neighbour in the larger of the two leaves beside it, which the path
// then leads to.
Result<void> BeeBatch::take_from_leaf(Node& node, std::size_t index, std::vector<Node*>& path) {
  const auto way_down = [&](std::size_t first, bool leftmost) -> Result<std::vector<Node*>> {
    std::vector<Node*> way;
    Node* at = &node;
    std::size_t next = first;
    do {
      if (way.size() > limits::bee_depth) return ProtocolErrc::malformed;
      auto below = child(*at, next);
      if (!below) return below.error();
      at = *below;
      way.push_back(at);
      next = leftmost || at->children.empty() ? 0 : at->children.size() - 1;
    } while (!at->children.empty());
    return way;
  };
  auto left = way_down(index, false);
  if (!left) return left.error();
  auto right = way_down(index + 1, true);
  if (!right) return right.error();
  std::vector<BlockIndex>& left_keys = left->back()->keys;
  std::vector<BlockIndex>& right_keys = right->back()->keys;
  if (left_keys.empty() && right_keys.empty()) return ProtocolErrc::malformed;
  const bool from_right = left_keys.size() < right_keys.size();
  node.keys[index] = from_right ? take_first(right_keys) : take_last(left_keys);
  const std::vector<Node*>& way = from_right ? *right : *left;
  path.insert(path.end(), way.begin(), way.end());
  return {};
}

Result<BeeBatch::Node*> BeeBatch::rebalance(std::vector<Node*> path) {
  Node* const root = path.front();
  while (path.size() > 1) {
    Node* node = take_last(path);
    Node& parent = *path.back();
    if (node->keys.size() >= least_keys) return root;
    const auto place = std::ranges::find(parent.children, node, [](const Pointer* p) { return p->node; });
    std::size_t index = static_cast<std::size_t>(place - parent.children.begin());
    Node* left = nullptr;
    Node* right = nullptr;
    if (index > 0) {
      auto loaded = child(parent, index - 1);
      if (!loaded) return loaded;
      left = *loaded;
    }
    if (left && left->keys.size() > least_keys) {
      left->changed = true;
      node->keys.insert(node->keys.begin(), parent.keys[index - 1]);
      if (!left->children.empty()) node->children.insert(node->children.begin(), take_last(left->children));
      parent.keys[index - 1] = take_last(left->keys);
      return root;
    }
    if (index + 1 < parent.children.size()) {
      auto loaded = child(parent, index + 1);
      if (!loaded) return loaded;
      right = *loaded;
    }
    if (right && right->keys.size() > least_keys) {
      right->changed = true;
      node->keys.push_back(parent.keys[index]);
      if (!right->children.empty()) node->children.push_back(take_first(right->children));
      parent.keys[index] = take_first(right->keys);
      return root;
    }
    if (left) {
      --index;
      right = node;
    } else {
      left = node;
    }
    if (!right) return root;  // a foreign node with one child: nothing to merge it with
    left->changed = true;
    left->keys.push_back(parent.keys[index]);
    left->keys.insert(left->keys.end(), right->keys.begin(), right->keys.end());
    left->children.insert(left->children.end(), right->children.begin(), right->children.end());
    parent.keys.erase(at(parent.keys, index));
    parent.children[index + 1]->place.block = {};  // freed: no block of the batch keeps that node
    parent.children.erase(at(parent.children, index + 1));
  }
  if (root->keys.empty() && !root->children.empty()) return child(*root, 0);
  return root;
}

// Writes down which nodes the operation changed, and where they will be.
void BeeBatch::record(Node* root, Bytes key, std::optional<Bytes> value) {
  const BlockIndex seq = next_seq();
  Operation operation;
  operation.key = to_buffer(key);
  if (value) operation.value = to_buffer(*value);
  collect(*root, seq, operation.written);
  pointers_.push_back({{seq, 0}, root});
  operation.written[0] = &pointers_.back();
  operations_.push_back(std::move(operation));
  // What a later look-up in this batch needs of the block is its key and value.
  auto block = BeeBlock::decode(encode_bee_block({}, key, value));
  invariant(block.has_value(), "what is encoded here decodes");
  pending_[seq.value] = std::make_shared<const BeeBlock>(std::move(*block));
}

std::size_t BeeBatch::collect(Node& node, BlockIndex seq, std::vector<Pointer*>& out) {
  const std::size_t offset = out.size();
  out.push_back(nullptr);
  node.changed = false;
  for (Pointer* below : node.children) {
    if (!below->node || !below->node->changed) continue;
    below->place.block = seq;
    below->place.offset = collect(*below->node, seq, out);
    out[below->place.offset] = below;
  }
  return offset;
}

BeeLevel BeeBatch::level_of(const Node& node) {
  BeeLevel out;
  out.keys.assign(node.keys.begin(), node.keys.end());
  for (const Pointer* below : node.children) out.children.push_back(below->place);
  return out;
}

std::vector<Buffer> BeeBatch::finish() {
  // A block that is not the last keeps those of its nodes that no later operation wrote again, and never its
  // root: the gaps are filled from the end, which moves nodes to other places.
  for (std::size_t i = 0; i + 1 < operations_.size(); ++i) {
    std::vector<Pointer*>& written = operations_[i].written;
    const BlockIndex seq{length_.value + i};
    written.front() = nullptr;
    for (std::size_t j = 0; j < written.size();) {
      if (written[j] && written[j]->place.block == seq) {
        written[j]->place.offset = j;
        ++j;
      } else {
        written[j] = written.back();
        written.pop_back();
      }
    }
  }
  std::vector<Buffer> out;
  for (const Operation& operation : operations_) {
    std::vector<BeeLevel> levels;
    for (const Pointer* pointer : operation.written) levels.push_back(level_of(*pointer->node));
    out.push_back(encode_bee_block(levels, operation.key,
                                   operation.value ? std::optional(Bytes(*operation.value)) : std::nullopt));
  }
  operations_.clear();
  return out;
}

}  // namespace sheaf
