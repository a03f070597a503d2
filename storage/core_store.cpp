#include "storage/core_store.hpp"

#include <algorithm>

#include "protocol/flat_tree.hpp"
#include "protocol/signables.hpp"
#include "sheaf/protocol/invariant.hpp"
#include "storage/core_records.hpp"
#include "storage/held_set.hpp"
#include "storage/key_schema.hpp"
#include "storage/sweep.hpp"

namespace sheaf {
namespace {

// Deletions up to this number are part of the one write; more are left for a sweep.
constexpr std::size_t deletes_at_once = 2'000;
// What a commit writes besides nodes, blocks and pages: manifest, head, count, sweep record.
constexpr std::size_t records_a_commit = 4;
// The most a changed page adds to a write, and what all else may add.
constexpr std::size_t page_cost = HeldSet::page_bytes + 64;
constexpr std::size_t slack = 256 * 1024;

// Absence is no error here.
Result<std::optional<Buffer>> read(Backend& backend, const keys::Key& key) {
  Buffer bytes;
  if (auto got = backend.get(key, bytes); !got) {
    if (got.error() == StorageErrc::not_found) return std::optional<Buffer>();
    return got.error();
  }
  return std::optional(std::move(bytes));
}

template <class Items, class Number>
std::vector<Number> numbers(const Items& items, Number (*number)(const typename Items::value_type&)) {
  std::vector<Number> out;
  out.reserve(items.size());
  for (const auto& item : items) out.push_back(number(item));
  std::sort(out.begin(), out.end());
  return out;
}

template <class Number>
std::vector<std::uint64_t> plain(const std::vector<Number>& numbers) {
  std::vector<std::uint64_t> out;
  for (const Number number : numbers) out.push_back(number.value);
  return out;
}

// All a truncation or a clear takes away, as ranges of blocks.
std::vector<BlockRange> dropped(const CoreChange& change) {
  std::vector<BlockRange> ranges(change.clear.begin(), change.clear.end());
  if (change.truncate) ranges.push_back({end_of(*change.truncate), {max_wire_integer}});
  std::erase_if(ranges, [](const BlockRange& range) { return range.empty(); });
  return ranges;
}

}  // namespace

CoreStore::CoreStore(Backend& state, Backend& blocks, CoreId core)
    : state_(state), blocks_(blocks), core_(core) {}

Result<CoreStore::Contents> CoreStore::contents(Backend& state, CoreId core) {
  Contents out;
  auto manifest = read(state, keys::manifest(core));
  if (!manifest) return manifest.error();
  out.manifest = std::move(*manifest);
  auto head = read(state, keys::head(core));
  if (!head) return head.error();
  if (*head) {
    auto decoded = records::decode_head(**head);
    if (!decoded) return decoded.error();
    out.head = std::move(*decoded);
  }
  auto held = read(state, keys::held(core));
  if (!held) return held.error();
  if (*held) {
    if ((*held)->size() != 8) return StorageErrc::damaged;
    for (std::size_t i = 8; i-- > 0;)
      out.held.value = out.held.value << 8 | std::to_integer<std::uint64_t>((**held)[i]);
  }
  return out;
}

Result<CoreStore::Contents> CoreStore::open() {
  if (auto swept = finish_sweep(); !swept) return swept.error();
  auto found = contents(state_, core_);
  if (!found) return found.error();
  length_ = found->head ? found->head->length.value : 0;
  held_ = found->held;
  return found;
}

Result<std::optional<TreeNode>> CoreStore::node(TreeIndex index) {
  // What lies past the head is either not part of the tree yet or not any more.
  if (index.value > max_wire_integer || !flat_tree::within(index, {length_}))
    return std::optional<TreeNode>();
  auto bytes = read(state_, keys::node(core_, index));
  if (!bytes) return bytes.error();
  if (!*bytes) return std::optional<TreeNode>();
  auto node = records::decode_node(index, **bytes);
  if (!node) return node.error();
  return std::optional(std::move(*node));
}

Result<void> CoreStore::block(BlockIndex index, Buffer& out, Checked checked) {
  if (index.value >= length_) return StorageErrc::not_found;
  return blocks_.get(keys::block(core_, index), out, checked);
}

Result<void> CoreStore::check(BlockIndex index) {
  Buffer bytes;
  if (auto got = block(index, bytes); !got) return got;
  auto leaf = node(flat_tree::leaf(index));
  if (!leaf) return leaf.error();
  if (!*leaf) return StorageErrc::not_found;
  if ((*leaf)->size.value != bytes.size() || (*leaf)->hash != leaf_hash(bytes)) return StorageErrc::damaged;
  return {};
}

Result<std::vector<BitfieldPage>> CoreStore::bitfield() {
  constexpr std::uint64_t parts = BitfieldPage::bits / HeldSet::page_bits;
  const keys::Span span = keys::pages_from(core_, 0);
  auto cursor = state_.iterate({.gte = span.first, .lt = span.end});
  if (!cursor) return cursor.error();
  std::vector<BitfieldPage> pages;
  for (;;) {
    const auto more = (*cursor)->next();
    if (!more) return more.error();
    if (!*more) return pages;
    const Bytes bits = (*cursor)->value();
    if (bits.size() > HeldSet::page_bytes) return StorageErrc::damaged;
    const std::uint64_t number = keys::last_u64((*cursor)->key());
    if (pages.empty() || pages.back().page != number / parts) pages.push_back({number / parts, {}});
    pages.back().bytes.resize(number % parts * HeldSet::page_bytes);
    append(pages.back().bytes, bits);
  }
}

Result<void> CoreStore::keep_conflict(const std::vector<Buffer>& trees) {
  invariant(!trees.empty(), "a conflict has trees to show");
  return state_.put(keys::conflict(core_), records::encode_conflict(trees), state_traits(), Durable::yes);
}

Result<std::optional<std::vector<Buffer>>> CoreStore::conflict() {
  auto bytes = read(state_, keys::conflict(core_));
  if (!bytes) return bytes.error();
  if (!*bytes) return std::optional<std::vector<Buffer>>();
  auto trees = records::decode_conflict(**bytes);
  if (!trees) return trees.error();
  return std::optional(std::move(*trees));
}

Result<void> CoreStore::commit(const CoreChange& change, Durable durable) {
  if (sweep_left_)
    if (auto swept = finish_sweep(); !swept) return swept;

  const std::vector<BlockRange> drops = dropped(change);
  if (!drops.empty() && !change.blocks.empty() && !(one_backend() && fits_one_write(change))) {
    // New blocks may take the places of old ones, so the state that names the old ones goes first.
    CoreChange first = change;
    first.blocks = {};
    if (auto done = commit(first, durable); !done) return done;
    CoreChange second;
    second.blocks = change.blocks;
    return commit(second, durable);
  }

  Batch batch;
  const std::size_t items = change.blocks.size() + change.nodes.size();
  batch.reserve(items + 16, 64 * items + 2048);
  HeldSet held(state_, core_, held_);
  bool sweeps = false;
  if (!drops.empty())
    if (auto added = add_deletions(change, drops, held, batch, sweeps); !added) return added;
  if (auto added = add_blocks(change, held, batch, durable); !added) return added;
  for (const TreeNode& node : change.nodes) {
    if (drops.empty())
      if (auto room = make_room(state_, batch, held, sizeof(records::NodeBytes)); !room) return room;
    batch.put_copy(keys::node(core_, node.index), records::encode_node(node).bytes, state_traits());
  }

  held.write_to(batch);
  if (change.manifest) batch.put(keys::manifest(core_), *change.manifest, state_traits());
  Buffer head;
  if (change.head) {
    invariant(change.head->roots.size() == flat_tree::roots(change.head->length).size(),
              "a head has the roots of its length");
    head = records::encode_head(*change.head);
    batch.put(keys::head(core_), head, state_traits());
  }
  if (batch.empty()) return {};
  // What another store deletes afterwards has to stay gone, so the state that stops naming it is synced
  // first.
  if (sweeps && !one_backend()) durable = Durable::yes;
  if (auto written = state_.write(batch, durable); !written) return written;

  held_ = held.count();
  if (change.head) length_ = change.head->length.value;
  sweep_left_ = sweeps;
  return sweeps ? finish_sweep() : Result<void>();
}

bool CoreStore::fits_one_write(const CoreChange& change) const {
  const StoreLimits& limits = state_.limits();
  std::size_t bytes = change.nodes.size() * 64;
  for (const BlockBytes& block : change.blocks) bytes += block.bytes.size() + page_cost;
  const std::size_t operations = 2 * change.blocks.size() + change.nodes.size() + deletes_at_once;
  return operations + records_a_commit < limits.batch_operations && bytes + slack < limits.batch_bytes;
}

// Sends a batch that is full ahead of the rest. Only for what is invisible without the rest, or true without.
Result<void> CoreStore::make_room(Backend& backend, Batch& batch, const HeldSet& held, std::size_t bytes) {
  const StoreLimits& limits = backend.limits();
  const std::size_t operations = batch.size() + held.pages() + records_a_commit;
  const std::size_t all = batch.bytes() + held.pages() * page_cost + bytes + slack;
  if (batch.empty() || (operations < limits.batch_operations && all < limits.batch_bytes)) return {};
  if (auto written = backend.write(batch, Durable::no); !written) return written;
  batch.clear();
  return {};
}

Result<void> CoreStore::add_deletions(const CoreChange& change, std::span<const BlockRange> drops,
                                      HeldSet& held, Batch& batch, bool& sweeps) {
  for (const BlockRange& range : drops)
    if (auto dropped = held.drop(range); !dropped) return dropped;

  if (change.truncate && change.truncate->value > 0) {
    // Parents that reach over the cut lie before it by number. There are few, so they need no search.
    const Length cut = *change.truncate;
    for (TreeIndex at = flat_tree::leaf({cut.value - 1}); at.value <= max_wire_integer;
         at = flat_tree::parent(at))
      if (!flat_tree::within(at, cut)) batch.del(keys::node(core_, at), state_traits());
  }

  // Everything else in this one write, if it fits and lies in this one store.
  Batch found;
  bool fits = one_backend();
  for (std::size_t i = 0; fits && i < drops.size(); ++i) {
    auto indexes = indexes_in(blocks_, keys::blocks(core_, drops[i].begin, drops[i].end), deletes_at_once);
    if (!indexes) return indexes.error();
    fits = indexes->has_value() && found.size() + (*indexes)->size() <= deletes_at_once;
    for (std::size_t n = 0; fits && n < (*indexes)->size(); ++n)
      found.del(keys::block(core_, {(**indexes)[n]}), block_traits());
  }
  if (fits && change.truncate) {
    auto indexes = indexes_in(state_, keys::nodes_from(core_, {2 * change.truncate->value}), deletes_at_once);
    if (!indexes) return indexes.error();
    fits = indexes->has_value() && found.size() + (*indexes)->size() <= deletes_at_once;
    for (std::size_t n = 0; fits && n < (*indexes)->size(); ++n)
      found.del(keys::node(core_, {(**indexes)[n]}), state_traits());
  }
  if (fits) {
    for (std::size_t i = 0; i < found.size(); ++i) batch.del(found[i].key, found[i].traits);
    return {};
  }

  records::Sweep sweep;
  sweep.blocks.assign(drops.begin(), drops.end());
  sweep.kept_blocks = numbers<std::span<const BlockBytes>, BlockIndex>(
      change.blocks, [](const BlockBytes& block) { return block.index; });
  sweep.nodes = change.truncate.has_value();
  if (sweep.nodes) sweep.first_node = {2 * change.truncate->value};
  sweep.kept_nodes = numbers<std::span<const TreeNode>, TreeIndex>(
      change.nodes, [](const TreeNode& node) { return node.index; });
  batch.put_copy(keys::sweep(core_), records::encode_sweep(sweep), state_traits());
  sweeps = true;
  return {};
}

Result<void> CoreStore::add_blocks(const CoreChange& change, HeldSet& held, Batch& batch, Durable durable) {
  Batch apart;
  Batch& target = one_backend() ? batch : apart;
  for (const BlockBytes& block : change.blocks) {
    if (auto room = make_room(blocks_, target, held, block.bytes.size()); !room) return room;
    target.put(keys::block(core_, block.index), block.bytes, block_traits());
    if (auto done = held.hold(block.index); !done) return done;
  }
  return apart.empty() ? Result<void>() : blocks_.write(apart, durable);
}

Result<void> CoreStore::finish_sweep() {
  auto stored = read(state_, keys::sweep(core_));
  if (!stored) return stored.error();
  if (!*stored) {
    sweep_left_ = false;
    return {};
  }
  const auto sweep = records::decode_sweep(**stored);
  if (!sweep) return sweep.error();
  const std::vector<std::uint64_t> kept_blocks = plain(sweep->kept_blocks);
  for (const BlockRange& range : sweep->blocks)
    if (auto done =
            delete_span(blocks_, keys::blocks(core_, range.begin, range.end), block_traits(), kept_blocks);
        !done)
      return done;
  if (sweep->nodes)
    if (auto done = delete_span(state_, keys::nodes_from(core_, sweep->first_node), state_traits(),
                                plain(sweep->kept_nodes));
        !done)
      return done;
  // The record goes last, and not before the deletions in another store are safe.
  if (!one_backend())
    if (auto synced = blocks_.sync(); !synced) return synced;
  if (auto done = delete_one(state_, keys::sweep(core_), state_traits(), Durable::no); !done) return done;
  sweep_left_ = false;
  return {};
}

}  // namespace sheaf
