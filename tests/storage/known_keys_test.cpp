// Which keys are there, and which have copies, as a router knows it in memory, and that one which relies on
// it leaves no copies behind.
#include "storage/known_keys.hpp"

#include <random>

#include "tests/storage/router_world.hpp"
#include "tests/support/passing_backend.hpp"

namespace sheaf::test {
namespace {

constexpr std::size_t roomy = 8 * 1024 * 1024;

// Counts what is asked of it.
class CountingBackend final : public PassingBackend {
 public:
  using Backend::get;
  using PassingBackend::PassingBackend;
  Result<void> get(Bytes key, Buffer& out, Checked checked) override {
    ++gets;
    return PassingBackend::get(key, out, checked);
  }
  std::size_t gets = 0;
};

// To the root where there is no digit.
class RootOrDigits final : public Mapper {
 public:
  std::vector<std::string> labels(Bytes value, const Traits& traits) override {
    auto out = digits_.labels(value, traits);
    if (out.front() == "0") out.front() = root_label;
    return out;
  }

 private:
  DigitMapper digits_;
};

struct CountedWorld {
  RouterWorld stores;
  CountingBackend root{stores.store(std::string(root_label))};

  Router& make(std::size_t known_keys_bytes = roomy) {
    RouterOptions options = stores.options();
    options.root.lent = &root;
    options.mapper = std::make_unique<RootOrDigits>();
    options.pointed_keys_bytes = known_keys_bytes;
    return stores.make(std::move(options));
  }
};

std::string name(std::size_t number) { return "key " + std::to_string(number); }

}  // namespace

TEST_CASE("a filter holds all that was added, and little else, however much it is") {
  std::mt19937_64 random(1);
  KeyFilter filter(roomy);
  CHECK(!filter.may_hold(random()));
  std::vector<std::uint64_t> added;
  for (const std::size_t keys : {1'000, 10'000, 300'000}) {
    while (added.size() < keys) {
      added.push_back(random());
      filter.add(added.back());
    }
    for (const std::uint64_t hash : added) REQUIRE(filter.may_hold(hash));
    std::size_t wrong = 0;
    for (int n = 0; n < 20'000; ++n)
      if (filter.may_hold(random())) ++wrong;
    CHECK(wrong < 600);
    CHECK(filter.bytes() < 4 * keys + 66'000);
  }
  filter.clear();
  CHECK(!filter.may_hold(added.front()));
  CHECK(filter.bytes() == 0);
}

TEST_CASE("a key that is added again takes no room in a filter") {
  KeyFilter filter(roomy);
  for (int n = 0; n < 1'000'000; ++n) filter.add(7);
  CHECK(filter.bytes() <= 64 * 1024);
}

TEST_CASE("beyond its memory a filter holds everything, and takes none") {
  std::mt19937_64 random(1);
  KeyFilter filter(256 * 1024);
  while (!filter.holds_everything()) {
    REQUIRE(filter.bytes() <= 256 * 1024);
    filter.add(random());
  }
  CHECK(filter.may_hold(random()));
  filter.add(random());
  CHECK(filter.bytes() == 0);
}

TEST_CASE("once the router knows its keys, it looks for what others may have no more") {
  CountedWorld world;
  Router& router = world.make();
  for (const char* key : {"inline", "untouched"}) REQUIRE(put(router, key, "in the root"));
  REQUIRE(put(router, "pointed", "1"));
  learn_known(router);

  const auto gets_of = [&](std::string_view key, std::string_view value) {
    const std::size_t before = world.root.gets;
    REQUIRE(put(router, key, value));
    return world.root.gets - before;
  };
  CHECK(gets_of("new", "in the root") == 0);
  CHECK(gets_of("new", "in the root again") == 0);
  CHECK(gets_of("inline", "in the root again") == 0);
  // What an unsynced put elsewhere may have to go back to.
  CHECK(gets_of("inline", "2") == 1);
  CHECK(gets_of("untouched", "2") == 1);
  REQUIRE(router.del(as_bytes("untouched"), Durable::no));
  CHECK(gets_of("newer", "12") == 0);
  CHECK(gets_of("newer", "3") == 1);

  CHECK(gets_of("pointed", "in the root") == 1);
  CHECK(gets_of("newer", "in the root") == 1);
  const std::size_t before = world.root.gets;
  REQUIRE(router.del(as_bytes("new"), Durable::no));
  CHECK(world.root.gets == before);
  REQUIRE(router.del(as_bytes("inline"), Durable::no));
  CHECK(world.root.gets == before + 1);
  REQUIRE(router.sync());
  CHECK(world.stores.counts() == "0000");
}

TEST_CASE("what was put as state is there, too") {
  CountedWorld world;
  Router& router = world.make();
  learn_known(router);
  REQUIRE(router.put(as_bytes("k"), as_bytes("state"), {.role = Traits::Role::state}, Durable::no));
  const std::size_t before = world.root.gets;
  REQUIRE(put(router, "k", "1"));
  CHECK(world.root.gets == before + 1);
}

TEST_CASE("without memory for it every put asks the root") {
  CountedWorld world;
  Router& router = world.make(0);
  learn_known(router);
  const std::size_t before = world.root.gets;
  REQUIRE(put(router, "new", "in the root"));
  CHECK(world.root.gets == before + 1);
}

TEST_CASE("where more keys have copies than the memory takes, all are looked for") {
  constexpr std::size_t keys = 45'000;
  CountedWorld world;
  Router& router = world.make(128 * 1024);
  learn_known(router);
  for (std::size_t n = 0; n < keys; ++n) REQUIRE(put(router, name(n), "1"));
  const std::size_t before = world.root.gets;
  REQUIRE(put(router, "new", "in the root"));
  CHECK(world.root.gets == before + 1);
  for (std::size_t n = 0; n < keys; ++n) REQUIRE(put(router, name(n), "in the root"));
  REQUIRE(router.sync());
  CHECK(world.stores.copies("1") == 0);
}

TEST_CASE("keys of before the opening are known, and those of puts beside the walk") {
  // More than a page of the walk, so that it is at work for a while.
  constexpr std::size_t keys = 3 * KnownKeys::page_records;
  CountedWorld world;
  {
    Router& router = world.make();
    for (std::size_t n = 0; n < keys; n += 2)
      REQUIRE(put(router, name(n), n % 4 == 0 ? "12" : "in the root"));
  }
  Router& router = world.make();
  // Before the place that the walk has come to, and behind it.
  for (std::size_t n = 1; n < keys; n += 2) {
    REQUIRE(put(router, name(n), n % 4 == 1 ? "3" : "in the root"));
    REQUIRE(router.del(as_bytes("absent"), Durable::no));
  }
  const std::size_t before = world.root.gets;
  REQUIRE(put(router, "new", "in the root"));
  REQUIRE(world.root.gets == before);  // it has come to the end

  for (std::size_t n = 0; n < keys; ++n) REQUIRE(put(router, name(n), "in the root at last"));
  REQUIRE(router.sync());
  CHECK(world.stores.counts() == "0000");
  CHECK(check_all(router).findings.empty());
}

TEST_CASE("a router that was opened anew knows nothing of before") {
  CountedWorld world;
  Router& router = world.make();
  learn_known(router);
  REQUIRE(router.close());
  {
    const auto other = sheaf::router([&] {
      RouterOptions options = world.stores.options();
      options.mapper = std::make_unique<RootOrDigits>();
      return options;
    }());
    REQUIRE(other->open());
    REQUIRE(put(*other, "k", "1"));
    REQUIRE(put(*other, "inline", "in the root"));
  }
  REQUIRE(router.open());
  const std::size_t before = world.root.gets;
  REQUIRE(put(router, "inline", "1"));
  CHECK(world.root.gets == before + 1);
  REQUIRE(put(router, "inline", "in the root"));
  REQUIRE(put(router, "k", "in the root"));
  REQUIRE(router.sync());
  CHECK(world.stores.counts() == "0000");
}

}  // namespace sheaf::test
