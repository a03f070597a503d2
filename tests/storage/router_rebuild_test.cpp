// A lost root is noticed, and made again from the copies when that is asked for, page after page.
#include "tests/storage/router_world.hpp"
#include "tests/support/passing_backend.hpp"

namespace sheaf::test {
namespace {

RouterOptions naming_root(RouterWorld& world) {
  RouterOptions options = world.options();
  options.mapper = std::make_unique<DigitsOrRoot>();
  return options;
}

RouterOptions rebuilding(RouterWorld& world) {
  RouterOptions options = naming_root(world);
  options.rebuild_root = true;
  return options;
}

class Unreadable final : public PassingBackend {
 public:
  using Backend::get;
  using PassingBackend::PassingBackend;
  Result<void> get(Bytes key, Buffer& out, Checked checked) override {
    if (fails) return StorageErrc::io_error;
    return PassingBackend::get(key, out, checked);
  }
  bool fails = false;
};

std::string kinds(const CheckReport& report) { return kinds_in_words(report, "@"); }

}  // namespace

TEST_CASE("a lost root is noticed, and made again from the copies when that is asked for") {
  RouterWorld world;
  world.make(naming_root(world));
  REQUIRE(put(world.router(), "a", "12 old"));
  REQUIRE(put(world.router(), "a", "12 new"));
  REQUIRE(put(world.router(), "b", "3"));
  REQUIRE(put(world.router(), "inline", "in the root alone"));
  REQUIRE(put(world.router(), "gone", "3"));
  REQUIRE(world.router().del(as_bytes("gone"), Durable::yes));
  REQUIRE(world.router().sync());
  world.end();
  forget_all(world.store("root"));

  {
    const auto refused = router(naming_root(world));
    CHECK(refused->open().error() == StorageErrc::damaged);
    CHECK(refused->trouble().find("the root was lost") != std::string::npos);
  }
  {
    // Opened for it, but not made again: nothing is written, nothing is taken for an orphan.
    Router& waiting = world.make(rebuilding(world));
    CHECK(put(waiting, "c", "1").error() == StorageErrc::damaged);
    CHECK(kinds(check_all(waiting, {.repair = true})).empty());
    REQUIRE(waiting.sync());
    world.end();
    CHECK(router(naming_root(world))->open().error() == StorageErrc::damaged);
  }
  Router& store = world.make(rebuilding(world));
  CHECK(rebuild_root(store).value() == 2);
  CHECK(rebuild_root(store).error() == StorageErrc::exists);
  CHECK(listed(store, {}) == "a=12 new b=3 ");
  CHECK(put(store, "c", "1"));
  CHECK(kinds(check_all(store)).empty());

  Router& again = world.make(naming_root(world));
  CHECK(listed(again, {}) == "a=12 new b=3 c=1 ");
  CHECK(rebuild_root(again).error() == StorageErrc::exists);
  CHECK(world.counts() == "0211");
}

TEST_CASE("making a root again goes on where it was stopped") {
  RouterWorld world;
  world.make(naming_root(world));
  for (const char* key : {"a", "b", "c", "d", "e"}) REQUIRE(put(world.router(), key, "13 old"));
  for (const char* key : {"b", "d"}) REQUIRE(put(world.router(), key, "12 new"));
  REQUIRE(world.router().sync());
  world.end();
  forget_all(world.store("root"));

  // The copies of a, c and e in the first store.
  Router& begun = world.make(rebuilding(world));
  const auto first = begun.rebuild_root(3);
  REQUIRE(first);
  CHECK(first->copies == 3);
  CHECK(first->values == 3);
  CHECK(!first->done);
  CHECK(value_of(begun, "c") == "13 old");
  CHECK(put(begun, "f", "1").error() == StorageErrc::damaged);
  world.end();
  {
    const auto refused = router(naming_root(world));
    CHECK(refused->open().error() == StorageErrc::damaged);
    CHECK(refused->trouble() == "the root was lost, and is not made again yet");
  }

  Unreadable third(world.store("3"));
  RouterOptions options = rebuilding(world);
  options.stores[3].lent = &third;
  Router& goes_on = world.make(std::move(options));
  const auto second = goes_on.rebuild_root(3);
  REQUIRE(second);
  CHECK(second->copies == 6);
  CHECK(second->values == 5);
  CHECK(!second->done);

  // A store that does not answer: nothing of it is left out.
  third.fails = true;
  CHECK(rebuild_root(goes_on).error() == StorageErrc::io_error);
  third.fails = false;
  CHECK(rebuild_root(goes_on).value() == 5);
  CHECK(listed(goes_on, {}) == "a=13 old b=12 new c=13 old d=12 new e=13 old ");
  CHECK(kinds(check_all(goes_on)).empty());
  CHECK(put(goes_on, "f", "1"));
  world.end();
}

TEST_CASE("a root made again takes no copy of another router's for one of its own") {
  using namespace router_records;
  RouterWorld world;
  world.make(naming_root(world));
  REQUIRE(put(world.router(), "a", "1 ours"));
  REQUIRE(world.router().sync());
  const auto ours = name_of_copy(world.copy_keys("1").at(0));
  REQUIRE(ours);
  Pointer theirs;
  theirs.version = ours->version;
  theirs.checksum = checksum_of(as_bytes("2 theirs"));
  theirs.salt.value.fill(std::byte{7});
  REQUIRE(world.store("2").put(copy_key(theirs, {}, as_bytes("a")), as_bytes("2 theirs"), {}, Durable::yes));
  world.end();
  forget_all(world.store("root"));
  Router& store = world.make(rebuilding(world));
  CHECK(rebuild_root(store).value() == 1);
  CHECK(value_of(store, "a") == "1 ours");
  CHECK(kinds(check_all(store)) == "orphan@2 ");
  Router& again = world.make(naming_root(world));
  CHECK(kinds(check_all(again)) == "orphan@2 ");
}

TEST_CASE("a root made again names neither a copy that was replaced nor one that is not what its name says") {
  RouterWorld world;
  world.make(naming_root(world));
  REQUIRE(put(world.router(), "a", "2 old"));
  REQUIRE(world.router().sync());
  const Records before = records_of(world.store("2"));
  REQUIRE(put(world.router(), "a", "1 new"));
  REQUIRE(put(world.router(), "b", "13 b"));
  REQUIRE(world.router().sync());
  world.end();
  become(world.store("2"), before);
  const Buffer b = world.copy_keys("1").at(1);
  REQUIRE(world.store("1").put(b, as_bytes("13 x"), {}, Durable::yes));
  forget_all(world.store("root"));

  Router& store = world.make(rebuilding(world));
  CHECK(rebuild_root(store).value() == 2);
  CHECK(listed(store, {}) == "a=1 new b=13 b ");
  const auto entries = store.entries({});
  REQUIRE(entries);
  while ((*entries)->next().value())
    CHECK((*entries)->stores() == std::vector<std::string>{as_text((*entries)->key()) == "a" ? "1" : "3"});
  CHECK(kinds(check_all(store)) == "orphan@1 orphan@2 ");
}

TEST_CASE("copies of blocks whose core went with the root are found, and taken away by a repair") {
  RouterWorld world;
  world.make(naming_root(world));
  const Traits block{.role = Traits::Role::block};
  REQUIRE(world.router().put(as_bytes("block"), as_bytes("1"), block, Durable::yes));
  REQUIRE(put(world.router(), "value", "1"));
  REQUIRE(world.router().sync());
  CHECK(world.others("1") == 1);  // the block
  world.end();
  forget_all(world.store("root"));
  Router& store = world.make(rebuilding(world));
  CHECK(rebuild_root(store).value() == 1);
  CHECK(world.others("1") == 1);
  CHECK(kinds(check_all(store, {.repair = true})) == "orphan@1+ ");
  Router& again = world.make(naming_root(world));
  CHECK(kinds(check_all(again, {.repair = true})).empty());
  CHECK(world.others("1") == 0);
  CHECK(listed(again, {}) == "value=1 ");
}

TEST_CASE("a root is made again in writes that it takes, however long the keys are") {
  RouterWorld world;
  world.make(naming_root(world));
  const std::string long_key(800, 'k');
  for (int i = 0; i < 50; ++i) REQUIRE(put(world.router(), long_key + std::to_string(i), "1"));
  REQUIRE(world.router().sync());
  world.end();
  RouterOptions options = rebuilding(world);
  const auto small = memory_backend({.limits = {.batch_bytes = 8'000}});
  REQUIRE(small->open());
  options.root.lent = small.get();
  Router& store = world.make(std::move(options));
  CHECK(rebuild_root(store).value() == 50);
  CHECK(value_of(store, long_key + "49") == "1");
  world.end();
}

}  // namespace sheaf::test
