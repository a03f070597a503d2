// Power goes at every operation that reaches a medium while a router is repaired or rebalanced, or its lost
// root made again, over a LevelDB store and a value log. Whatever was not synced then, nothing that was there
// before is lost, and doing it again completes it.
#include "storage/leveldb_seams.hpp"
#include "tests/storage/router_world.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/fault_segments.hpp"

namespace sheaf::test {
namespace {

using Values = std::map<std::string, std::string>;

// Values with the one sign go to the store 1, with the other to the store 2, others stay in the root.
class Digits final : public Mapper {
 public:
  explicit Digits(const char* digits) : digits_(digits) {}
  std::vector<std::string> labels(Bytes value, const Traits&) override {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < 2; ++i)
      if (as_text(value).find(digits_[i]) != std::string_view::npos) out.push_back(std::to_string(i + 1));
    if (out.empty()) out.emplace_back(root_label);
    return out;
  }

 private:
  const char* const digits_;
};

std::unique_ptr<Backend> leveldb_in(FaultEnv& env, const std::string& folder) {
  return leveldb_backend({.folder = folder, .write_buffer_bytes = 64 * 1024}, {.env = &env});
}

class ByName final : public TraitsByKey {
 public:
  Traits traits(Bytes key) const override {
    return {.role = as_text(key).starts_with("block") ? Traits::Role::block : Traits::Role::value};
  }
};

std::unique_ptr<Router> router_on(FaultEnv& env, const char* digits, bool rebuild_root = false) {
  RouterOptions options;
  options.rebuild_root = rebuild_root;
  options.root.owned = leveldb_in(env, "/main");
  options.stores.push_back({.label = "1", .owned = leveldb_in(env, "/1")});
  options.stores.push_back({.label = "2", .owned = log_on(env, small_log("/2"))});
  options.mapper = std::make_unique<Digits>(digits);
  static const ByName traits;
  options.traits = &traits;
  return router(std::move(options));
}

// Copies in both stores, in one, and values in the root; values and blocks.
Values filled(Router& router) {
  Values values;
  for (int i = 0; i < 9; ++i) {
    const char* const digits[] = {"12 ", "1 ", "2 "};
    std::string value = digits[i % 3] + std::string(100 + 300 * static_cast<std::size_t>(i), 'v');
    REQUIRE(put(router, "key " + std::string(1, static_cast<char>('a' + i)), value));
    values["key " + std::string(1, static_cast<char>('a' + i))] = std::move(value);
  }
  REQUIRE(put(router, "in the root", "plain"));
  values["in the root"] = "plain";
  for (const auto& [key, value] :
       {std::pair{"block 1", "1 block"}, {"block 2", "2 block"}, {"block 3", "plain"}}) {
    REQUIRE(router.put(as_bytes(key), as_bytes(value), ByName().traits(as_bytes(key)), Durable::no));
    values[key] = value;
  }
  REQUIRE(router.sync());
  return values;
}

Values contents(Router& router) {
  Values out;
  auto cursor = router.iterate({});
  REQUIRE(cursor);
  for (;;) {
    const auto more = (*cursor)->next();
    REQUIRE(more);
    if (!*more) return out;
    out[std::string(as_text((*cursor)->key()))] = std::string(as_text((*cursor)->value()));
  }
}

// Until the end, or the first failure.
void care(Router& router, CheckOptions options) {
  options.most = 3;
  for (;;) {
    const auto page = router.check(options);
    if (!page || !page->next) return;
    options.after = page->next;
  }
}

constexpr std::pair<Unsynced, Unsynced> losses[] = {{Unsynced::kept, Unsynced::kept},
                                                    {Unsynced::dropped, Unsynced::dropped},
                                                    {Unsynced::torn, Unsynced::torn},
                                                    {Unsynced::kept, Unsynced::dropped},
                                                    {Unsynced::dropped, Unsynced::kept}};

// What a disk holds before somebody takes care of it, and what the router shall hold then and afterwards.
struct Before {
  std::map<std::string, std::string> disk;
  Values values;
};

// Cuts the power at each operation of the care in turn. Gives how many there were.
std::uint64_t crash_everywhere(const Before& before, const char* digits, const CheckOptions& options) {
  std::uint64_t cuts = 0;
  for (const auto& loss : losses) {
    for (std::uint64_t at = 0;; ++at) {
      FaultEnv env;
      env.restore(before.disk);
      {
        const auto routed = router_on(env, digits);
        env.crash_at(at);
        if (routed->open()) care(*routed, options);
      }
      const bool crashed = env.crashed();
      env.lose_power_by_file(
          [&](const std::string& name) { return name.starts_with("/main/") ? loss.first : loss.second; });
      INFO("operation ", at, ", root ", static_cast<int>(loss.first), ", stores ",
           static_cast<int>(loss.second));
      const auto routed = router_on(env, digits);
      REQUIRE(routed->open());
      REQUIRE(contents(*routed) == before.values);
      care(*routed, options);
      REQUIRE(check_all(*routed, options).findings.empty());
      REQUIRE(contents(*routed) == before.values);
      ++cuts;
      if (!crashed) break;
    }
  }
  return cuts;
}

}  // namespace

TEST_CASE("a crash at any write of a repair loses nothing, and the next repair completes it") {
  Before before;
  FaultEnv env;
  {
    const auto routed = router_on(env, "12");
    REQUIRE(routed->open());
    before.values = filled(*routed);
  }
  {
    // Half of what is in both stores is taken from the one, half from the other.
    const auto first = leveldb_in(env, "/1");
    const auto second = log_on(env, small_log("/2"));
    bool turn = false;
    for (Backend* const store : {first.get(), second.get()}) {
      REQUIRE(store->open());
      std::vector<Buffer> doubled;
      auto cursor = store->iterate({});
      REQUIRE(cursor);
      while ((*cursor)->next().value())
        if (as_text((*cursor)->value()).starts_with("12 ")) doubled.push_back(to_buffer((*cursor)->key()));
      cursor->reset();
      REQUIRE(doubled.size() == 3);
      // In the first store the values of some lengths, in the second those of the others.
      for (const Buffer& key : doubled) {
        Buffer value;
        REQUIRE(store->get(key, value));
        if ((value.size() > 1'000) == turn) REQUIRE(store->del(key, Durable::yes));
      }
      turn = !turn;
      REQUIRE(store->close());
    }
  }
  before.disk = env.contents();
  {
    const auto routed = router_on(env, "12");
    REQUIRE(routed->open());
    REQUIRE(check_all(*routed).findings.size() == 3);
  }
  const std::uint64_t cuts = crash_everywhere(before, "12", {.repair = true});
  MESSAGE(cuts << " cuts");
  CHECK(cuts > 50);
}

TEST_CASE("a crash at any write of a rebalance loses nothing, and the next rebalance completes it") {
  Before before;
  FaultEnv env;
  {
    const auto routed = router_on(env, "12");
    REQUIRE(routed->open());
    before.values = filled(*routed);
  }
  before.disk = env.contents();
  std::uint64_t cuts = 0;
  SUBCASE("the stores have changed places") {
    cuts = crash_everywhere(before, "21", {.repair = true, .rebalance = true});
  }
  SUBCASE("what was in the root goes to a store, and the other way round") {
    cuts = crash_everywhere(before, "lx", {.repair = true, .rebalance = true});
  }
  MESSAGE(cuts << " cuts");
  CHECK(cuts > 100);
}

TEST_CASE("a crash at any write of making a root again loses no copy, and the next one goes on") {
  Before before;
  FaultEnv env;
  {
    const auto routed = router_on(env, "12");
    REQUIRE(routed->open());
    before.values = filled(*routed);
    REQUIRE(put(*routed, "key b", "1 again"));
    before.values["key b"] = "1 again";
    REQUIRE(routed->sync());
  }
  before.disk = env.contents();
  std::erase_if(before.disk, [](const auto& file) { return file.first.starts_with("/main/"); });
  std::erase_if(before.values, [](const auto& value) {
    return value.first.starts_with("block") || value.first == "in the root";
  });

  std::uint64_t cuts = 0, went_on = 0;
  for (const auto& loss : losses) {
    for (std::uint64_t at = 0;; ++at) {
      FaultEnv disk;
      disk.restore(before.disk);
      {
        const auto routed = router_on(disk, "12", true);
        disk.crash_at(at);
        if (routed->open()) (void)rebuild_root(*routed);
      }
      const bool crashed = disk.crashed();
      disk.lose_power_by_file(
          [&](const std::string& name) { return name.starts_with("/main/") ? loss.first : loss.second; });
      INFO("operation ", at, ", root ", static_cast<int>(loss.first), ", stores ",
           static_cast<int>(loss.second));
      const auto routed = router_on(disk, "12", true);
      REQUIRE(routed->open());
      const auto page = routed->rebuild_root(1);
      if (page && page->copies > 1) ++went_on;
      if (page && !page->done) REQUIRE(rebuild_root(*routed).value() == before.values.size());
      if (!page) REQUIRE(page.error() == StorageErrc::exists);  // it was done
      REQUIRE(contents(*routed) == before.values);
      REQUIRE(put(*routed, "later", "12"));
      REQUIRE(routed->sync());
      (void)check_all(*routed, {.repair = true});  // the blocks
      REQUIRE(check_all(*routed).findings.empty());
      ++cuts;
      if (!crashed) break;
    }
  }
  MESSAGE(cuts << " cuts, " << went_on << " went on");
  CHECK(cuts > 50);
  CHECK(went_on > 10);
}

}  // namespace sheaf::test
