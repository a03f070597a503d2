// A store in a lane of its own that does not answer: its calls end at their deadline, and nobody else waits.
#include <condition_variable>
#include <mutex>

#include "storage/router_port.hpp"
#include "tests/storage/router_world.hpp"
#include "tests/support/passing_backend.hpp"

namespace sheaf::test {
namespace {

// While it is shut, whatever passes it waits.
class Gate {
 public:
  ~Gate() { set(true); }
  void set(bool open) {
    {
      const std::lock_guard lock(mutex_);
      open_ = open;
    }
    changed_.notify_all();
  }
  bool is_open() const {
    const std::lock_guard lock(mutex_);
    return open_;
  }
  // Opens it at the end of a scope, before the lane ends in which somebody may wait.
  struct Opening {
    Gate& gate;
    ~Opening() { gate.set(true); }
  };
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
};

class GatedWrites final : public WriteFaults {
 public:
  Error before_write(const Batch&, Durable) override {
    gate.pass();
    return {};
  }
  Gate gate;
};

// Another lane, in which nobody gives up while the gate is open, however busy the machine is.
class Patient final : public Lane {
 public:
  explicit Patient(const Gate& gate) : gate_(gate) {}
  bool run(std::shared_ptr<Work> work, std::chrono::milliseconds deadline) override {
    return inner_->run(std::move(work), gate_.is_open() ? std::chrono::minutes(5) : deadline);
  }
  void begin(std::shared_ptr<Work> work) override { inner_->begin(std::move(work)); }

 private:
  const Gate& gate_;
  std::unique_ptr<Lane> inner_ = thread_lane();
};

class Nothing final : public Lane::Work {
 public:
  void run() override {}
};

// All that was given to the lane before has been done.
void wait_for(Lane& lane) { REQUIRE(lane.run(std::make_shared<Nothing>(), std::chrono::minutes(5))); }

// Stores 0 to 2; the writes of store 1 pass a gate, in a lane.
struct LaneWorld {
  GatedWrites writes;
  std::unique_ptr<Lane> lane = std::make_unique<Patient>(writes.gate);
  std::unique_ptr<Backend> slow = memory_backend({.faults = &writes});
  std::unique_ptr<Router> router;

  LaneWorld() {
    REQUIRE(slow->open());
    RouterOptions options;
    options.root.owned = memory_backend();
    options.stores.push_back({.label = "0", .owned = memory_backend()});
    options.stores.push_back({.label = "1", .lent = slow.get(), .lane = lane.get()});
    options.stores.push_back({.label = "2", .owned = memory_backend()});
    options.mapper = std::make_unique<DigitMapper>();
    options.deadline = std::chrono::milliseconds(20);
    router = sheaf::router(std::move(options));
    REQUIRE(router->open());
  }
  ~LaneWorld() {
    writes.gate.set(true);
    wait_for(*lane);
  }
};

}  // namespace

TEST_CASE("a lane does its work in order, and says when a deadline has passed before the end") {
  class Append final : public Lane::Work {
   public:
    Append(std::string& to, char what, Gate* gate = nullptr) : to_(to), what_(what), gate_(gate) {}
    void run() override {
      if (gate_) gate_->pass();
      to_ += what_;
    }

   private:
    std::string& to_;
    const char what_;
    Gate* const gate_;
  };
  std::string done;
  Gate gate;
  const auto lane = thread_lane();
  gate.set(false);
  CHECK(!lane->run(std::make_shared<Append>(done, 'a', &gate), std::chrono::milliseconds(1)));
  CHECK(!lane->run(std::make_shared<Append>(done, 'b'), std::chrono::milliseconds(1)));
  gate.set(true);
  CHECK(lane->run(std::make_shared<Append>(done, 'c'), std::chrono::minutes(5)));
  CHECK(done == "abc");
}

TEST_CASE("a store that does not answer holds up no other") {
  LaneWorld world;
  Router& store = *world.router;
  REQUIRE(put(store, "in both", "12"));
  REQUIRE(put(store, "in the other", "2 old"));
  REQUIRE(store.sync());

  world.writes.gate.set(false);
  CHECK(put(store, "slow", "1").error() == StorageErrc::timed_out);
  CHECK(store.store_trouble("1").find("deadline") != std::string::npos);
  CHECK(store.store_trouble("2").empty());
  // Others write and read, also what has a copy in the slow store.
  for (int i = 0; i < 100; ++i) REQUIRE(put(store, "k" + std::to_string(i), "2", Durable::yes));
  CHECK(put(store, "in the other", "2 new", Durable::yes));
  CHECK(value_of(store, "in the other") == "2 new");
  CHECK(value_of(store, "in both") == "12");
  CHECK(value_of(store, "slow") == "<not found>");
  // What needs it fails at once, and leaves nothing.
  CHECK(put(store, "slow too", "12").error() == StorageErrc::timed_out);
  CHECK(value_of(store, "slow too") == "<not found>");

  // When its call has returned, the next one that needs the store opens it again, and removes what the put
  // that was given up has left there.
  world.writes.gate.set(true);
  wait_for(*world.lane);
  CHECK(put(store, "again", "1"));
  CHECK(value_of(store, "again") == "1");
  CHECK(store.store_trouble("1").empty());
  CHECK(value_of(store, "slow") == "<not found>");
  REQUIRE(store.sync());
  CHECK(check_all(store).findings.empty());
  std::size_t copies = 0;
  auto cursor = world.slow->iterate({.keys_only = true});
  while ((*cursor)->next().value())
    if (is_copy((*cursor)->key())) ++copies;
  CHECK(copies == 2);  // of "in both" and "again"
}

namespace {

// A store whose walks stop before an entry while the gate is shut, or fail there.
class GatedWalks final : public PassingBackend {
 public:
  GatedWalks() : PassingBackend(memory_backend()) { REQUIRE(PassingBackend::open()); }

  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override {
    auto inner = PassingBackend::iterate(range);
    REQUIRE(inner);
    return std::unique_ptr<Cursor>(std::make_unique<Walk>(*this, std::move(*inner)));
  }
  Gate gate;
  std::optional<std::string> fails_at{};  // a key

 private:
  class Walk final : public Cursor {
   public:
    Walk(GatedWalks& store, std::unique_ptr<Cursor> inner) : store_(store), inner_(std::move(inner)) {}
    Result<bool> next() override {
      store_.gate.pass();
      auto more = inner_->next();
      if (more && *more && as_text(key()) == store_.fails_at)
        return {boost::system::in_place_error, Error(StorageErrc::damaged)};
      return more;
    }
    Bytes key() const override { return inner_->key(); }
    Bytes value() const override { return inner_->value(); }

   private:
    GatedWalks& store_;
    std::unique_ptr<Cursor> inner_;
  };
};

std::string numbered(int i) {
  std::string digits = std::to_string(i);
  return "k" + std::string(5 - digits.size(), '0') + digits;
}

}  // namespace

TEST_CASE(
    "a walk in a lane gives what one in the caller's thread gives, and fails for good where that fails") {
  GatedWalks store;
  Batch batch;
  for (int i = 0; i < 2'500; ++i)
    batch.put_copy(as_bytes(numbered(i)), as_bytes(std::string(static_cast<std::size_t>(i % 300), 'v')));
  REQUIRE(store.write(batch, Durable::no));
  const auto lane = std::make_unique<Patient>(store.gate);
  const Gate::Opening opening{store.gate};
  RouterPort port({.label = "1", .lent = &store, .lane = lane.get()}, std::chrono::milliseconds(20));
  REQUIRE(port.open());

  const auto walked = [](Cursor& cursor) {
    std::vector<std::pair<std::string, std::string>> out;
    Result<bool> more = cursor.next();
    for (; more && *more; more = cursor.next())
      out.emplace_back(as_text(cursor.key()), as_text(cursor.value()));
    REQUIRE(more);
    CHECK(!cursor.next().value());
    return out;
  };
  const std::string from = numbered(7), to = numbered(2'400);
  const KeyRange ranges[] = {{},
                             {.gte = as_bytes(from), .lte = as_bytes(to)},
                             {.gt = as_bytes(from), .lt = as_bytes(to), .reverse = true},
                             {.keys_only = true, .limit = 1'500},
                             {.gt = as_bytes(std::string_view("z"))}};
  for (const KeyRange& range : ranges) {
    auto direct = store.iterate(range), in_lane = port.iterate(range);
    REQUIRE(in_lane);
    CHECK(walked(**in_lane) == walked(**direct));
  }

  store.fails_at = numbered(1'700);
  auto broken = port.iterate({});
  REQUIRE(broken);
  int came = 0;
  Result<bool> more = (*broken)->next();
  for (; more && *more; more = (*broken)->next()) CHECK(as_text((*broken)->key()) == numbered(came++));
  CHECK(came == 1'700);
  CHECK(more.error() == StorageErrc::damaged);
  CHECK((*broken)->next().error() == StorageErrc::damaged);

  // A page that comes too late has moved the walk on: what is in it would be missing from what follows.
  store.fails_at.reset();
  auto late = port.iterate({});
  REQUIRE(late);
  store.gate.set(false);
  CHECK((*late)->next().error() == StorageErrc::timed_out);
  store.gate.set(true);
  wait_for(*lane);
  CHECK((*late)->next().error() == StorageErrc::timed_out);
  REQUIRE(port.ready());
  auto again = port.iterate({.limit = 1});
  REQUIRE(again);
  CHECK((*again)->next().value());
}

TEST_CASE("a walk over a store that does not answer ends at its deadline, and holds up no other") {
  GatedWalks slow;
  const auto lane = std::make_unique<Patient>(slow.gate);
  const Gate::Opening opening{slow.gate};
  RouterOptions options;
  options.root.owned = memory_backend();
  options.stores.push_back({.label = "0", .owned = memory_backend()});
  options.stores.push_back({.label = "1", .lent = &slow, .lane = lane.get()});
  options.stores.push_back({.label = "2", .owned = memory_backend()});
  options.mapper = std::make_unique<DigitMapper>();
  options.deadline = std::chrono::milliseconds(20);
  const auto store = router(std::move(options));
  REQUIRE(store->open());
  REQUIRE(put(*store, "in both", "12"));
  REQUIRE(check_all(*store).findings.empty());

  slow.gate.set(false);
  const CheckReport report = check_all(*store);
  REQUIRE(report.findings.size() == 1);
  CHECK(report.findings[0].kind == RouterFinding::Kind::unreadable);
  CHECK(report.findings[0].store == "1");
  CHECK(put(*store, "in the other", "2", Durable::yes));
  CHECK(value_of(*store, "in both") == "12");

  slow.gate.set(true);
  wait_for(*lane);
  CHECK(check_all(*store).findings.empty());
}

TEST_CASE("with copies_least a put goes on without the store that does not answer") {
  GatedWrites writes;
  const auto lane = std::make_unique<Patient>(writes.gate);
  const Gate::Opening opening{writes.gate};
  const auto slow = memory_backend({.faults = &writes});
  REQUIRE(slow->open());
  RouterOptions options;
  options.root.owned = memory_backend();
  options.stores.push_back({.label = "0", .owned = memory_backend()});
  options.stores.push_back({.label = "1", .lent = slow.get(), .lane = lane.get()});
  options.stores.push_back({.label = "2", .owned = memory_backend()});
  options.mapper = std::make_unique<DigitMapper>();
  options.copies_least = 1;
  options.deadline = std::chrono::milliseconds(20);
  const auto store = router(std::move(options));
  REQUIRE(store->open());
  writes.gate.set(false);
  CHECK(put(*store, "k", "12"));
  CHECK(value_of(*store, "k") == "12");
  writes.gate.set(true);
  wait_for(*lane);
  // The write that came late is the copy that the pointer names.
  CHECK(check_all(*store).findings.empty());
}

namespace {

// Keeps what it is given until it is told to do it.
class LaterLane final : public Lane {
 public:
  bool run(std::shared_ptr<Work> work, std::chrono::milliseconds) override {
    work->run();
    return true;
  }
  void begin(std::shared_ptr<Work> work) override { waiting_.push_back(std::move(work)); }
  std::size_t waiting() const { return waiting_.size(); }
  void do_it() {
    for (const auto& work : std::exchange(waiting_, {})) work->run();
  }

 private:
  std::vector<std::shared_ptr<Work>> waiting_;
};

}  // namespace

TEST_CASE("what is no longer named goes in the router's own lane, and puts wait only where much is left") {
  RouterWorld world;
  RouterOptions options = world.options();
  auto made = std::make_unique<LaterLane>();
  LaterLane& lane = *made;
  options.tidying = std::move(made);
  Router& store = world.make(std::move(options));

  // Put over and over, a value leaves a copy each time.
  std::size_t puts = 0;
  while (lane.waiting() == 0) REQUIRE(put(store, "k", "1 " + std::to_string(++puts)));
  CHECK(world.copies("1") == puts);
  lane.do_it();  // what was put is synced; then the copies go
  CHECK(world.copies("1") == 1);
  CHECK(value_of(store, "k") == "1 " + std::to_string(puts));

  // A lane that does not come to it: the puts do it themselves, so that what waits has a bound.
  std::size_t most = 0;
  for (std::size_t i = 0; i < 10 * puts; ++i) {
    REQUIRE(put(store, "k", "1"));
    if (i % 100 == 0) most = std::max(most, world.copies("1"));
  }
  CHECK(lane.waiting() == 1);
  CHECK(most > 2 * puts);
  CHECK(most < 6 * puts);

  // What the lane was asked for and has not done when the router ends is done then.
  REQUIRE(put(store, "k", "2"));
  world.end();
  CHECK(world.counts() == "0010");
}

}  // namespace sheaf::test
