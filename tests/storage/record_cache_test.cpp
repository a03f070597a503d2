#include "storage/record_cache.hpp"

#include <map>
#include <optional>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "sheaf/storage/leveldb_backend.hpp"
#include "storage/leveldb_seams.hpp"
#include "tests/support/fault_env.hpp"

namespace sheaf::test {
namespace {

constexpr std::size_t roomy = 1024 * 1024;

void put(RecordCache& cache, std::string_view key, std::string_view value) {
  Batch batch;
  batch.put(as_bytes(key), as_bytes(value));
  cache.begin_write(batch);
  cache.end_write(batch, true);
}

void del(RecordCache& cache, std::string_view key) {
  Batch batch;
  batch.del(as_bytes(key));
  cache.begin_write(batch);
  cache.end_write(batch, true);
}

std::string found(RecordCache& cache, std::string_view key) {
  Buffer out;
  return cache.find(as_bytes(key), out) ? std::string(as_text(out)) : "<not here>";
}

}  // namespace

TEST_CASE("what was written is found until it is overwritten or deleted") {
  RecordCache cache({.bytes = roomy});
  CHECK(found(cache, "k") == "<not here>");
  put(cache, "k", "old");
  CHECK(found(cache, "k") == "old");
  put(cache, "k", "new");
  CHECK(found(cache, "k") == "new");
  del(cache, "k");
  CHECK(found(cache, "k") == "<not here>");

  Buffer behind = to_buffer(as_bytes("before "));
  put(cache, "k", "");
  put(cache, "l", "x");
  CHECK(cache.find(as_bytes("k"), behind));
  CHECK(cache.find(as_bytes("l"), behind));
  CHECK(as_text(behind) == "before x");
}

TEST_CASE("of a key that a batch has twice the later operation counts") {
  RecordCache cache({.bytes = roomy});
  Batch batch;
  batch.put(as_bytes("put"), as_bytes("1"));
  batch.put(as_bytes("put"), as_bytes("2"));
  batch.put(as_bytes("gone"), as_bytes("1"));
  batch.del(as_bytes("gone"));
  batch.del(as_bytes("back"));
  batch.put(as_bytes("back"), as_bytes("1"));
  cache.begin_write(batch);
  cache.end_write(batch, true);
  CHECK(found(cache, "put") == "2");
  CHECK(found(cache, "gone") == "<not here>");
  CHECK(found(cache, "back") == "1");
}

TEST_CASE("what was read is kept, unless a write was under way or has ended meanwhile") {
  RecordCache cache({.bytes = roomy});
  cache.end_read(cache.begin_read(), as_bytes("k"), as_bytes("read"));
  CHECK(found(cache, "k") == "read");

  Batch other;
  other.put(as_bytes("other"), as_bytes("1"));
  const std::uint64_t before = cache.begin_read();
  cache.begin_write(other);
  cache.end_read(before, as_bytes("a"), as_bytes("from before"));
  const std::uint64_t during = cache.begin_read();
  cache.end_read(during, as_bytes("b"), as_bytes("old or new"));
  cache.end_write(other, true);
  cache.end_read(before, as_bytes("c"), as_bytes("from before"));
  cache.end_read(during, as_bytes("d"), as_bytes("old or new"));
  for (const char* key : {"a", "b", "c", "d"}) CHECK(found(cache, key) == "<not here>");

  const std::uint64_t emptied = cache.begin_read();
  cache.clear();
  cache.end_read(emptied, as_bytes("k"), as_bytes("of another opening"));
  CHECK(found(cache, "k") == "<not here>");
}

TEST_CASE("while a key is written it is not here, and after a write that failed nothing is") {
  RecordCache cache({.bytes = roomy});
  put(cache, "k", "old");
  put(cache, "l", "other");
  Batch batch;
  batch.put(as_bytes("k"), as_bytes("new"));
  cache.begin_write(batch);
  CHECK(found(cache, "k") == "<not here>");
  CHECK(found(cache, "l") == "other");
  cache.end_write(batch, false);
  CHECK(found(cache, "k") == "<not here>");
  CHECK(found(cache, "l") == "<not here>");
}

TEST_CASE("only records that are wanted and short are kept") {
  RecordCache cache({.bytes = roomy, .prefix = std::byte{'p'}, .wanted = [](Bytes value) {
                       return !value.empty() && value.back() == std::byte{'!'};
                     }});
  put(cache, "pa", "yes!");
  put(cache, "pb", "no");
  put(cache, "qa", "yes!");
  CHECK(found(cache, "pa") == "yes!");
  CHECK(found(cache, "pb") == "<not here>");
  CHECK(found(cache, "qa") == "<not here>");
  put(cache, "pa", "no longer");
  CHECK(found(cache, "pa") == "<not here>");
  put(cache, "pa", std::string(RecordCache::value_bytes_most, '!'));
  CHECK(found(cache, "pa") != "<not here>");
  put(cache, "pa", std::string(RecordCache::value_bytes_most + 1, '!'));
  CHECK(found(cache, "pa") == "<not here>");
  put(cache, std::string(RecordCache::key_bytes_most + 1, 'p'), "yes!");
  CHECK(found(cache, std::string(RecordCache::key_bytes_most + 1, 'p')) == "<not here>");

  RecordCache none({});
  put(none, "pa", "yes!");
  CHECK(found(none, "pa") == "<not here>");
  CHECK(none.bytes() == 0);
}

TEST_CASE("the memory has a bound, and what is asked for stays while the rest goes") {
  constexpr std::size_t most = 256 * 1024;
  RecordCache cache({.bytes = most});
  put(cache, "asked for", "1");
  for (int i = 0; i < 50'000; ++i) {
    put(cache, "k" + std::to_string(i), std::string(20, 'v'));
    REQUIRE(cache.bytes() <= most);
    if (i % 500 == 0) REQUIRE(found(cache, "asked for") == "1");
  }
  CHECK(found(cache, "k49999") != "<not here>");
  CHECK(found(cache, "k0") == "<not here>");
}

TEST_CASE("whatever is written, read and lost, the cache gives what was written last or nothing") {
  for (const std::size_t bytes : {4'000, 80'000, 1'000'000}) {
    std::mt19937_64 draw(bytes);
    RecordCache cache({.bytes = bytes});
    std::map<std::string, std::string> store;
    std::size_t hits = 0;
    for (int step = 0; step < 60'000; ++step) {
      const auto any_key = [&] { return "key " + std::to_string(draw() % 3'000); };
      switch (draw() % 4) {
        case 0: {
          Batch batch;
          std::map<std::string, std::optional<std::string>> changes;
          for (std::uint64_t i = draw() % 6; i > 0; --i) {
            const std::string key = any_key();
            auto& change = changes[key];
            change.reset();
            if (draw() % 3 > 0) change = std::to_string(step) + "/" + std::to_string(i);
            change ? batch.put_copy(as_bytes(key), as_bytes(*change)) : batch.del(as_bytes(key));
          }
          cache.begin_write(batch);
          const bool failed = draw() % 500 == 0;
          cache.end_write(batch, !failed);
          if (failed && draw() % 2 == 0) break;  // it may have happened nevertheless
          for (const auto& [key, value] : changes)
            if (value)
              store[key] = *value;
            else
              store.erase(key);
          break;
        }
        case 1: {
          const std::string key = any_key();
          const std::uint64_t begun = cache.begin_read();
          if (const auto at = store.find(key); at != store.end())
            cache.end_read(begun, as_bytes(key), as_bytes(at->second));
          break;
        }
        default: {
          const std::string key = any_key();
          const std::string value = found(cache, key);
          if (value == "<not here>") break;
          ++hits;
          REQUIRE(store.contains(key));
          REQUIRE(value == store[key]);
        }
      }
    }
    if (bytes > 4'000) CHECK(hits > 1'000);  // the smallest has no room for anything
  }
}

TEST_CASE("a LevelDB store that holds records in memory reads what is in its files once a write has failed") {
  FaultEnv env;
  const auto store = leveldb_backend({.folder = "/store"}, {.env = &env, .records = {.bytes = roomy}});
  REQUIRE(store->open());
  const auto value = [&](std::string_view key) {
    Buffer out;
    const auto got = store->get(as_bytes(key), out);
    return got ? std::string(as_text(out)) : got.error().message();
  };
  REQUIRE(store->put(as_bytes("k"), as_bytes("old"), {}, Durable::yes));
  CHECK(value("k") == "old");
  env.fail_next();
  REQUIRE(!store->put(as_bytes("k"), as_bytes("new"), {}, Durable::yes));
  REQUIRE(store->reopen());
  const std::string after = value("k");
  CHECK((after == "old" || after == "new"));
  Buffer walked;
  auto cursor = store->iterate({});
  REQUIRE(cursor);
  REQUIRE((*cursor)->next().value());
  CHECK(as_text((*cursor)->value()) == after);
}

}  // namespace sheaf::test
