// What is the value log's own: crashes, space that is given back, damage.
#include <fstream>

#include "tests/storage/backend_conformance.hpp"
#include "tests/support/fault_segments.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::test {
namespace {

using Values = std::map<std::string, std::string>;
// A batch: each key with its new value, or with none where it is deleted.
using Step = std::vector<std::pair<std::string, std::optional<std::string>>>;

std::string large(char of, std::size_t bytes = 5'000) { return std::string(bytes, of); }

// Overwrites and deletes enough for segments to be emptied and removed under tiny(). Each keeps something
// alive, which has to be moved for that.
const std::vector<Step>& script() {
  static const std::vector<Step> steps = [] {
    std::vector<Step> made;
    for (int i = 0; i < 26; ++i) {
      const std::string key = std::to_string(i % 2);
      const char letter = static_cast<char>('a' + i);
      if (i % 7 == 6)
        made.push_back({{key, std::nullopt}, {"pair", std::string(i, letter)}, {"kept", large(letter, 700)}});
      else
        made.push_back({{key, large(letter)}, {"small " + key, std::string(20, letter)}});
      if (i % 3 == 2) made.push_back({{"stays " + std::to_string(i), large('S', 1'000)}});
    }
    return made;
  }();
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

Result<void> play(Backend& store, const Step& step, Durable durable) {
  Batch batch;
  for (const auto& [key, value] : step) {
    if (value)
      batch.put(as_bytes(key), as_bytes(*value));
    else
      batch.del(as_bytes(key));
  }
  return store.write(batch, durable);
}

Values contents(Backend& store) {
  Values out;
  auto cursor = store.iterate({});
  REQUIRE(cursor);
  for (;;) {
    const auto more = (*cursor)->next();
    REQUIRE(more);
    if (!*more) break;
    const std::string key(as_text((*cursor)->key()));
    out[key] = std::string(as_text((*cursor)->value()));
    REQUIRE(value_of(store, key) == out[key]);
  }
  return out;
}

std::uint64_t log_bytes(FaultEnv& env) {
  std::uint64_t sum = 0;
  for (const auto& [name, bytes] : env.contents())
    if (name.ends_with(".values")) sum += bytes.size();
  return sum;
}

std::size_t segments(FaultEnv& env) {
  std::size_t count = 0;
  for (const auto& [name, bytes] : env.contents())
    if (name.ends_with(".values")) ++count;
  return count;
}

LogOptions tiny() {
  LogOptions options = small_log();
  options.segment_bytes = 20'000;
  return options;
}

class Gauge final : public SpaceGauge {
 public:
  Space measure() override { return {.free = free, .total = std::uint64_t{100} << 30}; }
  std::uint64_t free = std::uint64_t{50} << 30;
};

}  // namespace

TEST_CASE("power lost at every operation leaves a beginning of what was written, the synced part at least") {
  const std::vector<Values> expected = states();
  std::uint64_t cases = 0;
  // What becomes of the unsynced bytes of the index and of the log: each disk has its own mind.
  const std::vector<std::pair<Unsynced, Unsynced>> fates{{Unsynced::kept, Unsynced::kept},
                                                         {Unsynced::dropped, Unsynced::dropped},
                                                         {Unsynced::torn, Unsynced::torn},
                                                         {Unsynced::kept, Unsynced::dropped},
                                                         {Unsynced::dropped, Unsynced::kept}};
  for (const Durable durable : {Durable::yes, Durable::no}) {
    for (const auto& fate : fates) {
      for (std::uint64_t at = 0;; ++at) {
        FaultEnv env;
        std::size_t acknowledged = 0;
        std::size_t safe = 0;
        {
          const auto store = log_on(env, tiny());
          env.crash_at(at);
          if (store->open()) {
            for (const Step& step : script()) {
              if (!play(*store, step, durable)) break;
              ++acknowledged;
              if (durable == Durable::yes) safe = acknowledged;
              if (durable == Durable::no && acknowledged % 7 == 0 && store->sync()) safe = acknowledged;
            }
          }
        }
        const bool crashed = env.crashed();
        if (!crashed) CHECK(!env.FileExists("/log/" + segment_name(1)));  // segments come and go
        env.lose_power_by_file([&](const std::string& name) {
          return name.starts_with("/log/index/") ? fate.first : fate.second;
        });
        ++cases;
        INFO("operation ", at, ", durable ", durable == Durable::yes, ", index ",
             static_cast<int>(fate.first), ", log ", static_cast<int>(fate.second));
        const auto store = log_on(env, tiny());
        REQUIRE(store->open());
        const Values found = contents(*store);
        const auto state =
            std::find(expected.begin() + static_cast<std::ptrdiff_t>(safe), expected.end(), found);
        REQUIRE(state != expected.end());
        if (fate.second == Unsynced::kept)
          REQUIRE(static_cast<std::size_t>(state - expected.begin()) >= acknowledged);
        // It goes on from there, and what it writes is there after another end of the process.
        REQUIRE(put(*store, "after", large('z')));
        REQUIRE(store->reopen());
        REQUIRE(value_of(*store, "after") == large('z'));
        if (!crashed) break;
      }
    }
  }
  MESSAGE(cases << " crashes");
  CHECK(cases > 1'000);
}

TEST_CASE("a crash while the log is opened after a crash loses nothing more") {
  const std::vector<Values> expected = states();
  for (const Unsynced unsynced : {Unsynced::dropped, Unsynced::torn}) {
    for (std::uint64_t first = 5; first < 150; first += 13) {
      for (std::uint64_t second = 0; second < 12; ++second) {
        FaultEnv env;
        std::size_t acknowledged = 0;
        {
          const auto store = log_on(env, tiny());
          env.crash_at(first);
          if (store->open())
            for (const Step& step : script()) {
              if (!play(*store, step, Durable::yes)) break;
              ++acknowledged;
            }
        }
        env.lose_power(unsynced);
        env.crash_at(env.operations() + second);
        (void)log_on(env, tiny())->open();
        env.lose_power(unsynced);
        const auto store = log_on(env, tiny());
        INFO("operations ", first, " and ", second);
        REQUIRE(store->open());
        const Values found = contents(*store);
        REQUIRE(std::find(expected.begin() + static_cast<std::ptrdiff_t>(acknowledged), expected.end(),
                          found) != expected.end());
      }
    }
  }
}

TEST_CASE("each failing operation in turn is an error at once or no harm at all") {
  for (std::uint64_t at = 0;; ++at) {
    FaultEnv env;
    const auto store = log_on(env, tiny());
    env.fail_at(at);
    while (!store->open()) {
    }
    Values expected;
    for (const Step& step : script()) {
      while (!play(*store, step, Durable::yes)) REQUIRE(store->reopen());
      for (const auto& [key, value] : step) {
        if (value)
          expected[key] = *value;
        else
          expected.erase(key);
      }
    }
    const bool reached = env.operations() > at;
    INFO("operation ", at);
    REQUIRE(contents(*store) == expected);
    REQUIRE(store->close());
    env.lose_power(Unsynced::dropped);
    const auto again = log_on(env, tiny());
    REQUIRE(again->open());
    REQUIRE(contents(*again) == expected);
    if (!reached) break;
  }
}

TEST_CASE("space of overwritten values is given back while others are written") {
  FaultEnv env;
  const auto store = log_on(env, small_log());
  REQUIRE(store->open());
  const auto random = seeded_random(11);
  Values expected;
  std::uint64_t most = 0;
  for (int i = 0; i < 2'000; ++i) {
    const std::string key = "k" + std::to_string(random->below(60));
    expected[key] = large(static_cast<char>('a' + i % 26), 4'000 + random->below(4'000));
    REQUIRE(put(*store, key, expected[key]));
    if (i > 200) most = std::max(most, log_bytes(env));
  }
  CHECK(contents(*store) == expected);
  std::uint64_t live = 0;
  for (const auto& [key, value] : expected) live += value.size();
  // Twice what is alive, the segment that is being written, the one that is being emptied, and what the
  // last checkpoint has not counted yet.
  CHECK(most < 2 * live + 3 * 64 * 1024);
  for (const auto& [key, value] : expected) REQUIRE(store->del(as_bytes(key), Durable::no));
  for (int i = 0; i < 40; ++i) REQUIRE(put(*store, "last", large('l')));
  REQUIRE(store->close());
  CHECK(log_bytes(env) < 2 * 64 * 1024);
}

TEST_CASE("what is deleted in a row goes with its segments, and nothing is moved for it") {
  FaultEnv env;
  const auto store = log_on(env, small_log());
  REQUIRE(store->open());
  const auto key = [](int i) { return "k" + std::to_string(i); };
  for (int i = 0; i < 200; ++i) REQUIRE(put(*store, key(i), large('a')));
  const auto before = env.contents();
  for (int i = 0; i < 150; ++i) REQUIRE(store->del(as_bytes(key(i)), Durable::no));
  // Whatever is there now was there before, but for the last segment, which has the deletes.
  std::size_t grown = 0;
  for (const auto& [name, bytes] : env.contents())
    if (name.ends_with(".values") && (!before.contains(name) || before.at(name).size() < bytes.size()))
      ++grown;
  CHECK(grown == 1);
  CHECK(log_bytes(env) < 100 * 5'000);
}

TEST_CASE("deletes alone give space back where little is left alive") {
  FaultEnv env;
  const auto store = log_on(env, small_log());
  REQUIRE(store->open());
  const auto key = [](int i) { return "k" + std::to_string(i); };
  for (int i = 0; i < 400; ++i) REQUIRE(put(*store, key(i), large('a')));
  for (int i = 0; i < 400; ++i)
    if (i % 8 != 0) REQUIRE(store->del(as_bytes(key(i)), Durable::no));
  CHECK(log_bytes(env) < 4 * 50 * 5'000 + 3 * 64 * 1024);
  for (int i = 0; i < 400; i += 8) REQUIRE(value_of(*store, key(i)) == large('a'));
}

TEST_CASE("values under keys that the store gave are counted like others: their space comes back") {
  FaultEnv env;
  std::map<Buffer, std::string> expected;
  const auto check = [&](Backend& store) {
    for (const auto& [key, value] : expected) REQUIRE(value_of(store, as_text(key)) == value);
  };
  const auto random = seeded_random(12);
  for (int life = 0; life < 3; ++life) {
    auto store = log_on(env, small_log());
    REQUIRE(store->open());
    check(*store);
    for (int i = 0; i < 300; ++i) {
      const std::string value = large(static_cast<char>('a' + i % 26), 200 + random->below(8'000));
      auto key = store->post(as_bytes(value), {}, Durable::no);
      REQUIRE(key);
      expected[*key] = value;
      // Some go at once, some are written again, some go later: before and after the index knows of them.
      const auto what = random->below(4);
      if (what == 0) {
        REQUIRE(store->del(*key, Durable::no));
        expected.erase(*key);
      } else if (what == 1) {
        expected[*key] = large('+', 6'000);
        REQUIRE(put(*store, as_text(*key), expected[*key]));
      }
      if (expected.size() > 20) {
        auto oldest = expected.begin();
        std::advance(oldest, static_cast<std::ptrdiff_t>(random->below(expected.size())));
        REQUIRE(store->del(oldest->first, Durable::no));
        expected.erase(oldest);
      }
    }
    check(*store);
    if (life == 1) continue;  // closed in order
    env.crash_at(env.operations());
    (void)put(*store, "cut off", large('c'));
    store.reset();
    env.lose_power(Unsynced::kept);
  }
  const auto store = log_on(env, small_log());
  REQUIRE(store->open());
  check(*store);
  for (const auto& [key, value] : expected) REQUIRE(store->del(key, Durable::no));
  for (int i = 0; i < 40; ++i) REQUIRE(put(*store, "last", large('l')));
  REQUIRE(store->close());
  CHECK(log_bytes(env) < 2 * 64 * 1024);
}

TEST_CASE("many crashes leave no heap of small segments") {
  FaultEnv env;
  for (int i = 0; i < 60; ++i) {
    {
      const auto store = log_on(env, small_log());
      REQUIRE(store->open());
      REQUIRE(put(*store, "k" + std::to_string(i), large('k', 1'000), Durable::yes));
      env.crash_at(env.operations());
      (void)put(*store, "cut off", large('c', 1'000));
    }
    env.lose_power(Unsynced::torn);
  }
  const auto store = log_on(env, small_log());
  REQUIRE(store->open());
  for (int i = 0; i < 60; ++i) REQUIRE(value_of(*store, "k" + std::to_string(i)) == large('k', 1'000));
  CHECK(segments(env) < 10);
}

TEST_CASE("many small segments of which all is alive are gathered while others write") {
  FaultEnv env;
  const auto key = [](int i) { return "k" + std::to_string(i); };
  {
    const auto store = log_on(env, tiny());
    REQUIRE(store->open());
    for (int i = 0; i < 100; ++i) REQUIRE(put(*store, key(i), large('a')));
  }
  CHECK(segments(env) > 30);
  LogOptions options = tiny();
  options.segment_bytes = 10'000'000;
  const auto store = log_on(env, options);
  REQUIRE(store->open());
  for (int i = 0; i < 60; ++i) REQUIRE(put(*store, "other", large('o')));
  CHECK(segments(env) < 10);
  for (int i = 0; i < 100; ++i) REQUIRE(value_of(*store, key(i)) == large('a'));
}

TEST_CASE("a cursor reads what its snapshot names, although the segments are gone") {
  FaultEnv env;
  const auto store = log_on(env, tiny());
  REQUIRE(store->open());
  for (const char* key : {"a", "b", "c"}) REQUIRE(put(*store, key, large(*key)));
  auto cursor = store->iterate({});
  REQUIRE(cursor);
  const std::size_t before = segments(env);
  for (int round = 0; round < 30; ++round)
    for (const char* key : {"a", "b", "c"}) REQUIRE(put(*store, key, large('x')));
  std::string seen;
  while ((*cursor)->next().value()) seen += static_cast<char>((*cursor)->value()[0]);
  CHECK(seen == "abc");
  cursor->reset();
  for (int round = 0; round < 6; ++round) REQUIRE(put(*store, "a", large('y')));
  CHECK(segments(env) <= before + 3);
}

TEST_CASE("an altered value is damaged, its neighbours are not, and it stays where it is") {
  FaultEnv env;
  {
    const auto store = log_on(env, tiny());
    REQUIRE(store->open());
    REQUIRE(put(*store, "hit", large('h')));
    for (int i = 0; i < 4; ++i) REQUIRE(put(*store, "k" + std::to_string(i), large('k')));
  }
  auto files = env.contents();
  std::string& first = files["/log/" + segment_name(1)];
  first[first.find("hhhh") + 100] = 'x';
  env.restore(files);
  const auto store = log_on(env, tiny());
  REQUIRE(store->open());
  CHECK(value_of(*store, "hit") == "<the store is damaged>");
  CHECK(!store->trouble().empty());
  CHECK(value_of(*store, "k0") == large('k'));
  // Unchecked reads are for bytes that something else vouches for.
  Buffer out;
  CHECK(store->get(as_bytes("hit"), out, Checked::no));
  CHECK(out.size() == 5'000);
  for (int round = 0; round < 20; ++round) REQUIRE(put(*store, "k0", large('n')));
  CHECK(value_of(*store, "hit") == "<the store is damaged>");
  CHECK(!store->poisoned());
  CHECK(put(*store, "hit", large('m')));
  CHECK(value_of(*store, "hit") == large('m'));
}

TEST_CASE("values without their index are damage, and nothing is removed") {
  FaultEnv env;
  {
    const auto store = log_on(env);
    REQUIRE(store->open());
    REQUIRE(put(*store, "a", large('a')));
  }
  const auto whole = env.contents();
  auto bare = whole;
  std::erase_if(bare, [](const auto& file) { return file.first.starts_with("/log/index/"); });
  env.restore(bare);
  CHECK(log_on(env)->open().error() == StorageErrc::damaged);
  CHECK(log_bytes(env) > 5'000);
  auto empty = whole;
  empty.erase("/log/" + segment_name(1));
  env.restore(empty);
  CHECK(log_on(env)->open().error() == StorageErrc::damaged);
  env.restore(whole);
  const auto store = log_on(env);
  REQUIRE(store->open());
  CHECK(value_of(*store, "a") == large('a'));
}

TEST_CASE("a missing segment is damage of its values alone") {
  FaultEnv env;
  {
    const auto store = log_on(env, tiny());
    REQUIRE(store->open());
    for (int i = 0; i < 12; ++i) REQUIRE(put(*store, "k" + std::to_string(i), large('k')));
  }
  auto files = env.contents();
  files.erase("/log/" + segment_name(1));
  env.restore(files);
  const auto store = log_on(env, tiny());
  REQUIRE(store->open());
  CHECK(value_of(*store, "k0") == "<the store is damaged>");
  CHECK(value_of(*store, "k11") == large('k'));
  REQUIRE(put(*store, "k0", large('n')));
  CHECK(value_of(*store, "k0") == large('n'));
}

TEST_CASE("flipped bytes anywhere in the log give an error, a missing end or the truth") {
  FaultEnv env;
  const std::vector<Values> expected = states();
  {
    const auto store = log_on(env, tiny());
    REQUIRE(store->open());
    for (const Step& step : script()) REQUIRE(play(*store, step, Durable::no));
    env.crash_at(env.operations());  // no checkpoint at the end: opening reads the tail
  }
  env.lose_power(Unsynced::kept);
  const auto whole = env.contents();
  const auto random = seeded_random(5);
  for (const auto& file : whole) {
    const std::string& name = file.first;
    const std::string& bytes = file.second;
    for (int n = 0; n < 40 && !bytes.empty() && name.ends_with(".values"); ++n) {
      auto flipped = whole;
      flipped[name][random->below(bytes.size())] ^= static_cast<char>(1 + random->below(255));
      env.restore(flipped);
      const auto store = log_on(env, tiny());
      if (!store->open()) continue;
      for (int k = 0; k < 5; ++k) {
        const std::string key = std::to_string(k);
        Buffer out;
        const auto got = store->get(as_bytes(key), out);
        if (!got) {
          const bool known = got.error() == StorageErrc::damaged || got.error() == StorageErrc::not_found;
          REQUIRE(known);
          continue;
        }
        const bool once = std::any_of(expected.begin(), expected.end(), [&](const Values& values) {
          return values.contains(key) && values.at(key) == text(out);
        });
        REQUIRE_MESSAGE(once, name);
      }
    }
  }
}

TEST_CASE("below the floor of free space the log takes only deletes, and gives space back then") {
  FaultEnv env;
  const auto gauge = std::make_shared<Gauge>();
  const auto store = log_on(env, small_log(), gauge);
  REQUIRE(store->open());
  REQUIRE(put(*store, "a", large('a')));
  gauge->free = std::uint64_t{1} << 30;
  Error error;
  for (int i = 0; i < 100 && !error; ++i)
    if (auto done = put(*store, "b", std::string(1'000'000, 'b')); !done) error = done.error();
  CHECK(error == StorageErrc::full);
  CHECK(!store->poisoned());
  CHECK(value_of(*store, "a") == large('a'));
  CHECK(store->del(as_bytes("a"), Durable::yes));
  CHECK(store->reopen().error() == StorageErrc::full);
  gauge->free = std::uint64_t{50} << 30;
  CHECK(put(*store, "b", large('b')));
  CHECK(store->reopen());
  CHECK(value_of(*store, "b") == large('b'));
}

TEST_CASE("a log that another store holds is locked, and one that is only looked for is not made") {
  const ScratchFolder folder;
  CHECK(log_backend({.folder = folder / "log", .create = false})->open().error() == StorageErrc::not_found);
  CHECK(!std::filesystem::exists(folder / "log"));
  const auto first = log_backend({.folder = folder / "log"});
  const auto second = log_backend({.folder = folder / "log"});
  REQUIRE(first->open());
  CHECK(second->open().error() == StorageErrc::locked);
  CHECK(!second->trouble().empty());
  REQUIRE(first->close());
  CHECK(second->open());
}

}  // namespace sheaf::test
