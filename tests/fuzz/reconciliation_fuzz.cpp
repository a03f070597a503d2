// F14, state: the messages of a stranger in any order, cut from the input, into a run of either role. It ends
// within its budget, hands out no range twice as large as its bounds, and asks for no more than it may.
#include "protocol/crypto.hpp"
#include "protocol/reconciliation.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using fuzz::Choices;
using fuzz::expect;

namespace {

DigestTrie trie_of(std::size_t count) {
  DigestTrie out;
  for (std::size_t n = 0; n < count; ++n) {
    const Hash key = crypto::blake2b({as_bytes("archive " + std::to_string(n))});
    out.set(CoreKey::from(key.bytes()), {n % 3}, {n % 7});
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static DigestTrie tries[] = {trie_of(0), trie_of(20), trie_of(40), trie_of(600)};
  static const CoordinatorKeys keys(open_bundle_secret(), WideHash{});
  Choices choices(data, size);
  DigestTrie& trie = tries[choices.below(4)];
  const std::uint8_t flags = choices.byte();
  const std::uint64_t there = choices.below(1000);
  Reconciliation run(trie, keys, {(flags & 1) != 0, (flags & 2) != 0, there});
  const std::uint64_t budget =
      Reconciliation::Bounds::run_bytes +
      Reconciliation::Bounds::run_bytes_each * std::min<std::uint64_t>(trie.size(), there);
  if ((flags & 4) != 0) run.begin();
  for (;;) {
    if (run.has_turn()) {
      const std::size_t need_most = choices.byte();
      const auto turn = run.turn(need_most);
      if (!turn) break;
      expect(run.bytes_said() <= budget);
      expect(turn->need.size() <= need_most && !turn->nodes.empty() && turn->nodes.back().end_of_turn);
      for (const auto& nodes : turn->nodes) {
        Buffer body;
        Writer writer(body);
        coordinator::encode(writer, nodes);
        expect(body.size() <= coordinator::body_most);
        expect(coordinator::decode_nodes(body).has_value());
      }
    }
    expect(run.take_gives().size() <= Reconciliation::Bounds::gives);
    run.take_behind();
    if (!choices.left()) break;
    const bool is_need = (choices.byte() & 1) != 0;
    const Bytes body = choices.bytes(choices.below(4096));
    if (is_need) {
      if (const auto need = coordinator::decode_need(body)) run.take(*need);
    } else if (const auto nodes = coordinator::decode_nodes(body)) {
      if (run.take(*nodes, body.size()) != Reconciliation::Verdict::good) break;
    }
  }
  return 0;
}
