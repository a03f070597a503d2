// What keeps a router's stores in order: check, repair, rebalance, explain. How few
// copies may acknowledge a put, and what is found when a store comes back.
#include <functional>
#include <thread>

#include "tests/storage/router_world.hpp"
#include "tests/support/passing_backend.hpp"

namespace sheaf::test {
namespace {

// Routes as the test says, at any time.
class AsTold final : public Mapper {
 public:
  using Labels = std::vector<std::string>;
  explicit AsTold(std::function<Labels(std::string_view)> route) : route_(std::move(route)) {}
  Labels labels(Bytes value, const Traits&) override { return route_(as_text(value)); }
  std::string why(Bytes, const Traits&) override { return "the test says so"; }

 private:
  std::function<Labels(std::string_view)> route_;
};

std::string kinds(const CheckReport& report) { return kinds_in_words(report, "@"); }

RouterOptions naming_root(RouterWorld& world) {
  RouterOptions options = world.options();
  options.fallback = std::string(root_label);
  options.mapper = std::make_unique<AsTold>([](std::string_view value) {
    AsTold::Labels out;
    for (const char digit : {'1', '2', '3'})
      if (value.find(digit) != std::string_view::npos) out.emplace_back(1, digit);
    return out;
  });
  return options;
}

}  // namespace

TEST_CASE("what was put before a crash is swept, however much it is") {
  RouterWorld world;
  world.make(naming_root(world));
  REQUIRE(put(world.router(), "kept", "1"));
  REQUIRE(world.router().sync());
  const Records root = records_of(world.store("root"));
  for (int i = 0; i < 6'000; ++i) REQUIRE(put(world.router(), "k" + std::to_string(i), "1"));
  world.end();
  become(world.store("root"), root);
  Router& store = world.make(naming_root(world));
  CHECK(store.counters().swept == 6'000);
  CHECK(world.copies("1") == 1);
  CHECK(kinds(check_all(store)).empty());
}

TEST_CASE("a check looks for copies without a pointer a page of a store a call") {
  RouterWorld world;
  world.make(naming_root(world));
  for (int i = 0; i < 6'000; ++i) REQUIRE(put(world.router(), "k" + std::to_string(i), "12"));
  REQUIRE(world.router().sync());
  world.end();
  for (int i = 0; i < 5'000; ++i) {
    const Buffer entry = router_records::entry_key(as_bytes("k" + std::to_string(i)));
    REQUIRE(world.store("root").del(entry, Durable::yes));
  }

  Router& store = world.make(naming_root(world));
  CheckOptions options{.repair = true, .most = 10'000};
  std::size_t calls = 0, found = 0;
  std::uint64_t stored = 0;
  for (;; ++calls) {
    const auto page = store.check(options);
    REQUIRE(page);
    for (const RouterFinding& finding : page->findings) {
      REQUIRE(finding.kind == RouterFinding::Kind::orphan_copy);
      REQUIRE(finding.mended);
      ++found;
    }
    stored += page->stored;
    if (!page->next) break;
    options.after = page->next;
  }
  CHECK(calls > 5);  // of the root one, and of two stores several
  CHECK(found == 10'000);
  CHECK(stored == 12'000);
  CHECK(world.copies("1") == 1'000);
  CHECK(kinds(check_all(store)).empty());
}

TEST_CASE("check finds what differs from the pointers, and repair mends what can be mended") {
  RouterWorld world;
  Router& store = world.make();
  for (const char* key : {"a", "b", "c", "d"}) REQUIRE(put(store, key, std::string(key) + "12"));
  REQUIRE(put(store, "lost", "lost 3"));
  REQUIRE(store.sync());
  CHECK(kinds(check_all(store)).empty());

  const auto copy_of = [&](const std::string& label, const std::string& value) {
    for (const Buffer& key : world.copy_keys(label)) {
      Buffer found;
      REQUIRE(world.store(label).get(key, found));
      if (text(found) == value) return key;
    }
    return Buffer{};
  };
  REQUIRE(world.store("1").del(copy_of("1", "a12"), Durable::no));
  REQUIRE(world.store("2").put(copy_of("2", "b12"), as_bytes("rubbish"), {}, Durable::no));
  REQUIRE(world.store("3").del(copy_of("3", "lost 3"), Durable::no));

  SUBCASE("looking changes nothing") {
    const std::string found = "missing@1 damaged@2 missing@3 hopeless@ ";
    CHECK(kinds(check_all(store)) == found);
    CHECK(kinds(check_all(store)) == found);
  }
  SUBCASE("page by page it finds the same") {
    CHECK(kinds(check_all(store, {.most = 1})) == "missing@1 damaged@2 missing@3 hopeless@ ");
  }
  SUBCASE("repair writes good copies over bad ones; what no store has stays damaged") {
    CHECK(kinds(check_all(store, {.repair = true})) == "missing@1+ damaged@2+ missing@3 hopeless@ ");
    CHECK(kinds(check_all(store)) == "missing@3 hopeless@ ");
    CHECK(text([&] {
            Buffer found;
            REQUIRE(world.store("2").get(copy_of("2", "b12"), found));
            return found;
          }()) == "b12");
    Buffer out;
    CHECK(store.get(as_bytes("lost"), out).error() == StorageErrc::damaged);
    // It can be put again, or deleted.
    CHECK(store.del(as_bytes("lost"), Durable::yes));
    CHECK(kinds(check_all(store)).empty());
  }
}

TEST_CASE("a store that was emptied while nothing ran loses no value, and repair fills it again") {
  RouterWorld world;
  world.make();
  for (int i = 0; i < 50; ++i) REQUIRE(put(world.router(), "k" + std::to_string(i), "12"));
  REQUIRE(world.router().sync());
  world.end();
  forget_all(world.store("1"));
  Router& store = world.make();
  CHECK(value_of(store, "k7") == "12");
  const CheckReport report = check_all(store, {.repair = true});
  CHECK(report.findings.size() == 49);  // reading has mended one
  CHECK(kinds(check_all(store)).empty());
  CHECK(world.counts() == "0" + std::string("5050") + "0");
}

TEST_CASE("an orphan is found and removed; what others put is none") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", "1"));
  // The root forgets the pointer, as nothing of ours would.
  REQUIRE(world.store("root").del(to_buffer(as_bytes("\x01k")), Durable::no));
  REQUIRE(put(world.store("1"), "theirs", "1"));
  CHECK(kinds(check_all(store)) == "orphan@1 ");
  CHECK(kinds(check_all(store, {.repair = true})) == "orphan@1+ ");
  CHECK(kinds(check_all(store)).empty());
  CHECK(world.copies("1") == 1);
}

TEST_CASE("a root's entry that does not decode is found, read as damage, and can be replaced by a delete") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", "1"));
  REQUIRE(world.store("root").put(as_bytes("\x01k"), as_bytes("\x07\x01"), {}, Durable::no));
  Buffer out;
  CHECK(store.get(as_bytes("k"), out).error() == StorageErrc::damaged);
  CHECK(kinds(check_all(store)).starts_with("entry@root "));
  CHECK(store.del(as_bytes("k"), Durable::yes));
  check_all(store, {.repair = true});  // its copy is an orphan now
  CHECK(kinds(check_all(store)).empty());
  CHECK(world.counts() == "0000");
}

TEST_CASE("rebalance moves what today's routes would send elsewhere, and tells no follower") {
  RouterWorld world;
  std::string where = "1";
  RouterOptions options = world.options();
  options.mapper = std::make_unique<AsTold>([&](std::string_view) { return AsTold::Labels{where}; });
  Router& store = world.make(std::move(options));
  for (const char* key : {"a", "b", "c"}) REQUIRE(put(store, key, key));
  auto changes = store.changes({});
  REQUIRE(changes);

  where = "2";
  CHECK(kinds(check_all(store)).empty());
  CHECK(kinds(check_all(store, {.rebalance = true})) == "misplaced@1+ misplaced@1+ misplaced@1+ ");
  REQUIRE(store.sync());
  CHECK(world.counts() == "0030");
  CHECK(listed(store, {}) == "a=a b=b c=c ");
  CHECK(kinds(check_all(store, {.rebalance = true})).empty());

  where = root_label;
  CHECK(kinds(check_all(store, {.rebalance = true})) == "misplaced@2+ misplaced@2+ misplaced@2+ ");
  REQUIRE(store.sync());
  CHECK(world.counts() == "0000");
  CHECK(listed(store, {}) == "a=a b=b c=c ");
  CHECK(!(*changes)->try_next());
}

TEST_CASE("rebalance moves what lies in the root as well, where it is told what is no state") {
  class ByFirstLetter final : public TraitsByKey {
   public:
    Traits traits(Bytes key) const override {
      const char letter = as_text(key).front();
      return {.role = letter == 'b'   ? Traits::Role::block
                      : letter == 'v' ? Traits::Role::value
                                      : Traits::Role::state};
    }
  } by_first_letter;
  RouterWorld world;
  std::string where(root_label);
  const auto made = [&](const TraitsByKey* traits) -> Router& {
    RouterOptions options = world.options();
    options.mapper = std::make_unique<AsTold>([&](std::string_view) { return AsTold::Labels{where}; });
    options.traits = traits;
    return world.make(std::move(options));
  };
  Router& untold = made(nullptr);
  REQUIRE(untold.put(as_bytes("block"), as_bytes("b"), {.role = Traits::Role::block}, Durable::no));
  REQUIRE(untold.put(as_bytes("state"), as_bytes("s"), {.role = Traits::Role::state}, Durable::no));
  REQUIRE(put(untold, "value", "v"));
  where = "2";
  CHECK(kinds(check_all(untold, {.rebalance = true})).empty());

  Router& store = made(&by_first_letter);
  CHECK(kinds(check_all(store, {.rebalance = true})) == "misplaced@root+ misplaced@root+ ");
  CHECK(world.copies("2") == 1);
  CHECK(world.others("2") == 1);  // the block
  CHECK(listed(store, {}) == "block=b state=s value=v ");
  CHECK(kinds(check_all(store, {.rebalance = true})).empty());
  where = root_label;
  CHECK(kinds(check_all(store, {.rebalance = true})) == "misplaced@2+ misplaced@2+ ");
  CHECK(listed(store, {}) == "block=b state=s value=v ");
}

TEST_CASE("a page of a rebalance holds little of the root at a time") {
  class Values final : public TraitsByKey {
   public:
    Traits traits(Bytes) const override { return {}; }
  } values;
  RouterWorld world;
  std::string where(root_label);
  RouterOptions options = world.options();
  options.mapper = std::make_unique<AsTold>([&](std::string_view) { return AsTold::Labels{where}; });
  options.traits = &values;
  Router& store = world.make(std::move(options));
  for (int i = 0; i < 8; ++i) REQUIRE(put(store, "k" + std::to_string(i), std::string(3 * 1024 * 1024, 'x')));
  where = "1";
  const auto page = store.check({.rebalance = true});
  REQUIRE(page);
  CHECK(page->keys == 3);
  CHECK(page->next.has_value());
  CHECK(check_all(store, {.rebalance = true, .after = page->next}).keys == 5);
}

TEST_CASE("a block that its owner writes while a rebalance moves it is the owner's") {
  constexpr Traits block{.role = Traits::Role::block, .core = CoreId{1}};
  RouterWorld world;
  std::string where = "1";
  RouterOptions options = world.options();
  options.mapper = std::make_unique<AsTold>([&](std::string_view) { return AsTold::Labels{where}; });
  Router& store = world.make(std::move(options));
  REQUIRE(store.put(as_bytes("k"), as_bytes("old"), block, Durable::no));
  where = "2";
  world.faults("2").at_next = [&] {
    where = "3";
    std::thread([&] { CHECK(store.put(as_bytes("k"), as_bytes("new"), block, Durable::no)); }).join();
  };
  CHECK(kinds(check_all(store, {.rebalance = true})).empty());
  CHECK(value_of(store, "k") == "new");
  auto entries = store.entries({});
  REQUIRE(entries);
  REQUIRE((*entries)->next().value());
  CHECK((*entries)->stores() == std::vector<std::string>{"3"});
  CHECK(kinds(check_all(store)).empty());  // and what had been copied to 2 is gone
}

TEST_CASE("rebalance leaves a value where it is when its new store fails") {
  RouterWorld world;
  std::string where = "1";
  RouterOptions options = world.options();
  options.mapper = std::make_unique<AsTold>([&](std::string_view) { return AsTold::Labels{where}; });
  Router& store = world.make(std::move(options));
  REQUIRE(put(store, "a", "a"));
  where = "2";
  world.faults("2").fail_next = true;
  CHECK(kinds(check_all(store, {.rebalance = true})) == "misplaced@1 ");
  CHECK(value_of(store, "a") == "a");
  CHECK(world.counts() == "0100");
}

TEST_CASE("explain says where a value would go, and why") {
  RouterWorld world;
  Router& store = world.make(naming_root(world));
  const auto routed = store.explain(as_bytes("1 and 3"), {});
  REQUIRE(routed);
  CHECK(routed->stores == std::vector<std::string>{"1", "3"});
  CHECK(routed->why == "the test says so");
  const auto fallen = store.explain(as_bytes("none"), {});
  REQUIRE(fallen);
  CHECK(fallen->stores == std::vector<std::string>{"root"});
  CHECK(fallen->why.find("fallback") != std::string::npos);
  CHECK(listed(store, {}).empty());

  RouterOptions options = naming_root(world);
  options.fallback.clear();
  CHECK(world.make(std::move(options)).explain(as_bytes("none"), {}).error() == RouterErrc::no_route);
}

TEST_CASE("explain names the rule of the mapper by size") {
  RouterOptions options;
  options.root.owned = memory_backend();
  options.stores.push_back({.label = "large", .owned = memory_backend()});
  options.mapper = size_mapper("large", 10);
  const auto store = router(std::move(options));
  REQUIRE(store->open());
  const auto small = store->explain(as_bytes("nine byte"), {});
  const auto large = store->explain(as_bytes("ten bytes."), {});
  CHECK(small->stores == std::vector<std::string>{"root"});
  CHECK(large->stores == std::vector<std::string>{"large"});
  CHECK(large->why == "10 bytes, and values of 10 or more go to large");
}

TEST_CASE("copies that were in a store before it joined are not the router's to remove") {
  RouterWorld world;
  world.make();
  for (int i = 0; i < 10; ++i) REQUIRE(put(world.router(), "k" + std::to_string(i), "1"));
  REQUIRE(world.router().sync());
  world.end();
  // The store of label 1 is configured under another label: its pointers name a store that is no longer
  // there.
  const auto renamed = [&] {
    RouterOptions options = world.options();
    options.stores[1].label = "one";
    return options;
  };
  Router& store = world.make(renamed());
  CHECK(world.copies("1") == 10);
  REQUIRE(put(store, "new", "2"));
  check_all(store, {.repair = true});
  CHECK(world.copies("1") == 10);
  // Under its own label everything is there.
  Router& again = world.make();
  CHECK(value_of(again, "k3") == "1");
  CHECK(kinds(check_all(again)).empty());
}

TEST_CASE(
    "with copies_least a put is acknowledged with fewer copies than the mapper names, and mended later") {
  RouterWorld world;
  RouterOptions options = world.options();
  options.copies_least = 2;
  Router& store = world.make(std::move(options));
  world.faults("2").dead = true;
  CHECK(put(store, "k", "123", Durable::yes));
  CHECK(world.counts() == "0101");
  CHECK(value_of(store, "k") == "123");
  SUBCASE("but not with fewer than it says") {
    world.faults("3").fail_next = true;
    CHECK(put(store, "k", "123 again").error() == StorageErrc::io_error);
    CHECK(value_of(store, "k") == "123");
  }
  SUBCASE("a value with fewer routes than that needs all of them") {
    CHECK(put(store, "single", "2").error() != RouterErrc::no_route);
    CHECK(value_of(store, "single") == "<not found>");
  }
  SUBCASE("when the store is back, repair writes the copy that is missing") {
    world.faults("2").dead = false;
    CHECK(kinds(check_all(store, {.repair = true})) == "missing@2+ ");
    CHECK(kinds(check_all(store)).empty());
    CHECK(world.counts() == "0111");
  }
  CHECK(value_of(store, "k") == "123");
}

TEST_CASE("a block whose copy is gone is not found, so that its core fetches it again; a value is damaged") {
  RouterWorld world;
  Router& store = world.make();
  const Traits block{.role = Traits::Role::block};
  REQUIRE(store.put(as_bytes("b"), as_bytes("block 1"), block, Durable::yes));
  CHECK(value_of(store, "b") == "block 1");
  CHECK(world.others("1") == 1);  // under a key that its pointer gives: no record beside it
  CHECK(world.copies("1") == 0);
  forget_all(world.store("1"));
  CHECK(value_of(store, "b") == "<not found>");
  REQUIRE(store.put(as_bytes("b"), as_bytes("block 1"), block, Durable::yes));
  CHECK(value_of(store, "b") == "block 1");
  CHECK(kinds(check_all(store)).empty());
}

TEST_CASE("a store that was away is swept when it is back") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", "1 old", Durable::yes));
  world.faults("1").dead = true;
  CHECK(!put(store, "k", "1 new"));
  // Its old copy cannot go while it is away.
  CHECK(put(store, "k", "2 moved", Durable::yes));
  CHECK(store.del(as_bytes("other"), Durable::yes));
  CHECK(!store.store_trouble("1").empty());
  CHECK(value_of(store, "k") == "2 moved");
  CHECK(world.counts() == "0110");
  world.faults("1").dead = false;
  REQUIRE(store.sync());
  CHECK(world.counts() == "0010");
  CHECK(kinds(check_all(store)).empty());
  CHECK(store.store_trouble("1").empty());
}

TEST_CASE("a root that fails a put leaves no copy of it once the router was opened again") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", "12 old", Durable::yes));
  world.faults("root").fail_next = true;
  CHECK(!put(store, "k", "12 new", Durable::yes));
  CHECK(store.poisoned());
  CHECK(world.counts() == "0220");  // nobody knows yet what the root has kept
  REQUIRE(store.reopen());
  CHECK(value_of(store, "k") == "12 old");
  CHECK(world.counts() == "0110");
  CHECK(kinds(check_all(store)).empty());
}

TEST_CASE("what settles beside a sweep takes nothing from it") {
  class Watched final : public PassingBackend {
   public:
    using PassingBackend::PassingBackend;
    // Each is called once, before the next walk or write begins.
    std::function<void()> at_walk{};
    std::function<Error()> at_write{};

    Result<void> write(const Batch& batch, Durable durable) override {
      if (at_write)
        if (const Error refused = std::exchange(at_write, nullptr)()) return refused;
      return PassingBackend::write(batch, durable);
    }
    Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override {
      if (at_walk) std::exchange(at_walk, nullptr)();
      return PassingBackend::iterate(range);
    }
  };
  RouterWorld world;
  Watched root(world.store("root")), one(world.store("1"));
  RouterOptions options = world.options();
  options.root.lent = &root;
  options.stores[1].lent = &one;
  Router& store = world.make(std::move(options));
  REQUIRE(put(store, "k", "1 old", Durable::yes));
  REQUIRE(put(store, "k", "1 new", Durable::yes));  // so that there is something to settle
  // The copy is made, and cannot be removed again when the root refuses.
  root.at_write = [&]() -> Error {
    world.faults("1").dead = true;
    return StorageErrc::full;
  };
  const Traits block{.role = Traits::Role::block};
  CHECK(store.put(as_bytes("b"), as_bytes("1"), block, Durable::yes).error() == StorageErrc::full);
  world.faults("1").dead = false;
  CHECK(world.others("1") == 1);  // the block
  one.at_walk = [&] { CHECK(store.sync()); };
  CHECK(put(store, "other", "1"));
  CHECK(!one.at_walk);
  CHECK(world.copies("1") == 2);
  CHECK(world.others("1") == 0);
  CHECK(kinds(check_all(store)).empty());
  world.end();  // before the two that it was lent
}

TEST_CASE("a follower learns of a reopened router by a gap, and goes on") {
  RouterWorld world;
  Router& store = world.make();
  struct Count final : ChangeListener {
    void changed() noexcept override { ++calls; }
    int calls = 0;
  };
  const auto count = std::make_shared<Count>();
  ChangeOptions options;
  options.listener = count;
  auto changes = store.changes(options);
  REQUIRE(changes);
  REQUIRE(put(store, "a", "1"));
  CHECK(count->calls == 1);
  REQUIRE(store.reopen());
  REQUIRE(put(store, "b", "1"));
  CHECK(count->calls == 3);
  CHECK((*changes)->try_next().value().kind == Change::Kind::gap);
  CHECK(as_text((*changes)->try_next().value().key) == "b");
  CHECK(!(*changes)->try_next());
  REQUIRE(store.close());
  CHECK(!(*changes)->next());
}

}  // namespace sheaf::test
