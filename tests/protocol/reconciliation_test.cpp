// A comparison run: the recorded ones replayed from either side, random sets, and a peer that lies.
#include "protocol/reconciliation.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/coordinator_vectors.hpp"
#include "tests/support/simulated_archives.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;

namespace {

using Heads = std::map<CoreKey, coordinator::Head>;

CoordinatorKeys session_keys() {
  const auto& v = vectors("coordinator/vectors.json");
  return {unhex_as<BundleSecret>(v["secretOfTheRest"]), unhex_as<WideHash>(v["handshakeHash"])};
}

struct Said {
  std::string name;
  Buffer body;
  bool operator==(const Said&) const = default;
};

// One side of a run, with a credit that never ends: what it found, and what it says as encoded bodies.
struct Side {
  DigestTrie trie;
  const CoordinatorKeys& keys;
  bool initiator;
  bool closed;
  std::optional<Reconciliation> run;
  Heads found;
  std::vector<Said> said;
  bool equal = false;
  bool over_budget = false;

  Side(const std::vector<KeyedHead>& elements, const CoordinatorKeys& session, bool begins, bool is_closed)
      : trie(trie_of(elements)), keys(session), initiator(begins), closed(is_closed) {}

  void hello() {
    coordinator::Root root;
    root.closed = closed;
    root.count = trie.size();
    root.digest = keys.root(trie.digest(), trie.size());
    root.credit = 1000;
    said.push_back({"root", body_of(root)});
  }

  void hear(const Said& message) {
    if (message.name == "root") {
      const auto root = *coordinator::decode_root(message.body);
      equal = root.digest == keys.root(trie.digest(), trie.size());
      if (equal) return;
      run.emplace(trie, keys, Reconciliation::Options{closed, root.closed, root.count});
      if (initiator) run->begin();
    } else if (message.name == "nodes") {
      over_budget |= run->take(*coordinator::decode_nodes(message.body), message.body.size()) !=
                     Reconciliation::Verdict::good;
    } else if (message.name == "need") {
      run->take(*coordinator::decode_need(message.body));
    } else if (message.name == "items") {
      const auto told = *coordinator::decode_items(message.body);
      for (const auto& item : told.items) learn(item.key, {item.fork, item.length});
    }
    for (const auto& behind : run->take_behind()) learn(behind.key, behind.head);
    if (run->has_turn() && !over_budget) speak();
  }

  void speak() {
    coordinator::Items items;
    const auto flush = [&] {
      if (!items.items.empty()) said.push_back({"items", body_of(items)});
      items.items.clear();
    };
    for (const SlotRange& range : run->take_gives()) {
      trie.visit(SlotPrefix(), range.first, [&](const Element& element) {
        if (element.slot > range.last) return false;
        if (element.length == Length{}) return true;
        coordinator::Item item{.holding = coordinator::Holding::db_and_blobs,
                               .bare = false,
                               .key = element.key,
                               .fork = element.fork,
                               .length = element.length,
                               .blobs = coordinator::Head{}};
        items.items.push_back(item);
        if (items.items.size() == coordinator::elements_most) flush();
        return true;
      });
    }
    flush();
    const auto turn = run->turn(100'000);
    if (!turn) {
      over_budget = true;
      return;
    }
    for (std::size_t at = 0; at < turn->need.size(); at += coordinator::elements_most) {
      const auto end = std::min(turn->need.size(), at + coordinator::elements_most);
      said.push_back(
          {"need", body_of(coordinator::Need{{turn->need.begin() + static_cast<std::ptrdiff_t>(at),
                                              turn->need.begin() + static_cast<std::ptrdiff_t>(end)}})});
    }
    for (const auto& nodes : turn->nodes) said.push_back({"nodes", body_of(nodes)});
  }

  void learn(const CoreKey& key, coordinator::Head head) {
    auto& known = found[key];
    if (newer(head.fork, head.length, known.fork, known.length)) known = head;
  }
  bool done() const { return equal || (run && run->finished()); }
};

void talk(Side& a, Side& b) {
  a.hello();
  b.hello();
  for (int round = 0; round < 1000; ++round) {
    const auto from_a = std::exchange(a.said, {});
    const auto from_b = std::exchange(b.said, {});
    if (from_a.empty() && from_b.empty()) return;
    for (const auto& message : from_a) b.hear(message);
    for (const auto& message : from_b) a.hear(message);
  }
  FAIL("the run does not end");
}

Heads as_heads(const json& list) {
  Heads out;
  for (const auto& each : heads(list)) out[each.key] = {each.fork, each.length};
  return out;
}

// What `here` has to hear from `there`.
Heads lacking(const std::vector<KeyedHead>& here, const std::vector<KeyedHead>& there, bool closed) {
  Heads mine;
  for (const auto& each : here) mine[each.key] = {each.fork, each.length};
  Heads out;
  for (const auto& each : there) {
    const auto known = mine.find(each.key);
    if (known == mine.end() ? !closed && each.length > Length{}
                            : newer(each.fork, each.length, known->second.fork, known->second.length))
      out[each.key] = {each.fork, each.length};
  }
  return out;
}

std::vector<Said> of(const json& steps, const std::string& from) {
  std::vector<Said> out;
  for (const auto& step : steps)
    if (step["from"] == from) out.push_back({step["name"], unhex(step["body"])});
  return out;
}

}  // namespace

TEST_CASE("two of our sides find in the recorded runs what was found there") {
  const auto keys = session_keys();
  for (const auto& run : vectors("coordinator/vectors.json")["runs"]) {
    CAPTURE(run["name"].get<std::string>());
    Side a(heads(run["initiator"]), keys, true, run["initiatorClosed"]);
    Side b(heads(run["responder"]), keys, false, run["responderClosed"]);
    talk(a, b);
    CHECK(a.done());
    CHECK(b.done());
    CHECK(a.found == as_heads(run["initiatorLearns"]));
    CHECK(b.found == as_heads(run["responderLearns"]));
  }
}

TEST_CASE("against the recorded bodies of either side, turn by turn, we answer as was recorded") {
  const auto keys = session_keys();
  for (const auto& run : vectors("coordinator/vectors.json")["runs"]) {
    for (const bool initiator : {true, false}) {
      CAPTURE(run["name"].get<std::string>());
      CAPTURE(initiator);
      const std::string us = initiator ? "initiator" : "responder";
      const std::string them = initiator ? "responder" : "initiator";
      Side side(heads(run[us]), keys, initiator, run[us + "Closed"]);
      side.hello();
      for (const auto& message : of(run["steps"], them)) side.hear(message);
      CHECK(side.done());
      CHECK(side.found == as_heads(run[us + "Learns"]));
      const auto recorded = of(run["steps"], us);
      REQUIRE(side.said.size() == recorded.size());
      for (std::size_t i = 0; i < recorded.size(); ++i) {
        CAPTURE(i);
        CHECK(side.said[i].name == recorded[i].name);
        if (recorded[i].name == "root" || recorded[i].name == "nodes" || recorded[i].name == "need")
          CHECK(to_hex(side.said[i].body) == to_hex(recorded[i].body));
      }
    }
  }
}

TEST_CASE("random sets: each side learns exactly what it lacked, open or closed") {
  const auto keys = session_keys();
  std::mt19937_64 random(11);
  for (int round = 0; round < 400; ++round) {
    const std::uint64_t common = random() % 4 == 0 ? random() % 2000 : random() % 60;
    const std::uint64_t different = random() % 120;
    std::vector<KeyedHead> a;
    std::vector<KeyedHead> b;
    for (std::uint64_t n = 0; n < common + different; ++n) {
      KeyedHead element = vector_element(n);
      if (n < common || random() % 3 == 0) {
        a.push_back(element);
        if (n >= common) element.length.value += 1 + random() % 50;
        if (n >= common && random() % 5 == 0) element = {element.key, {element.fork.value + 1}, {1}};
        b.push_back(element);
      } else if (random() % 10 == 0) {
        a.push_back({element.key, {}, {}});  // asked for, nothing here
      } else {
        (random() % 2 == 0 ? a : b).push_back(element);
      }
    }
    if (random() % 2 == 0) std::swap(a, b);
    const bool a_closed = random() % 6 == 0;
    const bool b_closed = random() % 6 == 0;
    CAPTURE(round);
    Side left(a, keys, true, a_closed);
    Side right(b, keys, false, b_closed);
    talk(left, right);
    CHECK(left.done());
    CHECK(right.done());
    CHECK(left.found == lacking(a, b, a_closed));
    CHECK(right.found == lacking(b, a, b_closed));
  }
}

TEST_CASE("two large sets with nothing in common stay within the budget of a run") {
  const auto keys = session_keys();
  std::vector<KeyedHead> a;
  std::vector<KeyedHead> b;
  for (std::uint64_t n = 0; n < 20'000; ++n) (n % 2 == 0 ? a : b).push_back(vector_element(n));
  for (const bool closed : {true, false}) {
    Side left(a, keys, true, closed);
    Side right(b, keys, false, closed);
    talk(left, right);
    CHECK(left.done());
    CHECK(right.done());
    CHECK_FALSE(left.over_budget);
    CHECK_FALSE(left.run->left_over());
    CHECK(left.found.size() == (closed ? 0 : b.size()));
    CHECK(right.found.size() == (closed ? 0 : a.size()));
  }
}

TEST_CASE("a peer that answers every digest with nonsense is cut off at the budget") {
  const auto keys = session_keys();
  std::vector<KeyedHead> all;
  for (std::uint64_t n = 0; n < 10'000; ++n) all.push_back(vector_element(n));
  Side us(all, keys, true, false);
  us.hello();
  coordinator::Root root;
  root.count = all.size();
  root.digest.value[0] = std::byte{1};
  us.hear({"root", body_of(root)});
  std::mt19937_64 random(77);
  const auto nonsense = [&] {
    coordinator::Digests out;
    out.digests.resize(16);
    for (std::size_t i = 0; i < 16; ++i) out.present[i] = true;
    for (auto& digest : out.digests) digest.value[0] = static_cast<std::byte>(random());
    return out;
  };
  std::size_t said = 0;
  int turns = 0;
  for (; turns < 10'000 && !us.over_budget; ++turns) {
    coordinator::Nodes lie;
    lie.end_of_turn = true;
    for (const auto& message : std::exchange(us.said, {})) {
      said += message.body.size();
      if (message.name != "nodes") continue;
      const auto nodes = *coordinator::decode_nodes(message.body);
      for (const auto& entry : nodes.entries) {
        const auto* digests = std::get_if<coordinator::Digests>(&entry.what);
        if (!digests || entry.prefix.depth() > 58 || lie.entries.size() == 200) continue;
        lie.entries.push_back({entry.prefix.child(random() % 16), nonsense()});
      }
    }
    if (lie.entries.empty()) lie.entries.push_back({SlotPrefix(), nonsense()});
    us.hear({"nodes", body_of(lie)});
  }
  CHECK(us.over_budget);
  CHECK(us.run->bytes_said() <= Reconciliation::Bounds::run_bytes * 2 + 32 * all.size());
  MESSAGE("said ", said, " bytes in ", turns, " turns");
}

TEST_CASE("whoever makes us hash without end is cut off, and tags that we did not list give nothing") {
  const auto keys = session_keys();
  std::vector<KeyedHead> all;
  for (std::uint64_t n = 0; n < 3'000; ++n) all.push_back(vector_element(n));
  DigestTrie trie = trie_of(all);
  Reconciliation run(trie, keys, {false, false, 3'000});

  coordinator::Need need;
  for (const auto& each : all) need.tags.push_back(keys.tag(slot_of(each.key)));
  run.take(need);
  CHECK(run.take_gives().empty());

  // Short lists at the empty prefix: few bytes heard, a hash for every element here.
  coordinator::Nodes costly;
  for (int i = 0; i < 100; ++i)
    costly.entries.push_back({SlotPrefix(), coordinator::List{{coordinator::Tag{}, {}, {1}}}});
  CHECK(run.take(costly, body_of(costly).size()) == Reconciliation::Verdict::over_budget);
}

TEST_CASE("at the deepest prefix that an entry can name a difference is answered by a list there") {
  const auto keys = session_keys();
  const KeyedHead element = vector_element(3);
  DigestTrie trie = trie_of({element});
  Reconciliation run(trie, keys, {false, false, 1});
  coordinator::Digests digests{.levels = 2, .present = {}, .digests = {}};
  digests.present.set();
  digests.digests.resize(256);
  coordinator::Nodes nodes;
  nodes.end_of_turn = true;
  nodes.entries.push_back({SlotPrefix(slot_of(element.key), 62), digests});
  REQUIRE(run.take(nodes, body_of(nodes).size()) == Reconciliation::Verdict::good);
  const auto turn = run.turn(1000);
  REQUIRE(turn);
  std::size_t lists = 0;
  for (const auto& each : turn->nodes)
    for (const auto& entry : each.entries)
      if (const auto* list = std::get_if<coordinator::List>(&entry.what)) {
        ++lists;
        CHECK(entry.prefix.depth() == 62);
        CHECK(list->size() == 1);
      }
  CHECK(lists == 1);
}

namespace {

struct Cost {
  std::size_t bytes = 0;
  unsigned halves = 1;  // the opens cross
};

// Counted as the simulation counts: 22 bytes around each message, both opens, nothing batched.
Cost cost_of(const SimulatedSets& sets, const CoordinatorKeys& keys) {
  constexpr std::size_t around = 22;
  constexpr std::size_t open = 2 + 1 + 18 + 33 + 36 + 20;
  Side a(sets.a, keys, true, false);
  Side b(sets.b, keys, false, false);
  Cost cost{2 * open, 1};
  a.hello();
  b.hello();
  for (;; ++cost.halves) {
    const auto from_a = std::exchange(a.said, {});
    const auto from_b = std::exchange(b.said, {});
    if (from_a.empty() && from_b.empty()) break;
    for (const auto& message : from_a) {
      cost.bytes += message.body.size() + around;
      b.hear(message);
    }
    for (const auto& message : from_b) {
      cost.bytes += message.body.size() + around;
      a.hear(message);
    }
  }
  CHECK(a.found == lacking(sets.a, sets.b, false));
  CHECK(b.found == lacking(sets.b, sets.a, false));
  return cost;
}

}  // namespace

TEST_CASE("a run costs the bytes and round trips of the recorded simulation, up to 100,000 archives") {
  for (const auto& row : vectors("coordinator/simulation.json")["table"]) {
    if (row.contains("case")) continue;
    const auto archives = row["archives"].get<std::uint64_t>();
    const auto different = row["differences"].get<std::uint64_t>();
    CAPTURE(archives);
    CAPTURE(different);
    std::vector<std::size_t> bytes;
    unsigned halves = 0;
    const std::uint32_t seeds = archives > 10'000 ? 1 : 3;
    for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
      const CoordinatorKeys keys(
          open_bundle_secret(),
          WideHash::from(crypto::blake2b_512({as_bytes("session " + std::to_string(seed))}).bytes()));
      const Cost cost = cost_of(
          simulated_sets(archives, different, seed * 7717 + static_cast<std::uint32_t>(different)), keys);
      bytes.push_back(cost.bytes);
      halves = std::max(halves, cost.halves);
    }
    std::ranges::sort(bytes);
    CHECK(static_cast<double>(bytes[bytes.size() / 2]) <= 1.1 * row["bytes"].get<double>());
    CHECK(halves / 2.0 <= row["roundTrips"].get<double>());
    MESSAGE(archives, " archives, ", different, " differ: ", bytes[bytes.size() / 2], " bytes, ",
            halves / 2.0, " round trips");
  }
}
