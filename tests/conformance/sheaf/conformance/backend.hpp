// What every backend has to do, as one suite: ours pass it, and an embedder's own is held against it with
// doctest 2.4. Call backend_conformance() inside a test case with a subject that makes a fresh store of the
// kind in question. A kind that cannot be made to fail calls the conforms_… functions instead, each in a
// subcase, all but conforms_over_its_life(). Installed beside the library; nothing of the library needs it.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "results.hpp"  // beside this file, here and where both are installed
#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf::conformance {

class BackendSubject {
 public:
  virtual ~BackendSubject() = default;
  // An empty store, not opened yet; the same object each time.
  virtual Backend& store() = 0;
  // The medium fails the next write that reaches it.
  virtual void fail_next_write() = 0;
};

inline std::string text(const Buffer& bytes) { return std::string(as_text(bytes)); }

inline std::string value_of(Backend& store, std::string_view key) {
  Buffer out;
  const auto got = store.get(as_bytes(key), out);
  return got ? text(out) : "<" + got.error().message() + ">";
}

inline Result<void> put(Backend& store, std::string_view key, std::string_view value,
                        Durable durable = Durable::no) {
  return store.put(as_bytes(key), as_bytes(value), {}, durable);
}

inline std::string listed(Backend& store, const KeyRange& range) {
  std::string out;
  auto cursor = store.iterate(range);
  REQUIRE(cursor);
  for (auto more = (*cursor)->next(); more && *more; more = (*cursor)->next())
    out += std::string(as_text((*cursor)->key())) + "=" + std::string(as_text((*cursor)->value())) + " ";
  CHECK(!(*cursor)->next().value());
  return out;
}

inline void conforms_in_reading_and_writing(Backend& store) {
  SUBCASE("what is put is got, until it is deleted") {
    CHECK(put(store, "a", "one"));
    CHECK(value_of(store, "a") == "one");
    CHECK(put(store, "a", "two"));
    CHECK(value_of(store, "a") == "two");
    CHECK(store.del(as_bytes("a"), Durable::no));
    CHECK(value_of(store, "a") == "<not found>");
    CHECK(store.del(as_bytes("a"), Durable::yes));
  }
  SUBCASE("get appends behind what the buffer holds, and leaves it alone when there is nothing") {
    REQUIRE(put(store, "k", "value"));
    Buffer out = to_buffer(as_bytes("head:"));
    CHECK(store.get(as_bytes("k"), out));
    CHECK(text(out) == "head:value");
    CHECK(store.get(as_bytes("other"), out).error() == StorageErrc::not_found);
    CHECK(text(out) == "head:value");
  }
  SUBCASE("values are any bytes, the empty value and large ones included") {
    Buffer large(3'000'000, std::byte{0xfe});
    large[1'000'000] = std::byte{0};
    CHECK(store.put(as_bytes("large"), large, {}, Durable::no));
    CHECK(put(store, "empty", ""));
    CHECK(put(store, "binary", std::string_view("\xff\xfe\x00", 3)));
    Buffer out;
    CHECK(store.get(as_bytes("large"), out));
    CHECK(out == large);
    CHECK(value_of(store, "empty").empty());
    CHECK(value_of(store, "binary") == std::string("\xff\xfe\x00", 3));
  }
  SUBCASE("post gives each value a key of its own") {
    const auto first = store.post(as_bytes("x"), {}, Durable::no);
    const auto second = store.post(as_bytes("x"), {}, Durable::no);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(*first != *second);
    CHECK(first->size() == 16);
    CHECK(value_of(store, as_text(*first)) == "x");
    CHECK(value_of(store, as_text(*second)) == "x");
  }
  SUBCASE("an empty key is misuse") { CHECK_THROWS(put(store, "", "value")); }
}

inline void conforms_in_batches(Backend& store) {
  SUBCASE("a batch is applied in order, the last operation on a key winning") {
    REQUIRE(put(store, "gone", "1"));
    Batch batch;
    batch.put(as_bytes("a"), as_bytes("1"));
    batch.del(as_bytes("gone"));
    batch.put(as_bytes("a"), as_bytes("2"));
    batch.put_copy(as_bytes("b"), as_bytes(std::string("made on the way")));
    batch.put(as_bytes("c"), as_bytes("3"));
    batch.del(as_bytes("c"));
    CHECK(store.write(batch, Durable::yes));
    CHECK(listed(store, {}) == "a=2 b=made on the way ");
  }
  SUBCASE("an empty batch and a sync change nothing") {
    CHECK(store.write(Batch{}, Durable::no));
    CHECK(store.sync());
    CHECK(listed(store, {}).empty());
  }
  SUBCASE("what is too large is refused before anything changes, and does not poison") {
    const StoreLimits& limits = store.limits();
    const std::string long_key(limits.key_bytes + 1, 'k');
    CHECK(put(store, long_key, "v").error() == StorageErrc::too_large);
    CHECK(put(store, long_key.substr(1), "v"));
    CHECK(store.put(as_bytes("v"), Buffer(limits.value_bytes + 1), {}, Durable::no).error() ==
          StorageErrc::too_large);
    Batch many;
    for (std::size_t i = 0; i <= limits.batch_operations; ++i) many.put(as_bytes("k"), as_bytes("v"));
    CHECK(store.write(many, Durable::no).error() == StorageErrc::too_large);
    const Buffer half(limits.batch_bytes / 2 + 1);
    Batch wide;
    wide.put(as_bytes("a"), half);
    wide.put(as_bytes("b"), half);
    CHECK(store.write(wide, Durable::no).error() == StorageErrc::too_large);
    CHECK(!store.poisoned());
    CHECK(put(store, "k", "v"));
  }
}

inline void conforms_in_iteration(Backend& store) {
  for (const char* key : {"b", "a", "d", "c"}) REQUIRE(put(store, key, key));
  REQUIRE(put(store, "\xff", "high"));
  SUBCASE("keys come in the order of their bytes, unsigned") {
    CHECK(listed(store, {}) == "a=a b=b c=c d=d \xff=high ");
    CHECK(listed(store, {.reverse = true}) == "\xff=high d=d c=c b=b a=a ");
  }
  SUBCASE("bounds, order and limit") {
    const Bytes b = as_bytes("b"), c = as_bytes("c"), bb = as_bytes("bb");
    CHECK(listed(store, {.gte = b, .lte = c}) == "b=b c=c ");
    CHECK(listed(store, {.gt = b, .lt = c}).empty());
    CHECK(listed(store, {.gt = b, .lte = c}) == "c=c ");
    CHECK(listed(store, {.gte = b, .lt = c}) == "b=b ");
    CHECK(listed(store, {.gt = bb, .lt = as_bytes("dd")}) == "c=c d=d ");
    CHECK(listed(store, {.gt = b, .gte = as_bytes("a"), .lt = as_bytes("d"), .lte = as_bytes("z")}) ==
          "c=c ");
    CHECK(listed(store, {.gte = b, .lte = c, .reverse = true}) == "c=c b=b ");
    CHECK(listed(store, {.gt = b, .lt = c, .reverse = true}).empty());
    CHECK(listed(store, {.lt = c, .reverse = true}) == "b=b a=a ");
    CHECK(listed(store, {.lte = bb, .reverse = true}) == "b=b a=a ");
    CHECK(listed(store, {.gt = c, .lt = b}).empty());
    CHECK(listed(store, {.gte = c, .lte = b, .reverse = true}).empty());
    CHECK(listed(store, {.limit = 2}) == "a=a b=b ");
    CHECK(listed(store, {.reverse = true, .limit = 2}) == "\xff=high d=d ");
    CHECK(listed(store, {.limit = 0}).empty());
    CHECK(listed(store, {.gte = c, .keys_only = true, .limit = 1}) == "c= ");
  }
  SUBCASE("a cursor walks the store as it was when the cursor was made") {
    auto cursor = store.iterate({});
    REQUIRE(cursor);
    REQUIRE(put(store, "aa", "new"));
    REQUIRE(put(store, "b", "changed"));
    REQUIRE(store.del(as_bytes("c"), Durable::no));
    std::string seen;
    while ((*cursor)->next().value()) seen += std::string(as_text((*cursor)->value())) + " ";
    CHECK(seen == "a b c d high ");
  }
}

inline void conforms_in_changes(Backend& store) {
  auto made = store.changes({.values = true});
  REQUIRE(made);
  Changes& changes = **made;
  SUBCASE("each change is seen once, in order, those of a batch under one number") {
    CHECK(!changes.try_next());
    REQUIRE(put(store, "a", "1"));
    Batch batch;
    batch.put(as_bytes("b"), as_bytes("2"));
    batch.del(as_bytes("a"));
    REQUIRE(store.write(batch, Durable::no));
    const auto first = changes.next(), second = changes.next(), third = changes.next();
    REQUIRE((first && second && third));
    CHECK((first->kind == Change::Kind::put && text(first->key) == "a" && text(first->value) == "1"));
    CHECK((second->kind == Change::Kind::put && text(second->key) == "b" && text(second->value) == "2"));
    CHECK((third->kind == Change::Kind::del && text(third->key) == "a"));
    CHECK(first->batch < second->batch);
    CHECK(second->batch == third->batch);
    CHECK(!changes.try_next());
  }
  SUBCASE("of writes from several threads each is seen once, and in the order in which they took effect") {
    constexpr int threads_count = 4, writes_each = 200;
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < threads_count; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < writes_each; ++i) {
          const std::string key = "k" + std::to_string(i % 3);
          const std::string value = std::to_string(t) + "/" + std::to_string(i);
          const bool put_it = i % 5 != 4;
          if (put_it ? !put(store, key, value) : !store.del(as_bytes(key), Durable::no)) ++failed;
        }
      });
    for (auto& thread : threads) thread.join();
    REQUIRE(failed == 0);
    std::map<std::string, std::string> followed;
    std::map<std::string, int> seen;
    int deletes = 0;
    std::uint64_t last = 0;
    while (const auto change = changes.try_next()) {
      CHECK(change->batch > last);
      last = change->batch;
      if (change->kind == Change::Kind::put) {
        ++seen[text(change->value)];
        followed[text(change->key)] = text(change->value);
      } else {
        REQUIRE(change->kind == Change::Kind::del);
        ++deletes;
        followed.erase(text(change->key));
      }
    }
    CHECK(deletes == threads_count * writes_each / 5);
    CHECK(seen.size() == threads_count * writes_each * 4 / 5);
    for (const auto& [value, times] : seen) CHECK(times == 1);
    std::string expected;
    for (const auto& [key, value] : followed) expected += key + "=" + value + " ";
    CHECK(listed(store, {}) == expected);
  }
  SUBCASE("a slow follower gets a gap instead of unbounded memory, and goes on after it") {
    auto slow = store.changes({.events_most = 3});
    REQUIRE(slow);
    for (const char* key : {"a", "b", "c", "d", "e"}) REQUIRE(put(store, key, "v"));
    CHECK((*slow)->try_next()->kind == Change::Kind::gap);
    CHECK(text((*slow)->try_next()->key) == "e");
    auto narrow = store.changes({.values = true, .bytes_most = 100});
    REQUIRE(narrow);
    REQUIRE(put(store, "large", std::string(101, 'x')));
    CHECK((*narrow)->try_next()->kind == Change::Kind::gap);
  }
  SUBCASE("only keys with the prefix, and values only where they are wanted") {
    auto some = store.changes({.prefix = as_bytes("x/")});
    REQUIRE(some);
    REQUIRE(put(store, "y", "1"));
    REQUIRE(put(store, "x/1", "1"));
    const auto change = (*some)->try_next();
    REQUIRE(change);
    CHECK(text(change->key) == "x/1");
    CHECK(change->value.empty());
  }
  SUBCASE("a write that was refused or failed is no change") {
    CHECK(put(store, std::string(store.limits().key_bytes + 1, 'k'), "v").error() == StorageErrc::too_large);
    CHECK(!changes.try_next());
  }
  SUBCASE("closing the store ends the waiting of its followers") {
    std::atomic<bool> ended{false};
    std::thread waiting([&] {
      while (changes.next()) {
      }
      ended = true;
    });
    REQUIRE(put(store, "a", "1"));
    REQUIRE(store.close());
    waiting.join();
    CHECK(ended);
  }
}

inline void conforms_over_its_life(BackendSubject& subject, Backend& store) {
  SUBCASE("a closed store answers closed, and keeps what it holds") {
    REQUIRE(put(store, "a", "1"));
    CHECK(store.close());
    CHECK(store.close());
    Buffer out;
    CHECK(store.get(as_bytes("a"), out).error() == StorageErrc::closed);
    CHECK(put(store, "a", "2").error() == StorageErrc::closed);
    CHECK(store.sync().error() == StorageErrc::closed);
    CHECK(store.iterate({}).error() == StorageErrc::closed);
    CHECK(store.changes({}).error() == StorageErrc::closed);
    CHECK(store.open());
    CHECK(store.open());
    CHECK(value_of(store, "a") == "1");
    CHECK(store.reopen());
    CHECK(value_of(store, "a") == "1");
  }
  SUBCASE("the first failed write poisons every later one, until the store was reopened; reads go on") {
    REQUIRE(put(store, "a", "1", Durable::yes));
    auto changes = store.changes({});
    REQUIRE(changes);
    subject.fail_next_write();
    const auto failed = put(store, "b", "2", Durable::yes);
    REQUIRE(!failed);
    CHECK(failed.error() == StorageErrc::io_error);
    CHECK(store.poisoned());
    CHECK(!store.trouble().empty());
    CHECK(put(store, "c", "3").error() == StorageErrc::poisoned);
    CHECK(store.sync().error() == StorageErrc::poisoned);
    CHECK(value_of(store, "a") == "1");
    CHECK(value_of(store, "c") == "<not found>");
    CHECK(!(*changes)->try_next());
    CHECK(store.reopen());
    CHECK(!store.poisoned());
    CHECK(put(store, "c", "3", Durable::yes));
    CHECK(value_of(store, "a") == "1");
    CHECK(value_of(store, "c") == "3");
  }
  SUBCASE("any thread may call at any time") {
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          const std::string key = std::to_string(t) + "/" + std::to_string(i);
          if (!put(store, key, key) || value_of(store, key) != key) ++wrong;
          if (i % 50 == 0 && !store.iterate({.limit = 3})) ++wrong;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
  }
}

inline void conforms_to_a_map(Backend& store) {
  const auto random = seeded_random(7);
  std::map<std::string, std::string> model;
  for (int step = 0; step < 3000; ++step) {
    Batch batch;
    for (std::uint64_t n = 1 + random->below(4); n-- > 0;) {
      const std::string key = "k" + std::to_string(random->below(200));
      if (random->below(3) == 0) {
        batch.del(as_bytes(key));
        model.erase(key);
      } else {
        const std::string value(random->below(50), static_cast<char>('a' + random->below(26)));
        batch.put_copy(as_bytes(key), as_bytes(value));
        model[key] = value;
      }
    }
    REQUIRE(store.write(batch, random->below(100) == 0 ? Durable::yes : Durable::no));
    if (step % 500 == 499) REQUIRE(store.reopen());
    if (step % 100 != 0) continue;
    const std::string from = "k" + std::to_string(random->below(200));
    std::string expected;
    for (auto at = model.upper_bound(from); at != model.end(); ++at)
      expected += at->first + "=" + at->second + " ";
    REQUIRE(listed(store, {.gt = as_bytes(from)}) == expected);
  }
  for (int i = 0; i < 200; ++i) {
    const std::string key = "k" + std::to_string(i);
    CHECK(value_of(store, key) == (model.contains(key) ? model[key] : "<not found>"));
  }
}

inline void backend_conformance(BackendSubject& subject) {
  Backend& store = subject.store();
  CHECK(put(store, "a", "1").error() == StorageErrc::closed);
  REQUIRE(store.open());
  SUBCASE("reading and writing") { conforms_in_reading_and_writing(store); }
  SUBCASE("batches") { conforms_in_batches(store); }
  SUBCASE("iteration") { conforms_in_iteration(store); }
  SUBCASE("changes") { conforms_in_changes(store); }
  SUBCASE("life") { conforms_over_its_life(subject, store); }
  SUBCASE("random operations agree with a map") { conforms_to_a_map(store); }
}

}  // namespace sheaf::conformance
