#include "engine/core/core_work.hpp"

#include <algorithm>

#include "engine/core/held_bytes.hpp"
#include "protocol/authority.hpp"
#include "protocol/codec.hpp"
#include "protocol/prover.hpp"
#include "protocol/verifier.hpp"
#include "sheaf/protocol/invariant.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {
namespace {

// Blocks that are this large on average travel in frames of their own, read straight into place.
constexpr std::uint64_t own_frame_bytes = 4096;

bool large_blocks(const TreeHead& head) {
  return head.length.value > 0 && head.byte_length.value / head.length.value >= own_frame_bytes;
}

Durable durable(const CoreTools& tools, bool synced) {
  return synced || tools.power_safe ? Durable::yes : Durable::no;
}

Buffer encoded(const Manifest& manifest) {
  Buffer out;
  encode_manifest(manifest, out);
  return out;
}

void encode_into(Buffer& out, const Data& data) {
  Writer writer(out);
  encode(writer, data);
}

// Consecutive indexes as runs. Requires: sorted or nearly so; runs come in the order given.
std::vector<BlockRange> runs_of(std::span<const BlockBytes> blocks) {
  std::vector<BlockRange> out;
  for (const BlockBytes& block : blocks) {
    if (!out.empty() && out.back().end == block.index)
      ++out.back().end;
    else
      out.push_back({block.index, block.index + Length{1}});
  }
  return out;
}

// -- Reading.

// The block's bytes behind what `frame` holds; the view is stale once more is appended.
Result<void> read_into(OutgoingFrame& frame, BlockIndex index, const CoreTools& tools) {
  return tools.store.block(index, frame.tail());
}

void serve(Serve& item, Buffer& bodies, bool large, const LocalCore& local, const CoreTools& tools) {
  const IncomingRequest& asked = item.request;
  const ProofRequest& parts = asked.parts;
  const bool block_here = !parts.block || local.have.test(parts.block->index);
  Data data{asked.id, asked.fork, {}, {}};
  Buffer manifest;
  if (asked.manifest && local.manifest) {
    manifest = encoded(*local.manifest);
    data.manifest = manifest;
  }
  const bool answerable = asked.fork == local.head.fork && block_here && !local.frozen;
  if (answerable) {
    auto proof = produce(parts, local.head, prologue_length(local.manifest, local.key), tools.store);
    if (!proof) {
      item.reply =
          proof.error() == ProtocolErrc::refused ? Serve::Reply::invalid : Serve::Reply::not_available;
      return;
    }
    data.proof = std::move(*proof);
  } else if (manifest.empty()) {
    item.reply = asked.fork < local.head.fork ? Serve::Reply::old_fork : Serve::Reply::not_available;
    return;
  }
  if (!data.proof.block) {
    item.body_begin = bodies.size();
    Writer writer(bodies);
    encode(writer, data);
    item.body_end = bodies.size();
    item.reply = Serve::Reply::data;
    return;
  }
  if (!large) {
    Buffer value;
    if (!tools.store.block(parts.block->index, value)) return;
    data.proof.block->value = value;
    item.body_begin = bodies.size();
    Writer writer(bodies);
    encode(writer, data);
    item.body_end = bodies.size();
    item.reply = Serve::Reply::data;
    return;
  }
  std::size_t size = 0;
  if (auto leaf = tools.store.node({2 * parts.block->index.value}); leaf && *leaf) size = (*leaf)->size.value;
  OutgoingFrame frame(size + 64 * data.proof.block->nodes.size() + 1024);
  if (!read_into(frame, parts.block->index, tools)) return;
  data.proof.block->value = frame.content();
  Buffer head;
  Writer head_writer(head);
  encode_head(head_writer, data);
  frame.prepend(head);
  Writer tail_writer(frame.tail());
  encode_tail(tail_writer, data);
  item.frame = std::move(frame);
  item.reply = Serve::Reply::data;
}

// -- Changing.

// The first thing of a core that holds brings the core into the table.
Result<void> commit_verified(const CoreChange& change, const CoreTools& tools, Delta& delta) {
  if (tools.unrecorded) {
    const CoreRecord& record = *tools.unrecorded;
    if (auto added = tools.table.add(record); !added) {
      if (added.error() != StorageErrc::exists) return added.error();
      // The user has asked for it meanwhile.
      auto known = tools.table.find(record.discovery_key);
      if (!known) return known.error();
      invariant(*known && (*known)->id == record.id, "a core has one number");
    }
    delta.recorded = true;
  }
  return tools.store.commit(change, durable(tools, false));
}

Delta do_one(Ingest& ingest, const LocalCore& local, const CoreTools& tools) {
  Delta delta;
  Verifier verifier(local.key, local.head, local.manifest, tools.store, tools.limits);
  std::vector<std::optional<Manifest>> manifests(ingest.items.size());
  std::vector<Incoming> incoming;
  std::vector<Result<void>> verdicts(ingest.items.size());
  incoming.reserve(ingest.items.size());
  const Proof nothing;
  for (std::size_t i = 0; i < ingest.items.size(); ++i) {
    const Data& data = ingest.items[i].data.data;
    if (data.fork != local.head.fork) {  // our tree has left that fork since we asked
      incoming.push_back({&nothing, nullptr});
      continue;
    }
    if (!data.manifest.empty())
      if (auto manifest = decode_manifest(data.manifest, tools.limits)) manifests[i] = std::move(*manifest);
    incoming.push_back({&data.proof, manifests[i] ? &*manifests[i] : nullptr});
  }
  verifier.check_all(incoming, verdicts);

  std::vector<BlockBytes> blocks;
  blocks.reserve(ingest.items.size());
  for (std::size_t i = 0; i < ingest.items.size(); ++i) {
    if (ingest.items[i].data.data.fork != local.head.fork) verdicts[i] = ProtocolErrc::wrong_fork;
    ingest.items[i].verdict = verdicts[i];
    const auto& block = ingest.items[i].data.data.proof.block;
    if (verdicts[i] && block && !local.have.test(block->index))
      blocks.push_back({block->index, block->value});
  }
  Verified learned = verifier.take();
  if (blocks.empty() && learned.nodes.empty() && !learned.head && !learned.manifest) return delta;

  std::ranges::sort(blocks, {}, &BlockBytes::index);
  Buffer manifest;
  CoreChange change;
  change.nodes = learned.nodes;
  change.blocks = blocks;
  if (learned.head) change.head = &*learned.head;
  if (learned.manifest) {
    manifest = encoded(*learned.manifest);
    change.manifest = Bytes(manifest);
  }
  if (auto stored = commit_verified(change, tools, delta); !stored) {
    delta.error = stored.error();
    return delta;
  }
  delta.head = std::move(learned.head);
  delta.manifest = std::move(learned.manifest);
  delta.stored = runs_of(blocks);
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (i == 0 || blocks[i - 1].index != blocks[i].index) delta.stored_bytes.value += blocks[i].bytes.size();
  return delta;
}

// Bytes of held blocks that are about to go. Only what others write has a quota.
Result<ByteCount> bytes_going(BlockRange blocks, const LocalCore& local, const CoreTools& tools) {
  if (tools.signer) return ByteCount{};
  auto bytes = held_bytes(blocks, local.have, local.head, tools.store);
  // A tree with a hole tells nothing: then nothing is counted as gone before the core is opened anew.
  if (!bytes && bytes.error() == ProtocolErrc::missing_node) return ByteCount{};
  return bytes;
}

Delta finish(Reorg&& reorg, const LocalCore& local, const CoreTools& tools) {
  Delta delta;
  Reorg::Outcome outcome = std::move(reorg).outcome();
  const auto going = bytes_going({end_of(outcome.ancestor), end_of(local.head.length)}, local, tools);
  if (!going) {
    delta.error = going.error();
    return delta;
  }
  Buffer manifest;
  CoreChange change;
  change.truncate = outcome.ancestor;
  change.nodes = outcome.nodes;
  change.head = &outcome.head;
  if (outcome.manifest) {
    manifest = encoded(*outcome.manifest);
    change.manifest = Bytes(manifest);
  }
  if (auto stored = commit_verified(change, tools, delta); !stored) {
    delta.error = stored.error();
    return delta;
  }
  delta.truncated = outcome.ancestor;
  delta.truncated_end = local.head.length;
  delta.gone_bytes = *going;
  delta.head = std::move(outcome.head);
  delta.manifest = std::move(outcome.manifest);
  return delta;
}

Delta do_one(ReorgStep& step, const LocalCore& local, const CoreTools& tools) {
  const Data& data = step.item.data.data;
  if (!step.reorg) {
    std::optional<Manifest> sent;
    if (!data.manifest.empty())
      if (auto manifest = decode_manifest(data.manifest, tools.limits)) sent = std::move(*manifest);
    auto begun = Reorg::begin(data.proof, sent ? &*sent : nullptr, data.fork, local.head, local.manifest,
                              local.key, tools.store, tools.limits);
    if (!begun) {
      step.item.verdict = begun.error();
      return {};
    }
    step.reorg = std::make_unique<Reorg>(std::move(*begun));
  } else if (!data.proof.hash) {
    step.item.verdict = ProtocolErrc::invalid_proof;
    return {};
  } else if (auto taken = step.reorg->take(*data.proof.hash, tools.store); !taken) {
    step.item.verdict = taken.error();
    return {};
  }
  if (!step.reorg->finished()) {
    step.candidates = step.reorg->candidates();
    return {};
  }
  Delta delta = finish(std::move(*step.reorg), local, tools);
  step.reorg.reset();
  return delta;
}

// A tree as it is shown unasked; with the manifest, for who has nothing of the core.
void show(const UpgradeProof& tree, Fork fork, Bytes manifest, std::vector<Buffer>& trees) {
  Data data{0, fork, {}, manifest};
  data.proof.upgrade = tree;
  encode_into(trees.emplace_back(), data);
}

Result<Comparison> compare(const ConflictCheck& check, const LocalCore& local, const CoreTools& tools) {
  const Data& shown = check.item.data.data;
  const auto& upgrade = shown.proof.upgrade;
  if (!upgrade) return Comparison::invalid;
  if (check.beside.empty())
    return compare(*upgrade, local.head, local.manifest, local.key, tools.store, tools.limits);
  const auto beside = decode_data(check.beside, tools.limits);
  if (!beside || !beside->proof.upgrade || beside->fork != shown.fork) return Comparison::invalid;
  std::optional<Manifest> sent;
  if (!shown.manifest.empty())
    if (auto manifest = decode_manifest(shown.manifest, tools.limits)) sent = std::move(*manifest);
  return compare(*upgrade, *beside->proof.upgrade, shown.fork, sent ? &*sent : nullptr, local.manifest,
                 local.key, tools.limits);
}

Delta do_one(ConflictCheck& check, const LocalCore& local, const CoreTools& tools) {
  check.outcome = compare(check, local, tools);
  if (!check.outcome || *check.outcome != Comparison::conflict) return {};
  if (local.frozen)  // known, and shown to all: two that were shown it do not go on telling each other
    if (const auto known = tools.store.conflict(); known && *known) return {};
  const Data& shown = check.item.data.data;
  Buffer manifest = to_buffer(shown.manifest);
  if (local.manifest && !is_compat(*local.manifest, local.key)) manifest = encoded(*local.manifest);
  show(*shown.proof.upgrade, shown.fork, manifest, check.trees);
  if (!check.beside.empty()) {
    check.trees.push_back(std::move(check.beside));
  } else {
    ProofRequest own;
    own.upgrade = UpgradeRequest{{}, shown.proof.upgrade->length};
    if (auto proof = produce(own, local.head, prologue_length(local.manifest, local.key), tools.store))
      show(*proof->upgrade, local.head.fork, manifest, check.trees);
  }
  // Of a core that only a peer has named nothing is kept.
  if (tools.unrecorded) return {};
  // Before anybody is told: a core that was frozen stays so, and can show why, whatever happens to us.
  Delta delta;
  if (auto kept = tools.store.keep_conflict(check.trees); !kept) delta.error = kept.error();
  return delta;
}

// Signs `head` for the core's own manifest.
void sign(TreeHead& head, const LocalCore& local, const CoreTools& tools) {
  head.signature = sign_head(head, local.manifest, local.key, *tools.signer);
}

Delta failed(Error error) {
  Delta delta;
  delta.error = error;
  return delta;
}

Delta do_one(Append& append, const LocalCore& local, const CoreTools& tools) {
  if (!tools.signer) return failed(EngineErrc::not_writable);
  TreeHead start = local.head;
  if (append.new_fork) ++start.fork.value;
  std::vector<Buffer> sealed;
  std::vector<Bytes> views;
  BlockIndex next = end_of(start.length);
  for (Append::Part& part : append.parts) {
    for (Buffer& block : part.blocks) {
      if (tools.encryption) block = tools.encryption->seal(next, start.fork, block);
      views.push_back(block);
      ++next;
    }
    part.end = Length{next.value};
  }
  auto grown = append_blocks(start, views);
  if (!grown) return failed(EngineErrc::out_of_range);
  sign(grown->head, local, tools);

  if (append.recovered)
    if (auto taken_off = tools.table.recovered(tools.id); !taken_off) return failed(taken_off.error());
  if (!append.synced && !tools.power_safe)
    if (auto marked = tools.table.mark_unsynced(tools.id); !marked) return failed(marked.error());
  std::vector<BlockBytes> blocks;
  blocks.reserve(views.size());
  for (std::size_t i = 0; i < views.size(); ++i)
    blocks.push_back({BlockIndex{start.length.value + i}, views[i]});
  CoreChange change;
  change.nodes = grown->nodes;
  change.blocks = blocks;
  change.head = &grown->head;
  if (auto stored = tools.store.commit(change, durable(tools, append.synced)); !stored)
    return failed(stored.error());
  // Stored on its own fork, the history is no longer in doubt.
  if (append.new_fork)
    if (auto taken_off = tools.table.recovered(tools.id); !taken_off) return failed(taken_off.error());
  Delta delta;
  delta.head = std::move(grown->head);
  if (!blocks.empty()) delta.stored.push_back({end_of(start.length), next});
  return delta;
}

Delta do_one(Truncate& truncate, const LocalCore& local, const CoreTools& tools) {
  if (!tools.signer) return failed(EngineErrc::not_writable);
  if (truncate.length > local.head.length) return failed(EngineErrc::out_of_range);
  if (truncate.length < prologue_length(local.manifest, local.key)) return failed(EngineErrc::out_of_range);
  const Fork fork = truncate.fork.value_or(Fork{local.head.fork.value + 1});
  if (fork <= local.head.fork || fork.value > max_wire_integer) return failed(EngineErrc::out_of_range);
  auto head = head_at(local.head, truncate.length, tools.store);
  if (!head) return failed(head.error());
  head->fork = fork;
  sign(*head, local, tools);
  CoreChange change;
  change.truncate = truncate.length;
  change.head = &*head;
  if (auto stored = tools.store.commit(change, durable(tools, truncate.synced)); !stored)
    return failed(stored.error());
  Delta delta;
  delta.truncated = truncate.length;
  delta.truncated_end = local.head.length;
  delta.head = std::move(*head);
  return delta;
}

Delta do_one(Clear& clear, const LocalCore& local, const CoreTools& tools) {
  const BlockRange blocks{clear.blocks.begin, std::min(clear.blocks.end, end_of(local.head.length))};
  if (blocks.empty()) return {};
  const auto going = bytes_going(blocks, local, tools);
  if (!going) return failed(going.error());
  CoreChange change;
  change.clear = std::span(&blocks, 1);
  if (auto stored = tools.store.commit(change, durable(tools, false)); !stored) return failed(stored.error());
  Delta delta;
  delta.cleared.push_back(blocks);
  delta.gone_bytes = *going;
  return delta;
}

}  // namespace

Result<Buffer> CoreView::block(BlockIndex index) const {
  if (!has(index)) return EngineErrc::not_available;
  Buffer block;
  if (auto got = tools_.store.block(index, block); !got)
    return got.error() == StorageErrc::not_found ? Error(EngineErrc::not_available) : got.error();
  if (!tools_.encryption) return block;
  auto plain = tools_.encryption->open_in_place(index, block);
  if (!plain) return plain.error();
  return to_buffer(*plain);
}

void do_reads(Reads& reads, const LocalCore& local, const CoreTools& tools) {
  const CoreView view(local, tools);
  for (BlockRead& read : reads.blocks) read.block = view.block(read.index);
  const ByteCount padding = tools.encryption ? block_padding : ByteCount{};
  for (SeekRead& read : reads.seeks) read.found = seek(read.bytes, local.head, tools.store, padding);
  for (CoreJob& job : reads.jobs) job.run(view);
  const bool large = large_blocks(local.head);
  // The items of one peer lie next to each other: it has one batch at a time.
  AttachmentId peer{};
  std::uint64_t made = 0;
  for (Serve& item : reads.serves) {
    if (item.attachment != peer) made = 0;
    peer = item.attachment;
    if (made >= serve_bytes) {
      item.reply = Serve::Reply::later;
      continue;
    }
    serve(item, reads.bodies, large, local, tools);
    made += item.frame ? item.frame->size() : item.body_end - item.body_begin;
  }
}

Delta do_change(Mutation& change, const LocalCore& local, const CoreTools& tools) {
  return std::visit([&](auto& one) { return do_one(one, local, tools); }, change);
}

}  // namespace sheaf
