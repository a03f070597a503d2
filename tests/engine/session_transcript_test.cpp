// Recorded sessions of two Node peers, with us in the place of one of them: what we say has to be what
// section 12 of the replication protocol demands, and every answer has to be the recorded one, byte for byte.
#include <deque>
#include <map>
#include <set>

#include "protocol/signables.hpp"
#include "tests/support/bare_cores.hpp"
#include "tests/support/channel_talk.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;
using Lines = std::vector<std::string>;

namespace {

const json& session(const std::string& name) { return vectors("wire/session-" + name + ".json"); }

struct Message {
  std::uint64_t type;
  Buffer body;
  std::string line() const { return line_of(type, body); }
};

// What one side's frames say on the channel, and how it opened it.
class Ear {
 public:
  explicit Ear(const json& file) : mux_(limits_) {
    mux_.open(core_protocol, unhex(file["discoveryKey"]), {});
    while (mux_.next_frame()) {
    }
  }
  std::vector<Message> hear(Bytes frame) {
    std::vector<Message> out;
    const Buffer kept = to_buffer(frame);
    mux_.receive(kept, {});
    while (const auto event = mux_.next_event()) {
      if (const auto* opened = std::get_if<ChannelOpened>(&*event)) handshake = to_buffer(opened->handshake);
      if (const auto* message = std::get_if<ChannelMessage>(&*event))
        out.push_back({message->type, to_buffer(message->body)});
    }
    return out;
  }
  Buffer handshake;

 private:
  Limits limits_;
  Mux mux_;
};

// One core of ours on one channel, over frames: everything of the engine but its sessions.
class Side final : private SessionPort {
 public:
  Side(const json& file, bool writer, bool sparse = false)
      : cores_(sparse),
        core_(writer ? cores_.create(Seed::from(unhex(file["writerSeed"])))
                     : cores_.follow(unhex_as<CoreKey>(file["key"]))),
        mux_(cores_.limits()),
        ear_(file) {
    CHECK(core_.local().key == unhex_as<CoreKey>(file["key"]));
    if (writer) {
      std::vector<Buffer> blocks;
      for (const json& block : file["blocks"]) blocks.push_back(unhex(block));
      append(std::move(blocks));
    }
    channel_.emplace(core_.local(), mux_, cores_.limits());
    // The reader began the stream.
    channel_->open(writer ? Role::responder : Role::initiator, unhex_as<WideHash>(file["handshakeHash"]));
    core_.replicator().attach(*channel_, *this);
    settle();
  }
  ~Side() { core_.replicator().detach(*channel_); }

  OpenCore& core() { return core_; }
  const Buffer& handshake() const { return ear_.handshake; }

  void append(std::vector<Buffer> blocks) { cores_.append(core_, std::move(blocks)); }
  void truncate(std::uint64_t length) {
    REQUIRE(cores_.world().run(core_.truncate(Length{length}, std::nullopt, false)).has_value());
  }
  void clear(std::uint64_t begin, std::uint64_t end) {
    REQUIRE(cores_.world().run(core_.clear({{begin}, {end}})).has_value());
  }
  Result<Buffer> get(std::uint64_t index) { return cores_.world().run(core_.get({index}, Core::From::here)); }
  void want(std::uint64_t index) {
    cores_.spawn(wanted(index));
    settle();
  }

  // The peer says this frame; said() then has what we say to it.
  void hear(Bytes frame) {
    mux_.receive(frames_.emplace_back(to_buffer(frame)), cores_.world().timers.now());
    while (const auto event = mux_.next_event()) {
      if (const auto* opened = std::get_if<ChannelOpened>(&*event)) {
        CHECK_FALSE(channel_->opened(opened->handshake, {}).has_value());
        core_.replicator().opened(*channel_);
      }
      if (const auto* message = std::get_if<ChannelMessage>(&*event))
        CHECK_FALSE(channel_->receive(message->type, message->body, Slab(), {}).has_value());
    }
    core_.replicator().process(*channel_);
    settle();
  }
  void settle() {
    cores_.settle();
    while (auto frame = mux_.next_frame())
      for (Message& message : ear_.hear(frame->content())) said_.push_back(std::move(message));
  }
  std::vector<Message> said() {
    settle();
    return std::exchange(said_, {});
  }
  std::optional<SessionEnd> ended;

 private:
  boost::asio::awaitable<void> wanted(std::uint64_t index) {
    [[maybe_unused]] const auto block = co_await core_.get({index}, Core::From::future);
  }
  void flush() override {}
  void expect_answer() override {}
  void channel_moved(CoreChannel&) override {}
  void end(SessionEnd reason) override { ended = reason; }
  bool has_send_room() const override { return true; }
  void count_received(std::uint64_t) override {}
  void count_sent(std::uint64_t) override {}
  bool forgive_bad_block() override { return false; }
  bool forgive_invalid_request() override { return false; }

  std::deque<Buffer> frames_;  // what is being verified lies in them
  BareCores cores_;
  OpenCore& core_;
  Mux mux_;
  Ear ear_;
  std::optional<CoreChannel> channel_;
  std::vector<Message> said_;
};

Buffer text_block(std::string_view text) { return to_buffer(as_bytes(text)); }

// What the writer's application did at this step.
void perform(Side& writer, const std::string& step) {
  if (step == "writer: append one block") writer.append({text_block("live one")});
  if (step == "writer: append two blocks in one batch")
    writer.append({text_block("live two"), text_block("live three")});
  if (step == "writer: truncate(3)") writer.truncate(3);
  if (step == "writer: append two blocks") writer.append({text_block("after"), text_block("truncate")});
  if (step == "writer: append and push(2)") writer.append({text_block("pushed")});
}

// The recorded frame tells of cleared blocks: their writer cleared them now.
bool tells_of_clear(const std::string& name, const std::vector<Message>& messages) {
  return name == "sparse-provider" && !messages.empty() && messages[0].line() == "drop 3+3";
}

// Syncs, ranges, drops: what is said unasked, in order.
Lines unasked(const std::vector<Message>& messages) {
  Lines out;
  for (const Message& message : messages)
    if (const std::string line = message.line();
        line.starts_with("sync") || line.starts_with("range") || line.starts_with("drop"))
      out.push_back(line);
  return out;
}

// We are the writer; gives everything that we say.
std::vector<Message> write(const std::string& name) {
  CAPTURE(name);
  const json& file = session(name);
  Side us(file, true);
  Ear theirs(file);
  std::vector<Message> all, unmatched;
  const auto gather = [&] {
    for (Message& message : us.said()) {
      unmatched.push_back(message);
      all.push_back(std::move(message));
    }
  };
  for (const json& entry : file["frames"]) {
    if (entry.contains("step")) {
      perform(us, entry["step"]);
    } else if (const Buffer frame = unhex(entry["hex"]); entry["from"] == "reader") {
      us.hear(frame);
    } else {
      const std::vector<Message> recorded = theirs.hear(frame);
      if (tells_of_clear(name, recorded)) us.clear(3, 6);
      gather();
      for (const Message& message : recorded) {
        const std::string line = message.line();
        const bool answer = (line.starts_with("data ") && line != "data 0") || line.starts_with("bitfield");
        if (!answer) continue;
        const auto ours = std::ranges::find_if(unmatched, [&](const Message& m) { return m.line() == line; });
        REQUIRE_MESSAGE(ours != unmatched.end(), "no answer: ", line);
        CHECK_MESSAGE(equal(ours->body, message.body), "another answer than the recorded one: ", line);
        unmatched.erase(ours);
      }
    }
    gather();
  }
  for (const Message& message : unmatched) {
    CAPTURE(message.line());
    CHECK_FALSE(message.line().starts_with("data"));  // answers to what nobody asked
    CHECK_FALSE(message.line().starts_with("no_data"));
  }
  CHECK(equal(us.handshake(), theirs.handshake));  // the same capability
  CHECK_FALSE(us.ended.has_value());
  return all;
}

// We are the reader. What the recorded writer says unasked, it says; what we ask is answered by our own
// writer, whose answers are the recorded ones. `gets` are asked for once the transcript is through.
struct Read {
  Lines said;  // request numbers left out: theirs are another matter
  std::map<std::uint64_t, Buffer> blocks;
};

Read read(const std::string& name, bool sparse, std::vector<std::uint64_t> gets = {}) {
  CAPTURE(name);
  const json& file = session(name);
  Side us(file, false, sparse);
  Side writer(file, true);
  Ear theirs(file), readers(file);
  Read out;

  // Our requests go to the writer, its answers come to us, until nobody says more.
  const auto converse = [&] {
    for (bool said = true; said;) {
      said = false;
      for (const Message& message : us.said()) {
        said = true;
        std::string line = message.line();
        if (line.starts_with("request ")) {
          Buffer frame{std::byte{1}, static_cast<std::byte>(message.type)};
          append(frame, message.body);
          writer.hear(frame);
          line = "request " + line.substr(line.find('@'));
        }
        out.said.push_back(line);
      }
      for (const Message& message : writer.said()) {
        if (message.type != static_cast<std::uint64_t>(MessageType::data) &&
            message.type != static_cast<std::uint64_t>(MessageType::no_data))
          continue;
        said = true;
        Buffer frame{std::byte{1}, static_cast<std::byte>(message.type)};
        append(frame, message.body);
        us.hear(frame);
      }
    }
  };
  for (const json& entry : file["frames"]) {
    if (entry.contains("step")) {
      perform(writer, entry["step"]);
    } else if (const Buffer frame = unhex(entry["hex"]); entry["from"] == "reader") {
      const std::vector<Message> messages = readers.hear(frame);
      if (messages.empty()) writer.hear(frame);  // their open stands for ours
    } else {
      const std::vector<Message> messages = theirs.hear(frame);
      if (tells_of_clear(name, messages)) writer.clear(3, 6);
      const bool answer =
          !messages.empty() && messages[0].line().starts_with("data ") && messages[0].line() != "data 0";
      const bool to_want = !messages.empty() && messages[0].line().starts_with("bitfield");
      if (!answer && !to_want) us.hear(frame);
    }
    converse();
  }
  for (const std::uint64_t index : gets) {
    us.want(index);
    converse();
  }
  const std::uint64_t length = us.core().local().head.length.value;
  CHECK(length == writer.core().local().head.length.value);
  for (std::uint64_t i = 0; i < length; ++i) {
    if (auto block = us.get(i)) {
      const auto original = writer.get(i);
      if (original) CHECK(equal(*block, *original));
      out.blocks[i] = std::move(*block);
    }
  }
  CHECK(equal(us.handshake(), readers.handshake));
  CHECK_FALSE(us.ended.has_value());
  return out;
}

// All of `lines` occur in `said`, in this order.
bool in_order(const Lines& said, const Lines& lines) {
  auto at = said.begin();
  for (const std::string& line : lines) {
    at = std::find(at, said.end(), line);
    if (at == said.end()) {
      std::string all;
      for (const std::string& other : said) all += other + "\n";
      MESSAGE("not said, or not there: ", line, "; said was\n", all);
      return false;
    }
    ++at;
  }
  return true;
}

}  // namespace

TEST_CASE("12 (a): a Node peer downloads everything from us") {
  CHECK(unasked(write("download")) ==
        Lines{"sync 0/5 acks 0 can-upgrade manifest", "range 0+5", "sync 0/5 acks 5 manifest"});
}

TEST_CASE("12 (a): a Node peer reads single blocks and seeks") {
  CHECK(unasked(write("sparse-get")) ==
        Lines{"sync 0/13 acks 0 can-upgrade manifest", "range 0+13", "sync 0/13 acks 13 manifest"});
}

TEST_CASE("12 (a): blocks that we clear are withdrawn, and a want is answered by what is left") {
  CHECK(unasked(write("sparse-provider")) == Lines{"sync 0/13 acks 0 can-upgrade manifest", "range 0+13",
                                                   "sync 0/13 acks 13 manifest", "drop 3+3"});
}

TEST_CASE("12 (c): a Node peer follows what we append") {
  CHECK(unasked(write("live-append")) ==
        Lines{"sync 0/2 acks 0 can-upgrade manifest", "range 0+2", "sync 0/2 acks 2 manifest",
              "sync 0/3 acks 2 can-upgrade manifest", "range 0+3", "sync 0/3 acks 3 manifest",
              "sync 0/5 acks 3 can-upgrade manifest", "range 0+5", "sync 0/5 acks 5 manifest"});
}

TEST_CASE("12 (d): a Node peer follows our truncate and what comes after it") {
  CHECK(unasked(write("truncate")) ==
        Lines{"sync 0/5 acks 0 can-upgrade manifest", "range 0+5", "sync 0/5 acks 5 manifest", "drop 3+2",
              "sync 1/3 acks 0 manifest", "sync 1/3 acks 3 manifest", "sync 1/5 acks 3 can-upgrade manifest",
              "range 0+5", "sync 1/5 acks 5 manifest"});
}

TEST_CASE("a Node peer that would take pushes gets answers, syncs and ranges, and no push") {
  const auto said = write("push");
  for (const Message& message : said) CHECK(message.line() != "data 0");
  CHECK(unasked(said).front() == "sync 0/2 acks 0 can-upgrade manifest");
}

TEST_CASE("12 (b): we download everything from a Node peer") {
  const Read got = read("download", false);
  CHECK(in_order(got.said, {"sync 0/0 acks 0 can-upgrade", "request @0 block 0+0 upgrade 0+5 manifest",
                            "sync 0/5 acks 5 manifest"}));
  CHECK(got.blocks.size() == 5);
}

TEST_CASE("12 (b): we fetch single blocks of a Node peer") {
  const Read got = read("sparse-get", true, {9, 8});
  CHECK(in_order(got.said, {"request @0 upgrade 0+13 manifest", "sync 0/13 acks 13 manifest",
                            "request @0 block 9+2", "request @0 block 8+0"}));
  CHECK(got.blocks.size() == 2);
}

TEST_CASE("12 (b): of a Node peer that cleared blocks we ask for what it has") {
  const Read got = read("sparse-provider", true, {10, 4, 1});
  CHECK(in_order(got.said, {"request @0 upgrade 0+13 manifest", "want 0+2097152"}));
  for (const std::string& line : got.said) CHECK_FALSE(line.starts_with("request @0 block 4"));
}

TEST_CASE("12 (c): we follow what a Node peer appends") {
  const Read got = read("live-append", false);
  CHECK(in_order(got.said,
                 {"sync 0/2 acks 2 manifest", "sync 0/3 acks 3 manifest", "sync 0/5 acks 5 manifest"}));
  CHECK(got.blocks.size() == 5);
}

TEST_CASE("12 (d): we follow a Node peer's truncate and what comes after it") {
  const Read got = read("truncate", false);
  CHECK(in_order(got.said, {"sync 0/5 acks 5 manifest", "request @1 upgrade 0+3", "drop 3+2",
                            "sync 1/3 acks 3 manifest", "sync 1/5 acks 5 manifest"}));
  CHECK(got.blocks.size() == 5);
}

TEST_CASE("what a Node peer pushes is not taken, but asked for") {
  const Read got = read("push", false);
  CHECK(got.blocks.size() == 3);
  for (const std::string& line : got.said) CHECK(line.find("push") == std::string::npos);
}
