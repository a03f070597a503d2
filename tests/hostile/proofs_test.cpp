// Proofs that do not hold: none of them is stored, and whoever sent it is refused for a while.
#include "tests/hostile/liar.hpp"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

// Nothing of the followed core was learned.
bool nothing_stored(HostileWorld& world) {
  const CoreInfo info = world.info(world.followed());
  return info.length == Length{0} && info.local == Length{0};
}

// The session that answers its first upgrade with this lie.
SessionEnd end_of(HostileWorld& world, const Liar::Lie& lie) {
  Liar liar(world, world.writer);
  liar.announce();
  const auto request = liar.asked();
  REQUIRE(request.has_value());
  REQUIRE(request->proof.upgrade.has_value());
  liar.answer(*request, lie);
  return liar.peer().ended();
}

void flip(Bytes at, std::size_t bit) {
  // The view is of the test's own buffers.
  auto* bytes = const_cast<std::byte*>(at.data());
  bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
}

// Another honest node that follows the same core, and may be reached.
class Neighbour {
 public:
  explicit Neighbour(HostileWorld& world)
      : world_(world), store_(memory_backend({.random = &world.random()})) {
    REQUIRE(store_->open().has_value());
    node_ = *world.run(Node::open(*store_, world.environment()));
    copy_.emplace(*world.run(node_->follow(world.writer.key)));
    address_ = *world.run(node_->listen(Address{.host = "127.0.0.1"}));
  }

  Core& copy() { return *copy_; }
  const Address& address() const { return address_; }
  void meet(const Address& address) { world_.spawn(stay(*node_, address)); }
  void close() { world_.run(node_->close()); }

 private:
  static awaitable<void> stay(Node& node, Address address) {
    [[maybe_unused]] const auto ended = co_await node.connect(std::move(address), Until::ended);
  }

  HostileWorld& world_;
  std::unique_ptr<Backend> store_;
  std::unique_ptr<Node> node_;
  std::optional<Core> copy_;
  Address address_;
};

// Followed up to the log's length, without its blocks.
void learn_length(HostileWorld& world) {
  Liar honest(world, world.writer);
  honest.announce(BlockRange{});
  honest.serve();
  REQUIRE(world.info(world.followed()).length == world.writer.head.length);
  honest.peer().end();
  CHECK(honest.peer().ended() == SessionEnd::remote_ended);
}

}  // namespace

TEST_CASE_TEMPLATE(
    "proof_flip: an altered signature, node hash or node size ends the session and nothing is stored", World,
    HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(5);
  for (const std::size_t bit : {0, 100, 300, 511}) {
    Buffer signature;
    CHECK(end_of(world, [&](const Request&, Data& data) {
            signature = to_buffer(data.proof.upgrade->signature);
            flip(signature, 8 * (signature.size() - 64) + bit);
            data.proof.upgrade->signature = signature;
          }) == SessionEnd::invalid_proof);
    CHECK(nothing_stored(world));
  }
  CHECK(end_of(world, [](const Request&, Data& data) {
          data.proof.upgrade->nodes.front().hash.value[5] ^= std::byte{1};
        }) == SessionEnd::invalid_proof);
  CHECK(end_of(world, [](const Request&, Data& data) { ++data.proof.upgrade->nodes.front().size.value; }) ==
        SessionEnd::invalid_proof);
  CHECK(nothing_stored(world));
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "proof_missing_node, extra_node, duplicate_node, wrong_order: only the exact set of nodes holds", World,
    HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(7);
  using Nodes = std::vector<TreeNode>;
  const std::function<void(Nodes&)> lies[] = {
      [](Nodes& nodes) { nodes.pop_back(); },
      [](Nodes& nodes) {
        nodes.push_back(TreeNode{TreeIndex{200}, ByteCount{1}, {}});
      },
      [](Nodes& nodes) { nodes.push_back(nodes.back()); },
      [](Nodes& nodes) { std::reverse(nodes.begin(), nodes.end()); },
  };
  for (const auto& lie : lies) {
    Liar liar(world, world.writer);
    liar.announce();
    const auto request = liar.asked();
    REQUIRE(request.has_value());
    liar.answer(*request, [&](const Request&, Data& data) {
      REQUIRE(data.proof.upgrade->nodes.size() > 1);
      lie(data.proof.upgrade->nodes);
    });
    CHECK_FALSE(liar.asked().has_value());  // ended, or never asked again
    CHECK(nothing_stored(world));
    liar.peer().close();
  }
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "an altered block is not stored, the fourth one ends the session, and an honest peer brings the true "
    "ones",
    World, HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(12);
  learn_length(world);
  const auto altered = [](Buffer& copy) {
    return [&copy](const Request&, Data& data) {
      if (!data.proof.block) return;
      copy = to_buffer(data.proof.block->value);
      copy.push_back(std::byte{1});
      data.proof.block->value = copy;
    };
  };
  Buffer copy;
  Liar liar(world, world.writer);
  liar.knows(Length{12});
  liar.announce();
  liar.serve(altered(copy));
  CHECK(liar.peer().ended() == SessionEnd::invalid_proof);
  CHECK(world.info(world.followed()).local == Length{0});
  Liar honest(world, world.writer);
  honest.knows(Length{12});
  honest.announce();
  honest.serve();
  CHECK(world.info(world.followed()).local == Length{12});
  for (std::uint64_t i = 0; i < 12; ++i) {
    const auto block = world.run(world.followed().get(BlockIndex{i}, Core::From::here));
    REQUIRE(block.has_value());
    CHECK(equal(*block, rule_block(i)));
  }
  honest.peer().close();
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "proof_parent_as_leaf and leaf_as_parent: a block that spells a parent's hashes is no parent", World,
    HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(4);
  learn_length(world);
  // Two children as bytes, given out as the block whose hash their parent would have.
  Buffer children;
  for (const std::uint64_t index : {0, 2})
    append(children, world.writer.nodes.nodes.at(TreeIndex{index}).hash.bytes());
  Liar liar(world, world.writer);
  liar.knows(Length{4});
  liar.announce();
  liar.serve([&](const Request&, Data& data) {
    if (data.proof.block) data.proof.block->value = children;
  });
  CHECK(liar.peer().ended() == SessionEnd::invalid_proof);
  CHECK(world.info(world.followed()).local == Length{0});
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "proof_10^6_nodes: more nodes than a proof has, sent or only claimed, end the session before anything is "
    "hashed",
    World, HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(3);
  CHECK(end_of(world, [](const Request&, Data& data) { data.proof.upgrade->nodes.resize(10'000); }) ==
        SessionEnd::malformed_proof);
  Liar liar(world, world.writer);
  liar.announce();
  const auto request = liar.asked();
  REQUIRE(request.has_value());
  // Request, fork, flags (an upgrade), start, length, and how many nodes follow; none does.
  liar.peer().say(liar.channel(), static_cast<std::uint64_t>(MessageType::data),
                  numbers({request->id, 0, 8, 0, 3, 1'000'000}));
  const SessionEnd claimed = liar.peer().ended();
  CHECK((claimed == SessionEnd::malformed_proof || claimed == SessionEnd::malformed_message));
  CHECK(nothing_stored(world));
  world.unharmed();
}

TEST_CASE_TEMPLATE("signatures of another length, fork, key or namespace do not hold", World, HostileWorld,
                   ThreadedWorld) {
  World world;
  world.writer.append(4);
  const Buffer old_signature = world.writer.states.at({0, 3}).signature;
  CHECK(end_of(world, [&](const Request&, Data& data) { data.proof.upgrade->signature = old_signature; }) ==
        SessionEnd::invalid_proof);

  TreeHead other = world.writer.head;
  other.fork = Fork{3};
  const Buffer other_fork = sign_head(other, world.writer.manifest, world.writer.key, world.writer.keys);
  CHECK(end_of(world, [&](const Request&, Data& data) { data.proof.upgrade->signature = other_fork; }) ==
        SessionEnd::invalid_proof);

  // The same signer for a manifest, and so a core, of its own; and with the context of no core at all.
  Manifest elsewhere = *world.writer.manifest;
  elsewhere.signers.front().context = Hash{};
  const Buffer other_core = sign_head(world.writer.head, elsewhere, core_key(elsewhere), world.writer.keys);
  CHECK(end_of(world, [&](const Request&, Data& data) { data.proof.upgrade->signature = other_core; }) ==
        SessionEnd::invalid_proof);
  const Buffer compat = sign_head(world.writer.head, std::nullopt, world.writer.key, world.writer.keys);
  Buffer bare = to_buffer(Bytes(old_signature).first(old_signature.size() - 64));
  append(bare, Bytes(compat).last(64));
  CHECK(end_of(world, [&](const Request&, Data& data) { data.proof.upgrade->signature = bare; }) ==
        SessionEnd::invalid_proof);
  CHECK(nothing_stored(world));
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "manifest_wrong_hash, quorum 0 and quorum 65: only the manifest that hashes to the key is taken", World,
    HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(2);
  const Manifest& right = *world.writer.manifest;
  Manifest other = default_manifest(key_pair_of(50).public_key);
  Manifest none = right, many = right;
  none.quorum = 0;
  many.quorum = 65;
  for (const Manifest& wrong : {other, none, many}) {
    Buffer bytes;
    encode_manifest(wrong, bytes);
    CHECK(end_of(world, [&](const Request&, Data& data) { data.manifest = bytes; }) ==
          SessionEnd::invalid_proof);
    CHECK(nothing_stored(world));
  }
  Manifest crowd = right;
  crowd.signers.resize(10'000, right.signers.front());
  Buffer bytes;
  encode_manifest(crowd, bytes);
  CHECK(end_of(world, [&](const Request&, Data& data) { data.manifest = bytes; }) ==
        SessionEnd::malformed_proof);
  world.unharmed();
}

TEST_CASE_TEMPLATE("after an invalid proof the peer's key is refused for ten minutes, then for twenty", World,
                   HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(3);
  const KeyPair keys = ScriptedPeer::fresh_keys(world);
  const auto lie = [&] {
    Liar liar(world, world.writer, keys);
    liar.announce();
    const auto request = liar.asked();
    REQUIRE(request.has_value());
    liar.answer(*request, [](const Request&, Data& data) { ++data.proof.upgrade->nodes.front().size.value; });
    return liar.peer().ended();
  };
  const auto refused = [&] {
    ScriptedPeer peer(world, keys);
    peer.write(peer.first_flight());
    peer.read_second_flight();
    peer.write(peer.third_flight());
    return peer.ended() == SessionEnd::refused_key;
  };
  CHECK(lie() == SessionEnd::invalid_proof);
  CHECK(refused());
  world.pass(9min);
  CHECK(refused());
  world.pass(2min);
  CHECK(lie() == SessionEnd::invalid_proof);
  world.pass(11min);
  CHECK(refused());
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "equivocation: a second tree of the same length and fork freezes the core, and its prefix stays "
    "readable",
    World, HostileWorld, ThreadedWorld) {
  for (const bool longer : {false, true}) {
    World world;
    world.writer.append(6);
    Liar first(world, world.writer);
    first.announce(BlockRange{{0}, {2}});
    first.serve();
    REQUIRE(world.info(world.followed()).local == Length{2});
    REQUIRE(world.info(world.followed()).length == Length{6});

    LogWriter second(key_pair_of(7));
    second.append(3);
    second.append(longer ? 5 : 3, 9);
    Liar other(world, second);
    other.knows(Length{6});
    other.announce();
    other.serve();
    CHECK(world.until([&] { return world.frozen(); }, 10s));
    CHECK(world.info(world.followed()).frozen);
    CHECK(world.info(world.followed()).length == Length{6});
    for (std::uint64_t i = 0; i < 2; ++i) {
      const auto block = world.run(world.followed().get(BlockIndex{i}, Core::From::here));
      REQUIRE(block.has_value());
      CHECK(equal(*block, rule_block(i)));
    }
    first.peer().close();
    other.peer().close();
    world.unharmed();
  }
}

TEST_CASE_TEMPLATE(
    "equivocation: a third peer that meets both sides brings the two histories together, and all are frozen",
    World, HostileWorld, ThreadedWorld) {
  for (const bool victim_first : {true, false}) {
    CAPTURE(victim_first);
    World world;
    world.writer.append(6);
    LogWriter second(key_pair_of(7));
    second.append(3);
    second.append(3, 9);
    Neighbour other(world), third(world);
    {
      Liar here(world, world.writer), there(world, second, other.address());
      here.announce(BlockRange{{0}, {2}});
      here.serve();
      there.announce(BlockRange{{2}, {6}});
      there.serve();
    }
    REQUIRE(world.info(world.followed()).local == Length{2});
    REQUIRE(world.info(other.copy()).local == Length{4});

    // Neither has what the other has, so the third asks both; what the second one gives does not fit.
    third.meet(victim_first ? world.address() : other.address());
    REQUIRE(
        world.until([&] { return world.info(third.copy()).local == Length{victim_first ? 2u : 4u}; }, 10s));
    CHECK_FALSE(world.frozen());
    third.meet(victim_first ? other.address() : world.address());
    CHECK(world.until(
        [&] { return world.frozen() && world.info(other.copy()).frozen && world.info(third.copy()).frozen; },
        10s));
    CHECK(world.info(world.followed()).frozen);
    // What was verified before stays readable.
    const auto reads = [&](Core& core, std::uint64_t index) {
      const auto block = world.run(core.get(BlockIndex{index}, Core::From::here));
      return block && equal(*block, rule_block(index));
    };
    CHECK(reads(world.followed(), 1));
    CHECK(reads(other.copy(), 2));
    CHECK(reads(third.copy(), victim_first ? 1 : 2));
    third.close();
    other.close();
    world.unharmed();
  }
}

TEST_CASE_TEMPLATE(
    "a writer asks whoever holds its core for a tree; one that refuses is waited for no longer, and asked "
    "again "
    "when it claims more",
    World, HostileWorld, ThreadedWorld) {
  World world;
  ScriptedPeer peer(world);
  peer.secure();
  const std::uint64_t channel = peer.open_core(world.own().key());
  const auto claim = [&](std::uint64_t length) {
    SyncMessage sync;
    sync.length = Length{length};
    sync.can_upgrade = true;
    peer.say(channel, MessageType::sync, sync);
  };
  for (const std::uint64_t length : {HostileWorld::own_blocks - 4, HostileWorld::own_blocks}) {
    CAPTURE(length);
    claim(length);
    const auto body = peer.hear(channel, MessageType::request);
    REQUIRE(body.has_value());
    const auto asked = decode_request(*body);
    REQUIRE(asked.has_value());
    CHECK(asked->id == 0);
    REQUIRE(asked->proof.upgrade.has_value());
    CHECK(asked->proof.upgrade->start == Length{0});
    CHECK(asked->proof.upgrade->length == Length{length});
    peer.say(channel, MessageType::no_data, NoData{0, NoDataReason::not_available});
  }
  CHECK_FALSE(peer.hear(channel, MessageType::request).has_value());
  CHECK_FALSE(world.frozen());
  CHECK(peer.alive());
  peer.close();
  world.unharmed();
}

TEST_CASE_TEMPLATE(
    "truncate_rollback: a signed higher fork is followed, and blocks of the old one are not given out as "
    "new",
    World, HostileWorld, ThreadedWorld) {
  World world;
  world.writer.append(6);
  Liar before(world, world.writer);
  before.announce();
  before.serve();
  REQUIRE(world.info(world.followed()).local == Length{6});
  before.peer().close();

  world.writer.truncate(Length{2}, Fork{1});
  world.writer.append(1, 5);
  Liar after(world, world.writer);
  after.announce();
  after.serve();
  const CoreInfo info = world.info(world.followed());
  CHECK(info.fork == Fork{1});
  CHECK(info.length == Length{3});
  CHECK(info.local == Length{3});
  const auto block = world.run(world.followed().get(BlockIndex{2}, Core::From::here));
  REQUIRE(block.has_value());
  CHECK(equal(*block, world.writer.blocks[2]));
  CHECK_FALSE(world.run(world.followed().get(BlockIndex{4}, Core::From::here)).has_value());
  after.peer().close();
  world.unharmed();
}
