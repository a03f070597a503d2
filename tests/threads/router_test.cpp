// A router on real threads: several that write, and its own that removes what is no longer named meanwhile.
#include "sheaf/storage/router.hpp"

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "sheaf/storage/memory_backend.hpp"

using namespace sheaf;

namespace {

constexpr std::size_t large_bytes = 4'096;

// Of one writer's key, put for the nth time: sometimes large, so that it moves from one store to the other.
std::string value_of(std::size_t writer, std::size_t key, std::size_t n) {
  std::string value = std::to_string(writer) + "/" + std::to_string(key) + "/" + std::to_string(n);
  value.resize(n % 3 == 0 ? large_bytes : value.size(), '.');
  return value;
}

std::string key_of(std::size_t writer, std::size_t key) {
  return std::to_string(writer) + "/" + std::to_string(key);
}

class BySize final : public Mapper {
 public:
  std::vector<std::string> labels(Bytes value, const Traits&) override {
    return {value.size() < large_bytes ? "small" : "large"};
  }
};

// Three stores in memory, where nothing is hidden from ThreadSanitizer, and routers over them one after
// another.
class Stores {
 public:
  Stores() {
    for (const auto& store : stores_) REQUIRE(store->open().has_value());
  }
  std::unique_ptr<Router> open() {
    RouterOptions options;
    options.root.lent = stores_[0].get();
    options.stores.push_back({.label = "small", .lent = stores_[1].get()});
    options.stores.push_back({.label = "large", .lent = stores_[2].get()});
    options.mapper = std::make_unique<BySize>();
    options.tidying = thread_lane();
    auto made = router(std::move(options));
    REQUIRE(made->open().has_value());
    return made;
  }

 private:
  const std::array<std::unique_ptr<Backend>, 3> stores_{memory_backend(), memory_backend(), memory_backend()};
};

std::size_t findings(Router& store) {
  std::size_t found = 0;
  CheckOptions options;
  for (;;) {
    const auto page = store.check(options);
    REQUIRE(page.has_value());
    found += page->findings.size();
    if (!page->next) return found;
    options.after = page->next;
  }
}

}  // namespace

TEST_CASE("values are as they were put last, with no copy too many, while what they replaced is removed") {
  constexpr std::size_t writers = 3, keys = 40, rounds = 120;
  Stores stores;
  {
    const auto store = stores.open();
    std::atomic<std::size_t> failures{0};
    std::vector<std::thread> threads;
    for (std::size_t writer = 0; writer < writers; ++writer)
      threads.emplace_back([&, writer] {
        Buffer got;
        for (std::size_t n = 0; n < rounds; ++n)
          for (std::size_t key = 0; key < keys; ++key) {
            const std::string at = key_of(writer, key), value = value_of(writer, key, n);
            const auto durable = n % 50 == 49 && key == 0 ? Durable::yes : Durable::no;
            if (n % 5 == 4 && !store->del(as_bytes(at), durable)) ++failures;
            if (!store->put(as_bytes(at), as_bytes(value), {}, durable)) ++failures;
            got.clear();
            if (!store->get(as_bytes(at), got) || as_text(got) != value) ++failures;
          }
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(failures == 0);
    CHECK(findings(*store) == 0);
  }
  const auto store = stores.open();
  CHECK(findings(*store) == 0);
  for (std::size_t writer = 0; writer < writers; ++writer)
    for (std::size_t key = 0; key < keys; ++key) {
      Buffer got;
      REQUIRE(store->get(as_bytes(key_of(writer, key)), got).has_value());
      CHECK(as_text(got) == value_of(writer, key, rounds - 1));
    }
}
