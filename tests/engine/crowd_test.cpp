// One core with many peers: what an event of one of them costs, and that whatever one gives back is asked of
// another. The peers are scripted, over frames; there are no sessions.
#include <deque>
#include <memory>
#include <set>

#include "protocol/signables.hpp"
#include "tests/support/bare_cores.hpp"
#include "tests/support/log_world.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

// A peer, and the session with it: it says what the test tells it to, and keeps what it is asked.
class CrowdPeer final : public SessionPort {
 public:
  CrowdPeer(OpenCore& core, const Limits& limits) : core_(core), ours_(limits), theirs_(limits) {
    channel_.emplace(core.local(), ours_, limits);
    channel_->open(Role::initiator, {});
    core.replicator().attach(*channel_, *this);
  }
  ~CrowdPeer() { leave(); }

  void open() {
    Buffer handshake;
    Writer writer(handshake);
    const CoreKey& key = core_.local().key;
    encode(writer, ChannelHandshake{true, capability(key, {}, Role::responder)});
    id_ = theirs_.open(core_protocol, discovery_key(key).bytes(), handshake);
    carry();
  }
  // It has all blocks of a core of this length, as it knows ours to be of `acked`.
  void sync(std::uint64_t length, std::uint64_t acked, bool can_upgrade) {
    SyncMessage message;
    message.length = {length};
    message.remote_length = {acked};
    message.can_upgrade = can_upgrade;
    message.has_manifest = true;
    say(MessageType::sync, message);
  }
  void have(std::uint64_t blocks) { say(MessageType::range, RangeMessage{false, {}, {blocks}}); }
  void answer(const Request& request, LogWriter& log) {
    Data data{request.id, request.fork, {}, {}};
    Buffer manifest;
    if (request.manifest) {
      encode_manifest(*log.manifest, manifest);
      data.manifest = manifest;
    }
    auto proof = log.answer(request.proof);
    REQUIRE(proof.has_value());
    data.proof = std::move(*proof);
    say(MessageType::data, data);
  }
  void refuse(const Request& request) {
    say(MessageType::no_data, NoData{request.id, NoDataReason::not_available});
  }
  void ask_block(std::uint64_t id, std::uint64_t block) {
    ProofRequest parts;
    parts.block = BlockRequest{{block}, 0};
    say(MessageType::request, Request{id, {}, parts, false, 0});
  }
  void leave() {
    if (!channel_) return;
    core_.replicator().detach(*channel_);
    channel_.reset();
  }

  // What was said on either side is heard by the other.
  void carry() {
    for (bool said = true; said;) {
      said = false;
      while (auto frame = ours_.next_frame()) {
        said = true;
        hear(theirs_, frame->content(), [&](const MuxEvent& event) {
          const auto* message = std::get_if<ChannelMessage>(&event);
          if (!message) return;
          if (message->type == static_cast<std::uint64_t>(MessageType::request))
            asked.push_back(*decode_request(message->body));
          if (message->type == static_cast<std::uint64_t>(MessageType::data)) ++answers;
        });
      }
      while (auto frame = theirs_.next_frame()) {
        said = true;
        hear(ours_, frame->content(), [&](const MuxEvent& event) {
          if (const auto* opened = std::get_if<ChannelOpened>(&event)) {
            CHECK_FALSE(channel_->opened(opened->handshake, {}).has_value());
            core_.replicator().opened(*channel_);
          }
          if (const auto* message = std::get_if<ChannelMessage>(&event))
            CHECK_FALSE(channel_->receive(message->type, message->body, Slab(), {}).has_value());
        });
        core_.replicator().process(*channel_);
      }
    }
  }
  void serve_more() { core_.replicator().serve_more(*channel_); }

  std::deque<Request> asked;  // of it, and not answered yet
  std::size_t answers = 0;    // that it was given
  std::size_t moved = 0;      // times that its session was told to look at it
  bool room = true;

 private:
  void flush() override {}
  void expect_answer() override {}
  void channel_moved(CoreChannel&) override { ++moved; }
  void end(SessionEnd) override { FAIL("no session ends here"); }
  bool has_send_room() const override { return room; }
  void count_received(std::uint64_t) override {}
  void count_sent(std::uint64_t) override {}
  bool forgive_bad_block() override { return false; }
  bool forgive_invalid_request() override { return false; }

  template <class Message>
  void say(MessageType type, const Message& message) {
    theirs_.send_with(id_, static_cast<std::uint64_t>(type), [&](Writer& body) { encode(body, message); });
    carry();
  }
  template <class On>
  void hear(Mux& mux, Bytes frame, On on) {
    mux.receive(heard_.emplace_back(to_buffer(frame)), {});
    do {
      while (const auto event = mux.next_event()) on(*event);
    } while (mux.intake() == Intake::has_more);
  }

  OpenCore& core_;
  Mux ours_;
  Mux theirs_;
  std::optional<CoreChannel> channel_;
  LocalId id_{};
  std::deque<Buffer> heard_;  // what is being verified lies in it
};

// An open core and those who come to it.
class Crowd {
 public:
  explicit Crowd(std::uint64_t blocks) : log(key_pair_of(7)) { log.append(blocks); }
  ~Crowd() { peers.clear(); }  // before the core goes that they came to

  // The core is ours, with all that is in the log.
  void write() {
    Seed seed{};
    seed.bytes()[0] = std::byte{7};
    core = &cores_.create(seed);
    REQUIRE(core->local().key == log.key);
    cores_.append(*core, log.blocks);
  }
  void follow() { core = &cores_.follow(log.key); }

  CrowdPeer& come() { return *peers.emplace_back(std::make_unique<CrowdPeer>(*core, cores_.limits())); }
  // Until the core's work is done and everything was heard.
  void settle() {
    cores_.settle();
    for (const auto& peer : peers) peer->carry();
    cores_.settle();
  }
  // Peers of whom something is asked.
  std::vector<std::size_t> owing() const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < peers.size(); ++i)
      if (!peers[i]->asked.empty()) out.push_back(i);
    return out;
  }
  void start_update(Told<Result<Length>>& told) { start(cores_.world().io, core->update(), told); }
  std::size_t changes() const { return cores_.changes(); }

  LogWriter log;
  OpenCore* core = nullptr;
  std::vector<std::unique_ptr<CrowdPeer>> peers;

 private:
  BareCores cores_;
};

constexpr std::size_t many = 200;
// Looks that one peer may cost, whatever the number of the others: it opens, says its length twice, tells its
// blocks, shows its tree, and that is compared.
constexpr std::uint64_t looks_each = 8;

}  // namespace

TEST_CASE("readers of a core that is written here cost looks at themselves, and not at one another") {
  Crowd crowd(8);
  crowd.write();
  const std::size_t changes = crowd.changes();
  const std::uint64_t before = crowd.core->replicator().looks();
  for (std::size_t i = 0; i < many; ++i) crowd.come();
  for (const auto& peer : crowd.peers) peer->open();
  for (const auto& peer : crowd.peers) peer->sync(0, 0, false);
  for (const auto& peer : crowd.peers) peer->sync(8, 8, false);
  crowd.settle();
  for (const auto& peer : crowd.peers) {
    // Whoever has blocks of ours is asked for its tree: another may write with our key.
    REQUIRE(peer->asked.size() == 1);
    CHECK(peer->asked[0].proof.upgrade == UpgradeRequest{{}, {8}});
    CHECK(peer->moved == 0);
    peer->answer(peer->asked[0], crowd.log);
  }
  crowd.settle();
  CHECK(crowd.core->replicator().looks() - before <= looks_each * many);
  CHECK(crowd.changes() == changes);  // equal trees are no news for the other sessions
  for (const auto& peer : crowd.peers) CHECK(peer->moved == 1);
}

TEST_CASE("what one of many peers does not give is asked of the next, and of nobody else") {
  Crowd crowd(8);
  crowd.follow();
  const std::uint64_t before = crowd.core->replicator().looks();
  for (std::size_t i = 0; i < many; ++i) crowd.come();
  for (const auto& peer : crowd.peers) peer->open();
  for (const auto& peer : crowd.peers) peer->sync(8, 0, true);
  for (const auto& peer : crowd.peers) peer->have(8);
  crowd.settle();
  CHECK(crowd.core->replicator().looks() - before <= looks_each * many);
  REQUIRE(crowd.owing() == std::vector<std::size_t>{0});
  REQUIRE(crowd.peers[0]->asked.size() == 1);
  CHECK(crowd.peers[0]->asked[0].proof.upgrade == UpgradeRequest{{}, {8}});

  crowd.peers[0]->refuse(crowd.peers[0]->asked[0]);
  crowd.peers[0]->asked.clear();
  crowd.settle();
  REQUIRE(crowd.owing() == std::vector<std::size_t>{1});
  crowd.peers[1]->leave();
  crowd.peers[1]->asked.clear();
  crowd.settle();
  REQUIRE(crowd.owing() == std::vector<std::size_t>{2});
  const Request upgrade = crowd.peers[2]->asked[0];
  crowd.peers[2]->asked.clear();
  crowd.peers[2]->answer(upgrade, crowd.log);
  crowd.settle();
  CHECK(crowd.core->local().head.length == Length{8});

  // Each block is asked of one peer; when that one leaves, of another.
  const auto blocks_asked = [&] {
    std::multiset<std::uint64_t> out;
    for (const auto& peer : crowd.peers)
      for (const Request& request : peer->asked)
        if (request.proof.block) out.insert(request.proof.block->index.value);
    return out;
  };
  std::multiset<std::uint64_t> all{0, 1, 2, 3, 4, 5, 6, 7};
  if (upgrade.proof.block) all.erase(upgrade.proof.block->index.value);
  REQUIRE(blocks_asked() == all);
  const auto first = crowd.owing().front();
  crowd.peers[first]->leave();
  crowd.peers[first]->asked.clear();
  crowd.settle();
  REQUIRE(blocks_asked() == all);
  for (const auto& peer : crowd.peers)
    for (; !peer->asked.empty(); peer->asked.pop_front()) peer->answer(peer->asked.front(), crowd.log);
  crowd.settle();
  CHECK(crowd.core->local().have.count() == Length{8});
  CHECK(crowd.owing().empty());
}

TEST_CASE("peers that leave and owe nothing cost no look at the others") {
  Crowd crowd(8);
  crowd.write();
  for (std::size_t i = 0; i < many; ++i) crowd.come().open();
  for (const auto& peer : crowd.peers) peer->sync(0, 0, false);
  crowd.settle();
  const std::uint64_t before = crowd.core->replicator().looks();
  for (const auto& peer : crowd.peers) peer->leave();
  crowd.settle();
  CHECK(crowd.core->replicator().looks() == before);
}

TEST_CASE("whoever waits for an update hears of it when the last peer has nothing more, in any order") {
  Crowd crowd(8);
  crowd.write();
  for (std::size_t i = 0; i < 6; ++i) crowd.come().open();
  Told<Result<Length>> update;
  crowd.start_update(update);
  for (const std::size_t i : {4, 0, 1, 2}) {
    crowd.peers[i]->sync(0, 0, false);
    crowd.settle();
    CHECK_FALSE(update.done);
  }
  crowd.peers[1]->sync(9, 0, false);  // more than is here, and nothing that could be asked for
  crowd.settle();
  for (const std::size_t i : {5, 3}) {
    crowd.peers[i]->sync(0, 0, false);
    crowd.settle();
    CHECK_FALSE(update.done);
  }
  crowd.peers[1]->sync(0, 0, false);
  crowd.settle();
  REQUIRE(update.done);
  CHECK(*taken(update) == Length{8});
}

TEST_CASE("of many peers each is answered in full, and one without room once it has some") {
  Crowd crowd(8);
  crowd.write();
  constexpr std::uint64_t requests = 1500;  // more than one batch
  for (std::size_t i = 0; i < 3; ++i) crowd.come().open();
  for (const auto& peer : crowd.peers) peer->sync(0, 0, false);
  CrowdPeer& full = *crowd.peers[1];
  full.room = false;
  for (const auto& peer : crowd.peers)
    for (std::uint64_t id = 1; id <= requests; ++id) peer->ask_block(id, id % 8);
  crowd.settle();
  CHECK(crowd.peers[0]->answers == requests);
  CHECK(full.answers == 0);
  CHECK(crowd.peers[2]->answers == requests);
  full.room = true;
  full.serve_more();
  crowd.settle();
  CHECK(full.answers == requests);
}
