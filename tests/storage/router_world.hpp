// A router over stores in memory that can be made to fail, with the mapper of the original project's tests:
// the digits 1, 2 and 3 in a value name its stores, and a value without them goes to store 0.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "sheaf/storage/memory_backend.hpp"
#include "sheaf/storage/router.hpp"
#include "storage/router_records.hpp"
#include "tests/storage/backend_conformance.hpp"

namespace sheaf::test {

class DigitMapper final : public Mapper {
 public:
  std::vector<std::string> labels(Bytes value, const Traits&) override {
    std::vector<std::string> out;
    for (const char digit : {'1', '2', '3'})
      if (as_text(value).find(digit) != std::string_view::npos) out.emplace_back(1, digit);
    if (out.empty()) out.emplace_back("0");
    return out;
  }
};

// An r instead of a digit: the root.
class DigitsOrRoot final : public Mapper {
 public:
  std::vector<std::string> labels(Bytes value, const Traits& traits) override {
    auto out = digits_.labels(value, traits);
    if (out.front() == "0" && as_text(value).find('r') != std::string_view::npos)
      out = {std::string(root_label)};
    return out;
  }

 private:
  DigitMapper digits_;
};

// Fails writes as it is told.
class Faults final : public WriteFaults {
 public:
  Error before_write(const Batch& batch, Durable) override {
    ++writes;
    if (at_next) std::exchange(at_next, nullptr)();
    if (fail_next) return std::exchange(fail_next, false), Error(StorageErrc::io_error);
    if (full && !only_deletes(batch)) return StorageErrc::full;
    if (dead) return StorageErrc::io_error;
    return {};
  }
  static bool only_deletes(const Batch& batch) {
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch[i].kind == Batch::Kind::put) return false;
    return true;
  }

  std::function<void()> at_next{};  // called with the next write, before it is made
  bool fail_next = false;
  bool full = false;
  bool dead = false;
  std::uint64_t writes = 0;
};

// Whether a key in a store is one of a copy of a value, or somebody else's; not a record or a block.
inline bool is_copy(Bytes key) {
  const auto name = router_records::name_of_copy(key);
  return key[0] != std::byte{0} || (name && name->kind == router_records::CopyName::Kind::value);
}

class RouterWorld {
 public:
  explicit RouterWorld(std::vector<std::string> labels = {"0", "1", "2", "3"}) {
    add(std::string(root_label));
    for (std::string& label : labels) add(std::move(label));
    for (auto& [label, store] : stores_) REQUIRE(store.backend->open());
  }

  Backend& store(const std::string& label) { return *stores_.at(label).backend; }
  Faults& faults(const std::string& label) { return stores_.at(label).faults; }

  // The stores are lent, so they stay as they are when the router goes.
  RouterOptions options() {
    RouterOptions out;
    out.root.lent = &store(std::string(root_label));
    for (const std::string& label : order_) {
      if (label == root_label) continue;
      RoutedStore routed{.label = label};
      routed.lent = &store(label);
      out.stores.push_back(std::move(routed));
    }
    out.mapper = std::make_unique<DigitMapper>();
    return out;
  }
  Router& make(RouterOptions options) {
    router_.reset();
    router_ = sheaf::router(std::move(options));
    REQUIRE(router_->open());
    return *router_;
  }
  Router& make() { return make(options()); }
  Router& router() { return *router_; }
  void end() { router_.reset(); }

  // Copies of values in a store; and what else the router keeps there: old copies' records, and blocks.
  std::size_t copies(const std::string& label) { return count(label, false); }
  std::size_t others(const std::string& label) { return count(label, true); }
  std::string counts() {
    std::string out;
    for (const std::string& label : order_)
      if (label != root_label) out += std::to_string(copies(label));
    return out;
  }
  // The keys of the copies.
  std::vector<Buffer> copy_keys(const std::string& label) {
    std::vector<Buffer> out;
    auto cursor = store(label).iterate({});
    REQUIRE(cursor);
    while ((*cursor)->next().value())
      if (is_copy((*cursor)->key())) out.push_back(to_buffer((*cursor)->key()));
    return out;
  }

 private:
  struct Store {
    Faults faults;
    std::unique_ptr<Backend> backend;
  };

  void add(std::string label) {
    Store& made = stores_[label];
    made.backend = memory_backend({.faults = &made.faults});
    order_.push_back(std::move(label));
  }
  std::size_t count(const std::string& label, bool others) {
    auto cursor = store(label).iterate({});
    REQUIRE(cursor);
    std::size_t found = 0;
    while ((*cursor)->next().value())
      if (is_copy((*cursor)->key()) != others) ++found;
    return found;
  }

  std::map<std::string, Store> stores_;
  std::vector<std::string> order_;
  std::unique_ptr<Router> router_;
};

using Records = std::vector<std::pair<Buffer, Buffer>>;

// All that a store holds.
inline Records records_of(Backend& store, Bytes prefix = {}) {
  Records out;
  auto cursor =
      prefix.empty() ? store.iterate({}) : store.iterate({.gte = prefix, .lt = router_records::past(prefix)});
  REQUIRE(cursor);
  while ((*cursor)->next().value())
    out.emplace_back(to_buffer((*cursor)->key()), to_buffer((*cursor)->value()));
  return out;
}

inline void become(Backend& store, const Records& records) {
  Batch batch;
  for (const auto& [key, value] : records_of(store)) batch.del(key);
  for (const auto& [key, value] : records) batch.put(key, value);
  REQUIRE(store.write(batch, Durable::no));
}

inline void forget_all(Backend& store) {
  Batch batch;
  auto cursor = store.iterate({.keys_only = true});
  while ((*cursor)->next().value()) batch.del((*cursor)->key());
  REQUIRE(store.write(batch, Durable::no));
}

// Deletes what is not there until the router knows its keys: so many look-ups in vain make it walk its root,
// where it asks for copies, and once more beside an unsynced put elsewhere, where it asks for anything.
// Requires: the root has fewer records than a page of that walk, and values with a 1 have a store that works.
inline void learn_known(Router& router) {
  Batch absent;
  for (int n = 0; n < 300; ++n) absent.del(as_bytes("absent " + std::to_string(n)));
  REQUIRE(router.write(absent, Durable::no));
  absent.put_copy(as_bytes("absent for long"), as_bytes("1"));
  REQUIRE(router.write(absent, Durable::no));
  REQUIRE(router.del(as_bytes("absent for long"), Durable::no));
}

// All pages of a check together.
inline Result<CheckReport> check_pages(Router& router, CheckOptions options) {
  CheckReport all;
  for (;;) {
    auto page = router.check(options);
    if (!page) return page.error();
    all.keys += page->keys;
    all.copies += page->copies;
    all.stored += page->stored;
    for (auto& finding : page->findings) all.findings.push_back(std::move(finding));
    if (!page->next) return all;
    options.after = page->next;
  }
}

inline CheckReport check_all(Router& router, const CheckOptions& options = {}) {
  auto report = check_pages(router, options);
  REQUIRE(report);
  return std::move(*report);
}

// All calls together, of a few copies each. Gives how many values have a pointer again.
inline Result<std::uint64_t> rebuild_root(Router& router) {
  for (;;) {
    const auto page = router.rebuild_root(2);
    if (!page) return {boost::system::in_place_error, page.error()};
    if (page->done) return page->values;
  }
}

// Each finding as a word and its store, with `at` between; a plus where it was mended.
inline std::string kinds_in_words(const CheckReport& report, std::string_view at = {}) {
  using Kind = RouterFinding::Kind;
  std::string out;
  for (const RouterFinding& finding : report.findings) {
    switch (finding.kind) {
      case Kind::missing_copy: out += "missing"; break;
      case Kind::damaged_copy: out += "damaged"; break;
      case Kind::unreadable: out += "unreadable"; break;
      case Kind::no_good_copy: out += "hopeless"; break;
      case Kind::orphan_copy: out += "orphan"; break;
      case Kind::damaged_entry: out += "entry"; break;
      case Kind::misplaced: out += "misplaced"; break;
    }
    out += std::string(at) + finding.store + (finding.mended ? "+ " : " ");
  }
  return out;
}

}  // namespace sheaf::test
