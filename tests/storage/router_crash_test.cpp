// Power goes at every operation that reaches a medium of the router's stores, with what was not synced kept,
// dropped or torn. What is found then is looked at from outside: values, and copies without a pointer.
#include "storage/leveldb_seams.hpp"
#include "tests/storage/router_world.hpp"
#include "tests/support/fault_env.hpp"

namespace sheaf::test {
namespace {

using Values = std::map<std::string, std::string>;

// Values with a digit go to the stores 1 and 2, others stay in the root.
class RootOrDigits final : public Mapper {
 public:
  std::vector<std::string> labels(Bytes value, const Traits&) override {
    std::vector<std::string> out;
    for (const char digit : {'1', '2'})
      if (as_text(value).find(digit) != std::string_view::npos) out.emplace_back(1, digit);
    if (out.empty()) out.emplace_back(root_label);
    return out;
  }
};

struct Machine {
  FaultEnv env;
  std::unique_ptr<Router> router;

  Machine() {
    RouterOptions options;
    options.root.owned = store("/main");
    options.stores.push_back({.label = "1", .owned = store("/1")});
    options.stores.push_back({.label = "2", .owned = store("/2")});
    options.mapper = std::make_unique<RootOrDigits>();
    router = sheaf::router(std::move(options));
  }
  std::unique_ptr<Backend> store(const std::string& folder) {
    return leveldb_backend({.folder = folder, .write_buffer_bytes = 64 * 1024}, {.env = &env});
  }
};

// A step is a batch: each key with its new value, or with none where it is deleted.
using Step = std::vector<std::pair<std::string, std::optional<std::string>>>;

const std::vector<Step>& script() {
  static const std::vector<Step> steps{
      {{"a", "1 first"}},
      {{"b", "12 both"}},
      {{"a", "2 moved"}},
      {{"x", "12 pair"}, {"y", "pair in the root"}, {"z", "2 pair"}},
      {{"a", "in the root now"}},
      {{"b", std::nullopt}},
      {{"x", "1 pair again"}, {"y", "2 pair again"}, {"z", std::nullopt}, {"a", "12 back"}},
      {{"a", "12 back"}},
      {{"y", std::nullopt}, {"c", "1 last"}},
      // What later steps make of a batch's keys stays when that batch is undone.
      {{"x", "12 third"}, {"y", "third in the root"}, {"z", "third in the root"}},
      {{"y", "later in the root"}},
      {{"z", std::nullopt}},
  };
  return steps;
}

std::vector<Values> states() {
  std::vector<Values> out{{}};
  for (const Step& step : script()) {
    Values next = out.back();
    for (const auto& [key, value] : step) {
      if (value)
        next[key] = *value;
      else
        next.erase(key);
    }
    out.push_back(std::move(next));
  }
  return out;
}

Result<void> play(Router& router, const Step& step, Durable durable) {
  Batch batch;
  for (const auto& [key, value] : step) {
    if (value)
      batch.put_copy(as_bytes(key), as_bytes(*value));
    else
      batch.del(as_bytes(key));
  }
  return router.write(batch, durable);
}

// Every value of it can be read, or the test has failed.
Values contents(Router& router) {
  Values out;
  auto cursor = router.iterate({});
  REQUIRE(cursor);
  for (;;) {
    const auto more = (*cursor)->next();
    REQUIRE(more);
    if (!*more) return out;
    out[std::string(as_text((*cursor)->key()))] = std::string(as_text((*cursor)->value()));
  }
}

// The first `safe` steps, and of those up to `most` any others whole: an unsynced step whose copies are lost
// is undone with all its keys, but for those that later steps have changed.
bool whole_steps(const Values& found, std::size_t safe, std::size_t most) {
  const std::vector<Step>& steps = script();
  for (std::size_t others = std::size_t{1} << (most - safe); others-- > 0;) {
    Values expected;
    for (std::size_t n = 0; n < most; ++n) {
      if (n >= safe && (others >> (n - safe) & 1) == 0) continue;
      for (const auto& [key, value] : steps[n]) {
        if (value)
          expected[key] = *value;
        else
          expected.erase(key);
      }
    }
    if (expected == found) return true;
  }
  return false;
}

// What becomes of unsynced bytes, by the store whose files they are in: each may lie on a disk of its own.
struct Loss {
  const char* name;
  Unsynced root;
  Unsynced first;
  Unsynced second;

  Unsynced of(const std::string& file) const {
    return file.starts_with("/main/") ? root : file.starts_with("/1/") ? first : second;
  }
  bool nothing() const {
    return root == Unsynced::kept && first == Unsynced::kept && second == Unsynced::kept;
  }
};
constexpr Loss losses[] = {
    {"nothing lost", Unsynced::kept, Unsynced::kept, Unsynced::kept},
    {"all dropped", Unsynced::dropped, Unsynced::dropped, Unsynced::dropped},
    {"all torn", Unsynced::torn, Unsynced::torn, Unsynced::torn},
    {"the root kept, the stores dropped", Unsynced::kept, Unsynced::dropped, Unsynced::dropped},
    {"the root kept, the stores torn", Unsynced::kept, Unsynced::torn, Unsynced::torn},
    {"the root kept, one store dropped", Unsynced::kept, Unsynced::dropped, Unsynced::kept},
    {"the root kept, the other store dropped", Unsynced::kept, Unsynced::kept, Unsynced::dropped},
    {"the root dropped, the stores kept", Unsynced::dropped, Unsynced::kept, Unsynced::kept},
    {"the root torn, the stores kept", Unsynced::torn, Unsynced::kept, Unsynced::kept},
};

// What the crashes of a test have led to.
struct Seen {
  std::uint64_t rolled_back = 0;
  std::uint64_t swept = 0;
};

// False once the crash would have come after the end.
bool crash_once(Durable durable, const Loss& loss, std::uint64_t at, bool settling, Seen& seen) {
  static const std::vector<Values> expected = states();
  Machine machine;
  machine.env.crash_at(at);
  std::size_t acknowledged = 0;
  std::size_t synced = 0;
  if (machine.router->open()) {
    while (acknowledged < script().size() && play(*machine.router, script()[acknowledged], durable)) {
      ++acknowledged;
      if (!settling || acknowledged % 3 != 0) continue;
      if (!machine.router->sync()) break;
      synced = acknowledged;
    }
  }
  (void)machine.router->close();
  const bool reached = machine.env.crashed();
  machine.env.lose_power_by_file([&](const std::string& file) { return loss.of(file); });

  INFO("operation ", at, ", acknowledged ", acknowledged);
  const RouterCounters before = machine.router->counters();
  REQUIRE(machine.router->open());
  seen.rolled_back += machine.router->counters().rolled_back - before.rolled_back;
  seen.swept += machine.router->counters().swept - before.swept;
  const Values found = contents(*machine.router);
  if (durable == Durable::yes || loss.nothing()) {
    const bool earlier = found == expected[acknowledged];
    const bool later = acknowledged < script().size() && found == expected[acknowledged + 1];
    REQUIRE((earlier || later));
  } else {
    REQUIRE(whole_steps(found, synced, std::min(acknowledged + 1, script().size())));
  }
  // No copy is left without a pointer, and each pointer has its copies, or one of which the others are
  // mended.
  for (const RouterFinding& finding : check_all(*machine.router, {.repair = true}).findings) {
    INFO("finding ", static_cast<int>(finding.kind), " in ", finding.store);
    REQUIRE(finding.kind == RouterFinding::Kind::missing_copy);
    REQUIRE(finding.mended);
  }
  REQUIRE(check_all(*machine.router).findings.empty());
  // And life goes on.
  for (const Step& step : script()) REQUIRE(play(*machine.router, step, durable));
  Values end = contents(*machine.router);
  REQUIRE(end["a"] == "12 back");
  REQUIRE(end["c"] == "1 last");
  REQUIRE(machine.router->sync());
  REQUIRE(check_all(*machine.router).findings.empty());
  REQUIRE(machine.router->close());
  return reached;
}

Seen crash_everywhere(Durable durable) {
  Seen seen;
  for (const bool settling : {false, true})
    for (const Loss& loss : losses) {
      INFO(loss.name, ", settling ", settling);
      std::uint64_t at = 0;
      while (crash_once(durable, loss, at, settling, seen)) ++at;
      CHECK(at > script().size());
    }
  return seen;
}

}  // namespace

TEST_CASE("a crash at any write with synced puts loses nothing acknowledged, and leaves no orphan") {
  const Seen seen = crash_everywhere(Durable::yes);
  CHECK(seen.rolled_back == 0);
  CHECK(seen.swept > 0);
}

TEST_CASE("a crash at any write with unsynced puts leaves whole batches whose values are there") {
  const Seen seen = crash_everywhere(Durable::no);
  CHECK(seen.rolled_back > 0);
  CHECK(seen.swept > 0);
}

}  // namespace sheaf::test
