// Power goes at every operation that reaches the medium, with what was not synced kept, dropped or torn.
#include "storage/leveldb_seams.hpp"
#include "tests/storage/core_script.hpp"
#include "tests/support/fault_env.hpp"

namespace sheaf::test {
namespace {

struct Disk {
  FaultEnv env;
  std::unique_ptr<Backend> state;
  std::unique_ptr<Backend> blocks;  // none: with the state

  explicit Disk(bool apart) {
    state = leveldb_backend({.folder = "/state", .write_buffer_bytes = 64 * 1024}, {.env = &env});
    if (apart)
      blocks = leveldb_backend({.folder = "/blocks", .write_buffer_bytes = 64 * 1024}, {.env = &env});
  }
  bool open() { return state->open() && (!blocks || blocks->open()); }
  void close() {
    (void)state->close();
    if (blocks) (void)blocks->close();
  }
  CoreStore store() { return CoreStore(*state, blocks ? *blocks : *state, {1}); }
};

// The same core; if so said, blocks that it holds may lack their values.
bool shows(const CoreView& view, CoreView expected, bool may_lack) {
  if (may_lack && view.missing > 0) {
    std::erase_if(expected.blocks, [&](const auto& entry) { return !view.blocks.contains(entry.first); });
    expected.missing = view.missing;
    if (expected.blocks.size() + view.missing != expected.counted) return false;
  }
  return view == expected;
}

// Which of the script's states this is, searched from the newest on.
std::optional<std::size_t> state_of(const CoreView& view, const CoreScript& script, bool may_lack) {
  for (std::size_t n = script.states.size(); n-- > 0;)
    if (shows(view, script.states[n], may_lack)) return n;
  return std::nullopt;
}

// A reorganisation over two stores shows its new head before its blocks are there.
std::optional<std::size_t> between(const CoreView& view, const CoreScript& script, bool may_lack) {
  for (std::size_t n = 0; n < script.steps.size(); ++n) {
    const Step& step = script.steps[n];
    if (!step.truncate || step.blocks.empty()) continue;
    CoreView expected = step.after;
    for (const auto& [index, bytes] : step.blocks) expected.blocks.erase(index.value);
    expected.counted = expected.blocks.size();
    if (shows(view, expected, may_lack)) return n;
  }
  return std::nullopt;
}

// Plays the script until the crash, and gives how many steps were acknowledged.
std::size_t play(const CoreScript& script, Disk& disk, Durable durable) {
  if (!disk.open()) return 0;
  CoreStore store = disk.store();
  if (!store.open()) return 0;
  std::size_t done = 0;
  while (done < script.steps.size() && script.steps[done].commit(store, durable)) ++done;
  return done;
}

// False once the crash would have come after the end.
bool crash_once(const CoreScript& script, bool apart, Durable durable, Unsynced unsynced, std::uint64_t at) {
  Disk disk(apart);
  disk.env.crash_at(at);
  const std::size_t acknowledged = play(script, disk, durable);
  const bool reached = disk.env.crashed();
  disk.close();
  disk.env.lose_power(unsynced);

  INFO("operation ", at, ", acknowledged ", acknowledged);
  REQUIRE(disk.open());
  CoreStore store = disk.store();
  const auto contents = store.open();
  REQUIRE(contents);
  const CoreView view = view_of(store, *contents);
  const bool may_lack = apart && durable == Durable::no && unsynced != Unsynced::kept;
  if (!may_lack) REQUIRE(view.missing == 0);

  std::size_t next;
  if (const auto state = state_of(view, script, may_lack)) {
    next = *state;
  } else {
    const auto half = between(view, script, may_lack);
    REQUIRE(half);
    REQUIRE(apart);
    next = *half;
  }
  // The one that was under way may be there or not; what was acknowledged is, if it had to be.
  REQUIRE(next <= acknowledged + 1);
  if (durable == Durable::yes || unsynced == Unsynced::kept) REQUIRE(next >= acknowledged);

  // And life goes on from there.
  if (view.missing == 0) {
    for (; next < script.steps.size(); ++next) REQUIRE(script.steps[next].commit(store, durable));
    const auto end = store.open();
    REQUIRE(view_of(store, *end) == script.states.back());
  }
  return reached;
}

void crash_everywhere(const CoreScript& script, std::uint64_t stride) {
  for (const bool apart : {false, true})
    for (const Durable durable : {Durable::yes, Durable::no})
      for (const Unsynced unsynced : {Unsynced::kept, Unsynced::dropped, Unsynced::torn}) {
        INFO("apart ", apart, ", durable ", durable == Durable::yes, ", unsynced ",
             static_cast<int>(unsynced));
        for (std::uint64_t at = 0; crash_once(script, apart, durable, unsynced, at); at += stride) {
        }
      }
}

}  // namespace

TEST_CASE("a crash at any write leaves a core before or after a commit, never in between") {
  CoreScript script;
  script.append(3);
  script.append(60, 1);
  script.clear(2, 40);
  script.truncate(30);
  script.append(9, 2);
  script.reorganise(20, 12, 3);
  script.truncate(0);
  script.append(2, 4);
  crash_everywhere(script, 1);
}

TEST_CASE("a crash while thousands of blocks are deleted is made good when the core is opened") {
  CoreScript script;
  script.append(2100);
  script.reorganise(10, 30, 1);
  crash_everywhere(script, 29);
}

}  // namespace sheaf::test
