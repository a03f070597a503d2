// The cores of a node that has nothing else: their registry, and what it leans on, in virtual time and in
// memory. A test is where their channels come from.
//
// Whoever attaches a channel to a core detaches it before this goes.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/core/core_registry.hpp"
#include "sheaf/net/inline_pool.hpp"
#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/memory_backend.hpp"
#include "tests/support/worlds.hpp"

namespace sheaf::test {

class BareCores final : private NodeHooks {
 public:
  explicit BareCores(bool sparse = false)
      : root_(memory_backend()),
        table_((root_->open().value(), *root_), *root_, "boot"),
        tasks_(world_.io.get_executor()),
        slabs_(limits_),
        context_{.strand = world_.io.get_executor(),
                 .timers = world_.timers,
                 .pool = pool_,
                 .random = *random_,
                 .limits = limits_,
                 .tasks = tasks_,
                 .slabs = slabs_,
                 .root = *root_,
                 .table = table_,
                 .hooks = *this,
                 .sparse = sparse},
        cores_(context_) {
    REQUIRE(table_.open().has_value());
  }
  ~BareCores() {
    cores_.close();
    tasks_.cancel();
    world_.run(joined());
  }

  VirtualWorld& world() { return world_; }
  const Limits& limits() const { return limits_; }
  std::size_t changes() const { return changes_; }  // of which the node would have been told

  OpenCore& create(const Seed& seed) { return *checked(world_.run(cores_.create("log", seed))); }
  OpenCore& follow(const CoreKey& key) {
    return *checked(world_.run(cores_.follow(key, std::nullopt, false)));
  }
  void append(OpenCore& core, std::vector<Buffer> blocks) {
    REQUIRE(world_.run(core.append(std::move(blocks), false)).has_value());
  }

  // Goes on beside the test, which need not wait for it.
  void spawn(boost::asio::awaitable<void> work) { tasks_.spawn(std::move(work)); }
  // Until nothing is left to do at this moment.
  void settle() {
    run_virtual(
        world_.io, world_.timers, [] { return false; }, world_.timers.now());
  }

 private:
  template <class T>
  static T checked(Result<T> result) {
    REQUIRE(result.has_value());
    return std::move(*result);
  }
  boost::asio::awaitable<bool> joined() {
    co_await tasks_.join();
    co_return true;
  }

  void store_failed(Error) override { FAIL("the store failed"); }
  void core_changed(OpenCore&) override { ++changes_; }
  void core_wanted(OpenCore&) override {}
  void core_frozen(const CoreKey&) override { FAIL("the core was frozen"); }
  void header_came(const DiscoveryKey&) override {}
  void memory_spent() override { FAIL("no memory was left"); }
  void archive_moved(const ArchiveEvent&) override {}
  void partner_needed(const OpenCore&) override {}
  void quota_moved(const CoreKey&) override {}

  VirtualWorld world_;
  std::unique_ptr<RandomSource> random_ = seeded_random(1);
  InlinePool pool_{world_.io.get_executor()};
  Limits limits_;
  std::unique_ptr<Backend> root_;
  CoreTable table_;
  TaskGroup tasks_;
  SlabPool slabs_;
  NodeContext context_;
  CoreRegistry cores_;
  std::size_t changes_ = 0;
};

}  // namespace sheaf::test
