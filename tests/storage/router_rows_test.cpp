// The rows that the router takes over from the original multiplexer and its contract, by their numbers, each
// in the form in which it is kept here.
#include <set>
#include <thread>

#include "sheaf/storage/leveldb_backend.hpp"
#include "storage/router_records.hpp"
#include "tests/storage/router_world.hpp"
#include "tests/support/passing_backend.hpp"

namespace sheaf::test {
namespace {

// Names fixed labels, whatever the value.
class FixedMapper final : public Mapper {
 public:
  explicit FixedMapper(std::vector<std::string> labels) : labels_(std::move(labels)) {}
  std::vector<std::string> labels(Bytes, const Traits&) override { return labels_; }
  std::vector<std::string> targets() const override { return labels_; }

 private:
  std::vector<std::string> labels_;
};

// Labels that the value names, unknown ones too: what stands before ':' apart by commas.
class NamingMapper final : public Mapper {
 public:
  std::vector<std::string> labels(Bytes value, const Traits&) override {
    std::vector<std::string> out;
    std::string name;
    for (const char c : as_text(value)) {
      if (c == ':') break;
      if (c == ',')
        out.push_back(std::exchange(name, {}));
      else
        name += c;
    }
    if (!name.empty()) out.push_back(name);
    return out;
  }
};

RouterOptions naming(RouterWorld& world) {
  RouterOptions options = world.options();
  options.mapper = std::make_unique<NamingMapper>();
  return options;
}

// Counts what is asked of a store's life, in the order of the calls.
class Observed final : public PassingBackend {
 public:
  Observed(std::string name, std::string& log, const bool& fails)
      : PassingBackend(memory_backend()), name_(std::move(name)), log_(log), fails_(fails) {}
  Result<void> open() override {
    log_ += "+" + name_;
    return fails_ ? Result<void>(StorageErrc::io_error) : PassingBackend::open();
  }
  Result<void> close() override {
    log_ += "-" + name_;
    return PassingBackend::close();
  }

 private:
  std::string name_;
  std::string& log_;
  const bool& fails_;
};

std::string told(Changes& changes) {
  std::string out;
  while (const auto change = changes.try_next()) {
    switch (change->kind) {
      case Change::Kind::put: out += "put " + text(change->key) + "=" + text(change->value) + " "; break;
      case Change::Kind::del: out += "del " + text(change->key) + " "; break;
      case Change::Kind::gap: out += "gap "; break;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("LM-01 labels name stores, and are checked when the router is made") {
  RouterWorld world;
  RouterOptions twice = world.options();
  twice.stores[1].label = "0";
  CHECK_THROWS_AS(router(std::move(twice)), std::invalid_argument);
  RouterOptions reserved = world.options();
  reserved.stores[1].label = "root";
  CHECK_THROWS_AS(router(std::move(reserved)), std::invalid_argument);
  RouterOptions unknown_fallback = world.options();
  unknown_fallback.fallback = "elsewhere";
  CHECK_THROWS_AS(router(std::move(unknown_fallback)), std::invalid_argument);
  RouterOptions unknown_target = world.options();
  unknown_target.mapper = std::make_unique<FixedMapper>(std::vector<std::string>{"0", "elsewhere"});
  CHECK_THROWS_AS(router(std::move(unknown_target)), std::invalid_argument);
  RouterOptions no_mapper = world.options();
  no_mapper.mapper.reset();
  CHECK_THROWS_AS(router(std::move(no_mapper)), std::invalid_argument);
}

TEST_CASE("LM-02 the root opens first, then the stores in order; closing goes the other way") {
  std::string log;
  bool root_fails = false;
  bool second_fails = false;
  const bool never = false;
  RouterOptions options;
  options.root.owned = std::make_unique<Observed>("r", log, root_fails);
  options.stores.push_back({.label = "a", .owned = std::make_unique<Observed>("a", log, never)});
  options.stores.push_back({.label = "b", .owned = std::make_unique<Observed>("b", log, second_fails)});
  options.mapper = size_mapper("a", 1);
  const auto made = router(std::move(options));
  SUBCASE("all of them") {
    REQUIRE(made->open());
    REQUIRE(made->close());
    CHECK(log == "+r+a+b-b-a-r");
  }
  SUBCASE("a root that does not open leaves nothing open") {
    root_fails = true;
    CHECK(made->open().error() == StorageErrc::io_error);
    CHECK(log == "+r");
  }
  SUBCASE("a store that does not open is named, and the others serve") {
    REQUIRE(made->open());
    REQUIRE(made->close());
    second_fails = true;
    REQUIRE(made->open());
    CHECK(!made->store_trouble("b").empty());
    CHECK(made->store_trouble("a").empty());
    CHECK(put(*made, "k", "v"));
    CHECK(value_of(*made, "k") == "v");
  }
  SUBCASE("but a store that the root does not know yet has to open") {
    second_fails = true;
    CHECK(made->open().error() == StorageErrc::io_error);
    CHECK(made->trouble().find("b") != std::string::npos);
    CHECK(log.find("+r+a+b") == 0);
    CHECK(log.find("-a-r") == log.size() - 4);  // those that were open are closed again
    second_fails = false;
    CHECK(made->open());
  }
  SUBCASE("a lent store is left alone") {
    const auto lent = memory_backend();
    REQUIRE(lent->open());
    RouterOptions lending;
    lending.root.owned = memory_backend();
    lending.stores.push_back({.label = "a", .lent = lent.get()});
    lending.mapper = size_mapper("a", 1);
    const auto borrower = router(std::move(lending));
    REQUIRE(borrower->open());
    REQUIRE(borrower->close());
    CHECK(put(*lent, "still", "open"));
  }
}

TEST_CASE("LM-03 a put leaves a copy in each store that the mapper names, and nothing when one fails") {
  RouterWorld world;
  Router& store = world.make();
  SUBCASE("copies where the digits say") {
    REQUIRE(put(store, "k", "12"));
    CHECK(world.counts() == "0110");
    CHECK(value_of(store, "k") == "12");
  }
  SUBCASE("a store that fails leaves no copy in the others, and no pointer") {
    world.faults("2").fail_next = true;
    CHECK(put(store, "k", "123").error() == StorageErrc::io_error);
    CHECK(world.counts() == "0000");
    CHECK(value_of(store, "k") == "<not found>");
    CHECK(store.trouble().find("2") != std::string::npos);
    CHECK(put(store, "k", "123"));  // it was reopened on the way
    CHECK(world.counts() == "0111");
  }
  SUBCASE("an unknown label is an error, and leaves nothing") {
    Router& naming_store = world.make(naming(world));
    CHECK(put(naming_store, "k", "1,elsewhere:x").error() == RouterErrc::no_route);
    CHECK(world.counts() == "0000");
  }
  SUBCASE("no label: the fallback takes it, or it is an error") {
    Router& without = world.make(naming(world));
    CHECK(put(without, "k", ":x").error() == RouterErrc::no_route);
    RouterOptions options = naming(world);
    options.fallback = "3";
    Router& with = world.make(std::move(options));
    CHECK(put(with, "k", ":x"));
    CHECK(world.counts() == "0001");
  }
}

TEST_CASE("LM-04 a new value takes the place of the old, whose copies go") {
  RouterWorld world;
  Router& store = world.make();
  for (const char* value : {"1", "12", "23", "none", "3", "3"}) {
    REQUIRE(put(store, "k", value));
    REQUIRE(store.sync());
  }
  CHECK(world.counts() == "0001");
  REQUIRE(store.del(as_bytes("k"), Durable::yes));
  CHECK(world.counts() == "0000");
  CHECK(world.others("3") == 0);
}

TEST_CASE("LM-05 of concurrent puts of one key one wins, with one copy a label") {
  RouterWorld world;
  Router& store = world.make();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i)
        (void)put(store, "k", "12 of " + std::string(1, static_cast<char>('a' + t)));
    });
  for (auto& thread : threads) thread.join();
  REQUIRE(store.sync());
  CHECK(world.counts() == "0110");
  CHECK(check_all(store).findings.empty());
  const std::string value = value_of(store, "k");
  CHECK(value.starts_with("12 of "));
  for (const char* label : {"1", "2"})
    CHECK(value_of(world.store(label), as_text(world.copy_keys(label).front())) == value);
}

TEST_CASE("LM-06 a label named twice gets one copy") {
  RouterWorld world;
  Router& store = world.make(naming(world));
  REQUIRE(put(store, "k", "1,1,2,1:x"));
  CHECK(world.counts() == "0110");
}

TEST_CASE("LM-07 the copy that the pointer says is given, however many others there are") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", "the 123"));
  for (const char* label : {"1", "2"})
    REQUIRE(
        world.store(label).put(world.copy_keys(label).front(), as_bytes("an older one"), {}, Durable::no));
  CHECK(value_of(store, "k") == "the 123");
  CHECK(value_of(store, "nothing") == "<not found>");
}

TEST_CASE("LM-08 a missing copy is written back under its key; missing everywhere is damage, not absence") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", "12"));
  const Buffer key = world.copy_keys("1").front();
  REQUIRE(world.store("1").del(key, Durable::no));
  CHECK(value_of(store, "k") == "12");
  CHECK(world.copy_keys("1").front() == key);
  CHECK(store.counters().repaired_by_read == 1);

  for (const char* label : {"1", "2"})
    REQUIRE(world.store(label).del(world.copy_keys(label).front(), Durable::no));
  Buffer out;
  CHECK(store.get(as_bytes("k"), out).error() == StorageErrc::damaged);
  CHECK(store.trouble().find("1 2") != std::string::npos);
}

TEST_CASE("LM-09 diverging copies are resolved, and none is thrown away unseen") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", "12"));
  const Buffer key = world.copy_keys("1").front();
  // Somebody has damaged the copy there, and put a later one of another value beside it.
  const std::string other = "1, but another";
  router_records::Pointer later;
  later.version = 900'000;
  later.checksum = router_records::checksum_of(as_bytes(other));
  Batch batch;
  batch.put(key, as_bytes("damaged"));
  batch.put(router_records::copy_key(later, {}, as_bytes("k")), as_bytes(other));
  REQUIRE(world.store("1").write(batch, Durable::no));

  const auto all = store.get_all(as_bytes("k"));
  REQUIRE(all);
  REQUIRE(all->size() == 3);
  CHECK((!(*all)[0].current && (*all)[0].version == 0 && text((*all)[0].value) == "damaged"));
  CHECK((!(*all)[1].current && (*all)[1].version == 900'000 && text((*all)[1].value) == other));
  CHECK(((*all)[2].current && text((*all)[2].value) == "12"));

  SUBCASE("the pointer's value wins where it is; the other is kept aside") {
    CHECK(value_of(store, "k") == "12");
    const auto after = store.get_all(as_bytes("k"));
    REQUIRE(after->size() == 3);
    CHECK((*after)[0].current);
    CHECK(text((*after)[2].value) == other);
  }
  SUBCASE("with no good copy the highest version wins") {
    REQUIRE(world.store("2").del(world.copy_keys("2").front(), Durable::no));
    CHECK(value_of(store, "k") == other);
  }
  SUBCASE("one that does not vouch for itself is nobody's value") {
    REQUIRE(world.store("1").put(router_records::copy_key(later, {}, as_bytes("k")), as_bytes("1, altered"),
                                 {}, Durable::no));
    REQUIRE(world.store("2").del(world.copy_keys("2").front(), Durable::no));
    Buffer out;
    CHECK(store.get(as_bytes("k"), out).error() == StorageErrc::damaged);
    CHECK(store.get_all(as_bytes("k"))->size() == 1);
  }
  SUBCASE("or the one that the caller's resolver chooses") {
    struct None final : Resolver {
      std::optional<std::size_t> choose(Bytes, std::span<const FoundCopy> copies) override {
        CHECK(copies.size() == 2);
        return std::nullopt;
      }
    } none;
    RouterOptions options = world.options();
    options.resolver = &none;
    Router& strict = world.make(std::move(options));
    REQUIRE(world.store("2").del(world.copy_keys("2").front(), Durable::no));
    Buffer out;
    CHECK(strict.get(as_bytes("k"), out).error() == StorageErrc::damaged);
  }
}

TEST_CASE("LM-10 del removes pointer and copies; an absent key is no error") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", "123"));
  REQUIRE(world.store("2").del(world.copy_keys("2").front(), Durable::no));
  CHECK(store.del(as_bytes("k"), Durable::yes));
  CHECK(store.del(as_bytes("k"), Durable::yes));
  CHECK(world.counts() == "0000");
  CHECK(check_all(store).findings.empty());
}

TEST_CASE("LM-11 an iteration goes on behind a value that cannot be read") {
  RouterWorld world;
  Router& store = world.make();
  for (const char* key : {"a", "b", "c"}) REQUIRE(put(store, key, std::string(key) + "1"));
  for (const Buffer& copy : world.copy_keys("1")) {
    Buffer value;
    REQUIRE(world.store("1").get(copy, value));
    if (text(value) == "b1") REQUIRE(world.store("1").del(copy, Durable::no));
  }
  auto cursor = store.iterate({});
  REQUIRE(cursor);
  CHECK((*cursor)->next().value());
  CHECK(as_text((*cursor)->value()) == "a1");
  CHECK((*cursor)->next().error() == StorageErrc::damaged);
  CHECK((*cursor)->next().value());
  CHECK(as_text((*cursor)->value()) == "c1");
  CHECK(!(*cursor)->next().value());
}

TEST_CASE("LM-11 a list says where each value lies") {
  RouterWorld world;
  RouterOptions options = naming(world);
  options.fallback = std::string(root_label);
  Router& store = world.make(std::move(options));
  REQUIRE(put(store, "a", "1,3:x"));
  REQUIRE(put(store, "b", ":in the root"));
  auto entries = store.entries({.keys_only = true});
  REQUIRE(entries);
  REQUIRE((*entries)->next().value());
  CHECK((*entries)->stores() == std::vector<std::string>{"1", "3"});
  CHECK((*entries)->length() == 5);
  REQUIRE((*entries)->next().value());
  CHECK((*entries)->stores() == std::vector<std::string>{"root"});
  CHECK((*entries)->length() == 12);
}

TEST_CASE("LM-12 post puts under a fresh key and gives it") {
  RouterWorld world;
  Router& store = world.make();
  const auto key = store.post(as_bytes("1 2"), {}, Durable::no);
  REQUIRE(key);
  CHECK(value_of(store, as_text(*key)) == "1 2");
  CHECK(world.counts() == "0110");
}

TEST_CASE("LM-13 followers see each change once with its outer key, others' changes in the stores too") {
  RouterWorld world;
  RouterOptions options = world.options();
  options.stores[1].adopt = true;
  Router& store = world.make(std::move(options));
  auto changes = store.changes({.values = true});
  REQUIRE(changes);
  REQUIRE(put(store, "a", "1"));
  Batch batch;
  batch.put(as_bytes("b"), as_bytes("12"));
  batch.del(as_bytes("a"));
  REQUIRE(store.write(batch, Durable::yes));
  CHECK(told(**changes) == "put a=1 put b=12 del a ");
  CHECK(store.absorb().value() == 0);
  CHECK(told(**changes).empty());

  // A change of the copy is a change of the value.
  REQUIRE(world.store("1").put(world.copy_keys("1").front(), as_bytes("1 changed"), {}, Durable::no));
  CHECK(store.absorb().value() == 1);
  CHECK(told(**changes) == "put b=1 changed ");
  CHECK(value_of(store, "b") == "1 changed");
}

TEST_CASE("LM-14 own writes are not echoed, and a value that others put is taken in once") {
  RouterWorld world;
  RouterOptions options = world.options();
  options.stores[1].adopt = true;
  Router& store = world.make(std::move(options));
  auto changes = store.changes({.values = true});
  REQUIRE(world.store("1").put(as_bytes("theirs"), as_bytes("a 1 of theirs"), {}, Durable::no));
  for (int round = 0; round < 30; ++round) REQUIRE(store.absorb());
  CHECK(store.counters().adopted == 1);
  REQUIRE(store.sync());
  CHECK(world.counts() == "0100");
  auto entries = store.entries({});
  REQUIRE((*entries)->next().value());
  CHECK(as_text((*entries)->value()) == "a 1 of theirs");
  CHECK(told(**changes) == "put " + std::string(as_text((*entries)->key())) + "=a 1 of theirs ");
  CHECK(!(*entries)->next().value());
}

TEST_CASE("LM-14 what others put while nothing ran is taken in once, and told") {
  RouterWorld world;
  const auto made = [&]() -> Router& {
    RouterOptions options = world.options();
    options.stores[1].adopt = true;
    return world.make(std::move(options));
  };
  REQUIRE(put(made(), "ours", "1 of ours"));
  world.end();
  std::multiset<std::string> expected{"1 of ours"};
  for (int i = 0; i < 2'500; ++i) {
    const std::string number = std::to_string(i);
    REQUIRE(put(world.store("1"), "theirs " + number, "1 of theirs, " + number));
    expected.insert("1 of theirs, " + number);
  }
  Router& store = made();
  auto changes = store.changes({});
  REQUIRE(changes);
  CHECK(store.absorb().value() == 2'500);
  CHECK(store.absorb().value() == 0);
  std::size_t events = 0;
  while ((*changes)->try_next()) ++events;
  CHECK(events == 2'500);
  const auto values = [&] {
    std::multiset<std::string> out;
    auto cursor = world.router().iterate({});
    REQUIRE(cursor);
    while ((*cursor)->next().value()) out.insert(std::string(as_text((*cursor)->value())));
    return out;
  };
  CHECK(values() == expected);
  REQUIRE(store.reopen());
  CHECK(store.absorb().value() == 0);
  CHECK(values() == expected);
  CHECK(world.copies("1") == 2'501);
  CHECK(check_all(store).findings.empty());
}

TEST_CASE("LM-14 a value of others that no route takes stays where it is, and others are taken in") {
  class OnlyOnes final : public Mapper {
   public:
    std::vector<std::string> labels(Bytes value, const Traits&) override {
      if (as_text(value).starts_with("1")) return {"1"};
      return {};
    }
  };
  RouterWorld world;
  for (const char* key : {"a", "b", "c"})
    REQUIRE(put(world.store("1"), key, std::string(*key == 'b' ? "nobody's" : "1 of theirs")));
  RouterOptions options = world.options();
  options.mapper = std::make_unique<OnlyOnes>();
  options.stores[1].adopt = true;
  Router& store = world.make(std::move(options));
  CHECK(store.absorb().value() == 2);
  CHECK(store.trouble().find("could not be taken in") != std::string::npos);
  CHECK(value_of(world.store("1"), "b") == "nobody's");
  CHECK(world.copies("1") == 3);
}

TEST_CASE("LM-14 in a store that is not marked, what others put is left alone") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(world.store("1").put(as_bytes("theirs"), as_bytes("1"), {}, Durable::no));
  CHECK(store.absorb().value() == 0);
  CHECK(listed(store, {}).empty());
  CHECK(check_all(store, {.repair = true}).findings.empty());
  CHECK(world.copies("1") == 1);
}

TEST_CASE("LM-15 a copy that others delete is deleted once") {
  RouterWorld world;
  RouterOptions options = world.options();
  options.stores[1].adopt = true;
  Router& store = world.make(std::move(options));
  REQUIRE(put(store, "k", "12"));
  auto changes = store.changes({});
  REQUIRE(world.store("1").del(world.copy_keys("1").front(), Durable::no));
  CHECK(store.absorb().value() == 1);
  CHECK(store.absorb().value() == 0);
  CHECK(told(**changes) == "del k ");
  REQUIRE(store.sync());
  CHECK(world.counts() == "0000");
}

TEST_CASE("LM-16, LM-20 labels that a value names and that exist get it; without any the fallback does") {
  // The mapper of the original's readme as it was meant. docs/examples/value_router.cpp runs the rest of it.
  class Readme final : public Mapper {
   public:
    std::vector<std::string> labels(Bytes value, const Traits& traits) override {
      std::vector<std::string> out;
      for (const std::string& label : naming_.labels(value, traits))
        if (label == "a" || label == "b") out.push_back(label);
      return out;
    }

   private:
    NamingMapper naming_;
  };
  RouterWorld world({"a", "b", "fallback"});
  RouterOptions options = world.options();
  options.mapper = std::make_unique<Readme>();
  options.fallback = "fallback";
  Router& store = world.make(std::move(options));
  REQUIRE(put(store, "both", "a,b:x"));
  CHECK(world.counts() == "110");
  REQUIRE(put(store, "one", "a:x"));
  CHECK(world.counts() == "210");
  REQUIRE(put(store, "none", ":x"));
  CHECK(world.counts() == "211");
  REQUIRE(put(store, "unknown", "c:x"));
  CHECK(world.counts() == "212");
}

TEST_CASE("LM-17, LM-18 values are bytes, and come back as they were") {
  RouterWorld world;
  Router& store = world.make();
  const std::string json = R"({"type":"1","n":[2,{"x":null}]})";
  const std::string binary("\xff\xfe\x00", 3);
  REQUIRE(put(store, "json", json));
  REQUIRE(put(store, "binary", binary));
  CHECK(value_of(store, "json") == json);
  CHECK(value_of(store, "binary") == binary);
}

TEST_CASE("LM-19 copies are told apart by their bytes, whatever a value means") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "k", R"({"a":1,"b":2})"));
  REQUIRE(world.store("1").put(world.copy_keys("1").front(), as_bytes(R"({"b":2,"a":1})"), {}, Durable::no));
  const auto all = store.get_all(as_bytes("k"));
  REQUIRE(all->size() == 2);
  CHECK(!(*all)[0].current);
  CHECK((*all)[1].current);
  CHECK(value_of(store, "k") == R"({"a":1,"b":2})");
}

TEST_CASE("EL-01, EL-02, EL-03 get, put, del; an empty key is misuse; values are bytes, also none") {
  RouterWorld world;
  Router& store = world.make();
  conforms_in_reading_and_writing(store);
}

TEST_CASE("EL-04, EL-11 iteration has bounds, order and limit, over a snapshot that keeps its values") {
  RouterWorld world;
  Router& store = world.make();
  SUBCASE("as every backend") { conforms_in_iteration(store); }
  SUBCASE("copies that the snapshot names outlive their keys, and go with it") {
    REQUIRE(put(store, "a", "old 1"));
    auto cursor = store.iterate({});
    REQUIRE(put(store, "a", "new 2", Durable::yes));
    REQUIRE(store.del(as_bytes("a"), Durable::yes));
    REQUIRE(store.sync());
    REQUIRE((*cursor)->next().value());
    CHECK(as_text((*cursor)->value()) == "old 1");
    cursor->reset();
    REQUIRE(store.sync());
    CHECK(world.counts() == "0000");
  }
}

TEST_CASE("EL-05, EL-06 a batch is whole or not at all, over all stores") {
  RouterWorld world;
  Router& store = world.make();
  REQUIRE(put(store, "kept", "1 old"));
  Batch batch;
  batch.put(as_bytes("kept"), as_bytes("2 new"));
  batch.put(as_bytes("x"), as_bytes("3"));
  batch.del(as_bytes("gone"));
  world.faults("3").fail_next = true;
  CHECK(store.write(batch, Durable::no).error() == StorageErrc::io_error);
  CHECK(listed(store, {}) == "kept=1 old ");
  CHECK(world.counts() == "0100");
  CHECK(store.write(batch, Durable::yes));
  CHECK(listed(store, {}) == "kept=2 new x=3 ");
  CHECK(world.counts() == "0011");
}

TEST_CASE("EL-07 two posts give two keys") {
  RouterWorld world;
  Router& store = world.make();
  CHECK(store.post(as_bytes("1"), {}, Durable::no).value() !=
        store.post(as_bytes("1"), {}, Durable::no).value());
}

TEST_CASE("EL-08 changes come as put and del of a batch, in order, once") {
  RouterWorld world;
  Router& store = world.make();
  conforms_in_changes(store);
}

TEST_CASE("EL-09 keys and values are bytes on both sides: nothing is encoded on the way") {
  RouterWorld world;
  Router& store = world.make();
  const std::string key("\x00\x01\xff", 3);
  REQUIRE(put(store, key, "1"));
  CHECK(value_of(store, key) == "1");
  CHECK(value_of(world.store("1"), as_text(world.copy_keys("1").front())) == "1");
}

TEST_CASE("EL-10 a router can stand where a store is asked for, and a store where a router is") {
  RouterWorld inner_world;  // outlives the router that it is lent to
  RouterWorld outer_world({"0", "1"});
  Router& inner = inner_world.make();
  RouterOptions options = outer_world.options();
  options.stores[1].lent = &inner;
  options.mapper = std::make_unique<FixedMapper>(std::vector<std::string>{"0", "1"});
  Router& outer = outer_world.make(std::move(options));
  REQUIRE(put(outer, "k", "23"));
  CHECK(inner_world.counts()[2] == '1');
  CHECK(value_of(outer, "k") == "23");
}

TEST_CASE("SU-14 what a cut-off put has left is swept when the router opens") {
  RouterWorld world;
  world.make();
  REQUIRE(put(world.router(), "settled", "1"));
  // The root takes nothing any more, as if the process had ended before it did.
  world.faults("root").dead = true;
  CHECK(!put(world.router(), "k", "123"));
  CHECK(world.counts() == "0211");
  world.end();
  world.faults("root").dead = false;
  REQUIRE(world.store("root").reopen());
  Router& again = world.make();
  CHECK(world.counts() == "0100");
  CHECK(again.counters().swept == 3);
  CHECK(listed(again, {}) == "settled=1 ");
}

}  // namespace sheaf::test
