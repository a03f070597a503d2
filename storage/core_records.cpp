#include "storage/core_records.hpp"

#include "protocol/codec.hpp"
#include "protocol/flat_tree.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf::records {
namespace {

constexpr std::uint8_t head_version = 1;
constexpr std::uint8_t sweep_version = 1;
constexpr std::uint8_t conflict_version = 1;

template <class Value>
void write_list(Writer& out, const std::vector<Value>& values) {
  out.uint(values.size());
  for (const Value value : values) out.uint(value.value);
}

template <class Value>
std::vector<Value> read_list(Reader& in) {
  std::vector<Value> values(in.count());
  for (Value& value : values) value = {in.uint()};
  return values;
}

}  // namespace

Buffer encode_head(const TreeHead& head) {
  Buffer bytes;
  bytes.reserve(32 + head.roots.size() * 41 + head.signature.size());
  Writer out(bytes);
  out.u8(head_version);
  out.uint(head.fork.value);
  out.uint(head.length.value);
  for (const TreeNode& root : head.roots) {
    out.uint(root.size.value);
    out.fixed(root.hash);
  }
  out.buffer(head.signature);
  return bytes;
}

Result<TreeHead> decode_head(Bytes bytes) {
  Reader in(bytes);
  TreeHead head;
  if (in.u8() != head_version) return StorageErrc::damaged;
  head.fork = {in.uint()};
  head.length = {in.uint()};
  if (!in.ok() || head.length > flat_tree::longest) return StorageErrc::damaged;
  for (const TreeIndex index : flat_tree::roots(head.length)) {
    const ByteCount size{in.uint()};
    head.roots.push_back({.index = index, .size = size, .hash = in.fixed<Hash>()});
    head.byte_length = head.byte_length + size;
  }
  head.signature = to_buffer(in.buffer());
  if (!in.ok() || !in.at_end()) return StorageErrc::damaged;
  return head;
}

NodeBytes encode_node(const TreeNode& node) {
  NodeBytes out;
  for (std::size_t i = 0; i < 8; ++i) out.bytes[i] = static_cast<std::byte>(node.size.value >> (8 * i));
  std::copy_n(node.hash.value.begin(), 32, out.bytes.begin() + 8);
  return out;
}

Result<TreeNode> decode_node(TreeIndex index, Bytes bytes) {
  if (bytes.size() != sizeof(NodeBytes)) return StorageErrc::damaged;
  Reader in(bytes);
  TreeNode node{.index = index, .size = {in.u64()}, .hash = in.fixed<Hash>()};
  if (!in.ok()) return StorageErrc::damaged;
  return node;
}

Buffer encode_sweep(const Sweep& sweep) {
  Buffer bytes;
  Writer out(bytes);
  out.u8(sweep_version);
  out.uint(sweep.blocks.size());
  for (const BlockRange& range : sweep.blocks) {
    out.uint(range.begin.value);
    out.uint(range.end.value);
  }
  write_list(out, sweep.kept_blocks);
  out.boolean(sweep.nodes);
  out.uint(sweep.first_node.value);
  write_list(out, sweep.kept_nodes);
  return bytes;
}

Result<Sweep> decode_sweep(Bytes bytes) {
  Reader in(bytes);
  Sweep sweep;
  if (in.u8() != sweep_version) return StorageErrc::damaged;
  sweep.blocks.resize(in.count(2));
  for (BlockRange& range : sweep.blocks) {
    range.begin = {in.uint()};
    range.end = {in.uint()};
  }
  sweep.kept_blocks = read_list<BlockIndex>(in);
  sweep.nodes = in.boolean();
  sweep.first_node = {in.uint()};
  sweep.kept_nodes = read_list<TreeIndex>(in);
  if (!in.ok() || !in.at_end()) return StorageErrc::damaged;
  return sweep;
}

Buffer encode_conflict(const std::vector<Buffer>& trees) {
  Buffer bytes;
  Writer out(bytes);
  out.u8(conflict_version);
  out.uint(trees.size());
  for (const Buffer& tree : trees) out.buffer(tree);
  return bytes;
}

Result<std::vector<Buffer>> decode_conflict(Bytes bytes) {
  Reader in(bytes);
  if (in.u8() != conflict_version) return StorageErrc::damaged;
  std::vector<Buffer> trees(in.count());
  for (Buffer& tree : trees) tree = to_buffer(in.buffer());
  if (!in.ok() || !in.at_end() || trees.empty()) return StorageErrc::damaged;
  return trees;
}

}  // namespace sheaf::records
