// F19: any row of operations, with stores that fail in between, against a map. What is acknowledged is there;
// what was refused is not; what failed in the root may be either.
#include <map>
#include <optional>
#include <string>

#include "sheaf/storage/memory_backend.hpp"
#include "sheaf/storage/router.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using fuzz::expect;

namespace {

class ByFirstByte final : public Mapper {
 public:
  std::vector<std::string> labels(Bytes value, const Traits&) override {
    const unsigned first = value.empty() ? 0 : std::to_integer<unsigned>(value[0]);
    std::vector<std::string> out;
    if (first & 1) out.emplace_back("a");
    if (first & 2) out.emplace_back("b");
    if (first & 4 || out.empty()) out.emplace_back(root_label);
    return out;
  }
};

class Failing final : public WriteFaults {
 public:
  Error before_write(const Batch&, Durable) override {
    return next ? (next = false, Error(StorageErrc::io_error)) : Error();
  }
  bool next = false;
};

using Model = std::map<std::string, std::string>;

std::size_t findings(Router& router, CheckOptions options) {
  std::size_t found = 0;
  do {
    auto page = router.check(options);
    expect(page.has_value());
    found += page->findings.size();
    options.after = std::move(page->next);
  } while (options.after);
  return found;
}

Model contents(Router& router) {
  Model out;
  auto cursor = router.iterate({});
  expect(cursor.has_value());
  for (;;) {
    const auto more = (*cursor)->next();
    expect(more.has_value());
    if (!*more) return out;
    out[std::string(as_text((*cursor)->key()))] = std::string(as_text((*cursor)->value()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  const auto random = seeded_random(choices.byte());
  Failing faults[3];
  RouterOptions options;
  options.root.owned = memory_backend({.faults = &faults[0]});
  options.stores.push_back({.label = "a", .owned = memory_backend({.faults = &faults[1]})});
  options.stores.push_back({.label = "b", .owned = memory_backend({.faults = &faults[2]})});
  options.mapper = std::make_unique<ByFirstByte>();
  options.random = random.get();
  const auto store = router(std::move(options));
  expect(store->open().has_value());

  const auto reopen = [&] {
    for (Failing& fault : faults) fault.next = false;
    expect(store->reopen().has_value());
  };

  Model model;
  for (int steps = 0; choices.left() && steps < 200; ++steps) {
    Model after = model;
    Batch batch;
    for (std::uint64_t n = choices.below(4); n-- > 0;) {
      const std::string key(1, static_cast<char>('a' + choices.below(6)));
      if (choices.below(4) == 0) {
        batch.del(as_bytes(key));
        after.erase(key);
      } else {
        const Bytes value = choices.bytes(choices.below(20));
        batch.put_copy(as_bytes(key), value);
        after[key] = std::string(as_text(value));
      }
    }
    switch (choices.below(8)) {
      case 0: faults[choices.below(3)].next = true; break;
      case 1: (void)store->sync(); break;
      case 2: reopen(); break;
      default: break;
    }
    const bool done = store->write(batch, choices.below(2) ? Durable::yes : Durable::no).has_value();
    if (store->poisoned()) reopen();
    const Model found = contents(*store);
    expect(found == (done ? after : model));
    model = found;
  }
  reopen();
  (void)store->sync();
  (void)findings(*store, {.repair = true});
  expect(findings(*store, {}) == 0);
  expect(contents(*store) == model);
  return 0;
}
