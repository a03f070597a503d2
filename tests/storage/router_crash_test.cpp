// Power goes at every operation that reaches a medium of the router's stores, with what was not synced kept,
// dropped or torn. What is found then is looked at from outside: values, and copies without a pointer.
#include <set>

#include "storage/leveldb_seams.hpp"
#include "tests/storage/router_world.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/passing_backend.hpp"

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

// What becomes of a disk: it is pulled out while nothing runs, and put back at any time; or it does not sync.
struct Disk {
  bool away = false;
  bool fails_to_sync = false;
};

class OnDisk final : public PassingBackend {
 public:
  OnDisk(std::unique_ptr<Backend> store, const Disk& disk) : PassingBackend(std::move(store)), disk_(disk) {}

  Result<void> open() override {
    if (disk_.away) return StorageErrc::io_error;
    poisoned_ = false;
    return PassingBackend::open();
  }
  Result<void> sync() override {
    if (!disk_.fails_to_sync) return PassingBackend::sync();
    poisoned_ = true;
    return StorageErrc::io_error;
  }
  bool poisoned() const override { return poisoned_ || PassingBackend::poisoned(); }
  std::string trouble() const override {
    return disk_.away ? "the disk is not there" : PassingBackend::trouble();
  }

 private:
  const Disk& disk_;
  bool poisoned_ = false;
};

struct Machine {
  FaultEnv env;
  Disk second;
  std::unique_ptr<Router> router;

  explicit Machine(bool first_adopts = false) {
    RouterOptions options;
    options.root.owned = store("/main");
    options.stores.push_back({.label = "1", .owned = store("/1"), .adopt = first_adopts});
    options.stores.push_back({.label = "2", .owned = std::make_unique<OnDisk>(store("/2"), second)});
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

// No copy is left without a pointer, and each pointer has its copies, or one of which the others are mended.
void only_missing_copies(Router& router) {
  for (const RouterFinding& finding : check_all(router, {.repair = true}).findings) {
    INFO("finding ", static_cast<int>(finding.kind), " in ", finding.store, ": ", text(finding.key));
    REQUIRE(finding.kind == RouterFinding::Kind::missing_copy);
    REQUIRE(finding.mended);
  }
  REQUIRE(check_all(router).findings.empty());
}

struct Run {
  Durable durable;
  bool settling = false;
  bool knowing = false;  // the router knows before the crash which keys have copies
};

// False once the crash would have come after the end.
bool crash_once(const Run& run, const Loss& loss, std::uint64_t at, Seen& seen) {
  static const std::vector<Values> expected = states();
  const Durable durable = run.durable;
  Machine machine;
  if (run.knowing) {
    REQUIRE(machine.router->open());
    learn_known(*machine.router);
    REQUIRE(machine.router->sync());
  }
  machine.env.crash_at(machine.env.operations() + at);
  std::size_t acknowledged = 0;
  std::size_t synced = 0;
  if (machine.router->open()) {
    while (acknowledged < script().size() && play(*machine.router, script()[acknowledged], durable)) {
      ++acknowledged;
      if (!run.settling || acknowledged % 3 != 0) continue;
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
  only_missing_copies(*machine.router);
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

// As crash_once(), but the second store is not there when the machine comes up again. Others work meanwhile,
// and then it is put back.
bool crash_and_lose_a_disk_for_a_while(const Loss& loss, std::uint64_t at, Seen& seen) {
  Machine machine;
  machine.env.crash_at(at);
  std::size_t acknowledged = 0;
  std::size_t synced = 0;
  if (machine.router->open()) {
    while (acknowledged < script().size() && play(*machine.router, script()[acknowledged], Durable::no)) {
      ++acknowledged;
      if (acknowledged % 3 != 0) continue;
      if (!machine.router->sync()) break;
      synced = acknowledged;
    }
  }
  (void)machine.router->close();
  const bool reached = machine.env.crashed();
  machine.env.lose_power_by_file([&](const std::string& file) { return loss.of(file); });

  INFO("operation ", at, ", acknowledged ", acknowledged);
  machine.second.away = true;
  if (!machine.router->open()) return reached;  // it was new to the root, and has to answer then
  const bool knowing = at % 3 == 0;
  if (knowing) learn_known(*machine.router);
  Values while_away;
  for (int n = 0; n < 3; ++n) {
    const std::string key = "while away " + std::to_string(n);
    REQUIRE(put(*machine.router, key, "1 while away"));
    while_away[key] = "1 while away";
    (void)machine.router->sync();
  }
  // A key of the script, too: what comes later stays.
  const bool again =
      machine.router->put(as_bytes("x"), as_bytes("1 while away"), {}, Durable::no).has_value();
  const bool reopened = at % 2 == 0;
  if (reopened) {
    (void)machine.router->close();
    REQUIRE(machine.router->open());
  }
  machine.second.away = false;
  const RouterCounters before = machine.router->counters();
  only_missing_copies(*machine.router);
  seen.rolled_back += machine.router->counters().rolled_back - before.rolled_back;
  Values found = contents(*machine.router);
  for (const auto& [key, value] : while_away) {
    REQUIRE(found[key] == value);
    found.erase(key);
  }
  if (again) REQUIRE(found["x"] == "1 while away");
  bool whole = false;
  for (const char* x : {"", "12 pair", "1 pair again", "12 third"}) {
    if (again) {
      found["x"] = x;
      if (*x == 0) found.erase("x");
    }
    whole = whole || whole_steps(found, synced, std::min(acknowledged + 1, script().size()));
  }
  REQUIRE(whole);
  for (const Step& step : script()) REQUIRE(play(*machine.router, step, Durable::no));
  REQUIRE(machine.router->sync());
  REQUIRE(check_all(*machine.router).findings.empty());
  REQUIRE(machine.router->close());
  return reached;
}

// Values that others have put into the first store are taken in, and the power goes meanwhile.
bool crash_and_adopt(const Loss& loss, std::uint64_t at) {
  Machine machine(true);
  {
    const auto theirs = machine.store("/1");
    REQUIRE(theirs->open());
    for (const char* value : {"1 a", "2 b", "12 c", "in the root"})
      REQUIRE(theirs->put(as_bytes("their " + std::string(value)), as_bytes(value), {}, Durable::yes));
  }
  REQUIRE(machine.router->open());
  machine.env.crash_at(machine.env.operations() + at);
  (void)machine.router->absorb();
  (void)machine.router->close();
  const bool reached = machine.env.crashed();
  machine.env.lose_power_by_file([&](const std::string& file) { return loss.of(file); });
  INFO("operation ", at);
  REQUIRE(machine.router->open());
  REQUIRE(machine.router->absorb());
  std::multiset<std::string> values;
  for (const auto& [key, value] : contents(*machine.router)) values.insert(value);
  REQUIRE(values == std::multiset<std::string>{"1 a", "12 c", "2 b", "in the root"});
  REQUIRE(check_all(*machine.router).findings.empty());
  REQUIRE(machine.router->sync());
  REQUIRE(machine.router->close());
  const auto theirs = machine.store("/1");
  REQUIRE(theirs->open());
  for (const char* value : {"1 a", "2 b", "12 c", "in the root"}) {
    Buffer left;
    REQUIRE(theirs->get(as_bytes("their " + std::string(value)), left).error() == StorageErrc::not_found);
  }
  return reached;
}

Seen crash_everywhere(Durable durable) {
  Seen seen;
  for (const Run& run : {Run{durable}, Run{durable, true}, Run{durable, false, true}})
    for (const Loss& loss : losses) {
      INFO(std::string(loss.name), ", settling ", run.settling, ", knowing ", run.knowing);
      std::uint64_t at = 0;
      while (crash_once(run, loss, at, seen)) ++at;
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

TEST_CASE("a crash at any write while others' values are taken in loses none, and doubles none") {
  for (const Loss& loss : losses) {
    INFO(std::string(loss.name));
    std::uint64_t at = 0;
    while (crash_and_adopt(loss, at)) ++at;
    CHECK(at > 10);
  }
}

TEST_CASE("a store that is away when the machine comes up decides about its puts when it is back") {
  Seen seen;
  for (const Loss& loss : losses) {
    INFO(std::string(loss.name));
    std::uint64_t at = 0;
    while (crash_and_lose_a_disk_for_a_while(loss, at, seen)) ++at;
    CHECK(at > script().size());
  }
  CHECK(seen.rolled_back > 0);
}

TEST_CASE(
    "a store that cannot be synced stops no synced put elsewhere; sync() says so, and nothing old is lost") {
  for (const Unsynced lost : {Unsynced::kept, Unsynced::dropped}) {
    Machine machine;
    REQUIRE(machine.router->open());
    REQUIRE(machine.router->put(as_bytes("k"), as_bytes("2 old"), {}, Durable::yes));
    REQUIRE(machine.router->sync());
    REQUIRE(machine.router->put(as_bytes("k"), as_bytes("2 new"), {}, Durable::no));
    machine.second.fails_to_sync = true;
    REQUIRE(machine.router->put(as_bytes("other"), as_bytes("1 elsewhere"), {}, Durable::yes));
    CHECK(!machine.router->sync());
    (void)machine.router->close();
    machine.env.lose_power_by_file(
        [&](const std::string& file) { return file.starts_with("/2/") ? lost : Unsynced::dropped; });
    machine.second.fails_to_sync = false;
    REQUIRE(machine.router->open());
    CHECK(value_of(*machine.router, "other") == "1 elsewhere");
    const std::string found = value_of(*machine.router, "k");
    CHECK((found == "2 new" || found == "2 old"));
    only_missing_copies(*machine.router);
  }
}

TEST_CASE("what was put after a delete stays, also where the batch of that delete is undone") {
  for (const bool knowing : {false, true})
    for (const char* before : {"in the root", "1 elsewhere"}) {
      INFO("knowing ", knowing, ", before: ", before);
      Machine machine;
      REQUIRE(machine.router->open());
      REQUIRE(machine.router->put(as_bytes("k"), as_bytes(before), {}, Durable::yes));
      REQUIRE(machine.router->sync());
      if (knowing) learn_known(*machine.router);
      Batch batch;
      batch.put(as_bytes("lost"), as_bytes("2"));
      batch.del(as_bytes("k"));
      REQUIRE(machine.router->write(batch, Durable::no));
      REQUIRE(machine.router->put(as_bytes("k"), as_bytes("in the root, later"), {}, Durable::no));
      machine.env.crash_at(machine.env.operations());
      (void)machine.router->close();
      machine.env.lose_power_by_file([](const std::string& file) {
        return file.starts_with("/2/") ? Unsynced::dropped : Unsynced::kept;
      });
      REQUIRE(machine.router->open());
      CHECK(contents(*machine.router) == Values{{"k", "in the root, later"}});
      only_missing_copies(*machine.router);
    }
}

}  // namespace sheaf::test
