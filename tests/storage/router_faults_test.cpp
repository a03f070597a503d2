// The matrix of faults: sixteen states that one store, or the root, can be in, times twelve operations. What
// has to come of each is written here in words, before anything is run. Whatever the operation did,
// afterwards the fault is taken away, the router opened anew, and everything that was acknowledged has to be
// there, nothing that was refused, and no copy without a pointer.
//
// Store 1 is the one that fails. `both` lies in stores 1 and 2, `only` in store 1, `other` in store 2.
#include <algorithm>
#include <functional>
#include <set>

#include "tests/storage/router_world.hpp"
#include "tests/support/passing_backend.hpp"

namespace sheaf::test {
namespace {

enum class State {
  healthy,
  missing_folder,    // emptied while nothing ran
  locked,            // by another process, all the time
  unreadable_table,  // what was in it answers `damaged`; writing goes on
  wrong_copy,        // both and only are other bytes in store 1
  missing_copy,      // both and only are not in store 1
  orphan_copy,       // a copy in store 1 that the root does not know
  write_error_once,
  sync_error,  // every durable write and every sync
  full,
  slow,               // no answer before the deadline
  crash_before_root,  // copies written, the root not
  crash_after_root,   // the root written, the old copies not removed
  stale,              // store 1 as it was before the last overwrites
  not_configured,     // the router is made without store 1
  root_lost
};

const std::vector<std::pair<State, const char*>>& states() {
  static const std::vector<std::pair<State, const char*>> all{
      {State::healthy, "healthy"},
      {State::missing_folder, "missing folder"},
      {State::locked, "locked by another"},
      {State::unreadable_table, "unreadable table"},
      {State::wrong_copy, "copy differs from its pointer"},
      {State::missing_copy, "copy missing"},
      {State::orphan_copy, "orphan copy"},
      {State::write_error_once, "write error once"},
      {State::sync_error, "sync error"},
      {State::full, "full"},
      {State::slow, "slow"},
      {State::crash_before_root, "crash between copy and pointer"},
      {State::crash_after_root, "crash between pointer and garbage"},
      {State::stale, "stale, from a backup"},
      {State::not_configured, "removed from the configuration"},
      {State::root_lost, "root lost"},
  };
  return all;
}

std::string word(const Error& error) {
  if (error == RouterErrc::no_route) return "no route";
  if (error.category() != storage_category()) return error.message();
  switch (static_cast<StorageErrc>(error.value())) {
    case StorageErrc::not_found: return "not found";
    case StorageErrc::poisoned: return "poisoned";
    case StorageErrc::damaged: return "damaged";
    case StorageErrc::locked: return "locked";
    case StorageErrc::full: return "full";
    case StorageErrc::io_error: return "io";
    case StorageErrc::closed: return "closed";
    case StorageErrc::timed_out: return "late";
    default: return error.message();
  }
}

template <class T>
std::string word(const Result<T>& result) {
  return result ? "ok" : word(result.error());
}

// Does its work at once, or, while it is stuck, when it is let go again; then nobody waits any more.
class StuckLane final : public Lane {
 public:
  bool run(std::shared_ptr<Work> work, std::chrono::milliseconds) override {
    if (stuck_) {
      waiting_.push_back(std::move(work));
      return false;
    }
    work->run();
    return true;
  }
  void begin(std::shared_ptr<Work> work) override { (void)run(std::move(work), {}); }
  void stick() { stuck_ = true; }
  void let_go() {
    stuck_ = false;
    for (const auto& work : std::exchange(waiting_, {})) work->run();
  }

 private:
  bool stuck_ = false;
  std::vector<std::shared_ptr<Work>> waiting_;
};

// A store in memory that can be made to answer as a failing medium does.
class FailingStore final : public PassingBackend {
 public:
  FailingStore() : PassingBackend(memory_backend({.faults = &writes})) { REQUIRE(PassingBackend::open()); }

  Result<void> open() override { return refuses ? Result<void>(refuses) : PassingBackend::open(); }
  Result<void> reopen() override { return refuses ? Result<void>(refuses) : PassingBackend::reopen(); }
  using Backend::get;
  Result<void> get(Bytes key, Buffer& out, Checked checked) override {
    if (refuses) return refuses;
    if (unreadable.contains(to_buffer(key))) return StorageErrc::damaged;
    return PassingBackend::get(key, out, checked);
  }
  Result<Buffer> post(Bytes value, const Traits& traits, Durable durable) override {
    if (refuses) return refuses;
    return PassingBackend::post(value, traits, durable);
  }
  Result<void> write(const Batch& batch, Durable durable) override {
    if (refuses) return refuses;
    auto written = PassingBackend::write(batch, durable);
    // What is written anew lies in another table.
    if (written)
      for (std::size_t i = 0; i < batch.size(); ++i) unreadable.erase(to_buffer(batch[i].key));
    return written;
  }
  Result<void> sync() override {
    if (refuses) return refuses;
    if (!writes.no_sync) return PassingBackend::sync();
    Batch nothing;
    nothing.del(as_bytes("nothing"));
    return PassingBackend::write(nothing, Durable::yes);
  }
  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override {
    if (refuses) return refuses;
    auto made = PassingBackend::iterate(range);
    if (!made || range.keys_only) return made;
    return std::unique_ptr<Cursor>(std::make_unique<Reading>(*this, std::move(*made)));
  }

  class Writes final : public WriteFaults {
   public:
    Error before_write(const Batch& batch, Durable durable) override {
      if (fail_next) return std::exchange(fail_next, false), Error(StorageErrc::io_error);
      if (dead || (no_sync && durable == Durable::yes)) return StorageErrc::io_error;
      if (full && !Faults::only_deletes(batch)) return StorageErrc::full;
      return {};
    }
    bool fail_next = false;
    bool no_sync = false;
    bool full = false;
    bool dead = false;
  };

  void heal() {
    refuses = {};
    unreadable.clear();
    writes.fail_next = writes.no_sync = writes.full = writes.dead = false;
    REQUIRE(reopen());
  }
  std::map<Buffer, Buffer> contents() {
    std::map<Buffer, Buffer> out;
    auto cursor = PassingBackend::iterate({});
    REQUIRE(cursor);
    while ((*cursor)->next().value()) out[to_buffer((*cursor)->key())] = to_buffer((*cursor)->value());
    return out;
  }
  void restore(const std::map<Buffer, Buffer>& to) {
    Batch batch;
    for (const auto& [key, value] : contents()) batch.del(key);
    for (const auto& [key, value] : to) batch.put_copy(key, value);
    REQUIRE(PassingBackend::write(batch, Durable::no));
  }

  Writes writes;
  Error refuses;
  std::set<Buffer> unreadable;

 private:
  class Reading final : public Cursor {
   public:
    Reading(FailingStore& store, std::unique_ptr<Cursor> inner) : store_(store), inner_(std::move(inner)) {}
    Result<bool> next() override {
      auto more = inner_->next();
      if (more && *more && store_.unreadable.contains(to_buffer(inner_->key())))
        return {boost::system::in_place_error, Error(StorageErrc::damaged)};
      return more;
    }
    Bytes key() const override { return inner_->key(); }
    Bytes value() const override { return inner_->value(); }

   private:
    FailingStore& store_;
    std::unique_ptr<Cursor> inner_;
  };
};

using Values = std::map<std::string, std::string>;

// The router of one cell, and what was acknowledged to it.
class Cell {
 public:
  explicit Cell(State state) : state_(state) {
    make();
    for (const auto& [key, value] : Values{{"both", "12 old"}, {"only", "1 old"}, {"other", "2 old"}})
      REQUIRE(sheaf::test::put(router(), key, value));
    REQUIRE(router().sync());
    const auto before = one_.contents();
    acknowledged_ = {{"both", "12 both"}, {"only", "1 only"}, {"other", "2 other"}};
    for (const auto& [key, value] : acknowledged_) REQUIRE(sheaf::test::put(router(), key, value));
    REQUIRE(router().sync());
    install(before);
  }

  Router& router() { return *router_; }
  bool opened() const { return opened_.has_value(); }
  std::string opening() const { return word(opened_); }
  Values& acknowledged() { return acknowledged_; }

  std::string put(const std::string& key, const std::string& value, Durable durable = Durable::yes) {
    const auto done = sheaf::test::put(router(), key, value, durable);
    if (done) acknowledged_[key] = value;
    return word(done);
  }
  std::string del(const std::string& key) {
    const auto done = router().del(as_bytes(key), Durable::yes);
    if (done) acknowledged_.erase(key);
    return word(done);
  }
  std::string get(const std::string& key) {
    Buffer out;
    const auto got = router().get(as_bytes(key), out);
    return got ? text(out) : "<" + word(got.error()) + ">";
  }

  // Takes the fault away and opens the router anew: what was acknowledged is there, nothing else, in its
  // stores and nowhere else. `takes_only`: the fault has taken the one copy of `only` for good; unless that
  // was replaced, it is damaged now, and never taken for absent.
  void settle_accounts(bool takes_only) {
    std::set<std::string> lost;
    if (takes_only && acknowledged_.contains("only") && acknowledged_.at("only") == "1 only")
      lost.insert("only");
    lane_.let_go();
    router_.reset();
    one_.heal();
    installed_ = false;
    if (state_ == State::root_lost && !rebuilt_) {
      make(true);
      REQUIRE(rebuild_root(router()));
    } else {
      make();
    }
    check_all(router(), {.repair = true});
    REQUIRE(router().sync());
    for (const RouterFinding& finding : check_all(router()).findings) {
      CAPTURE(std::string(as_text(finding.key)));
      CHECK(lost.contains(std::string(as_text(finding.key))));
    }
    std::set<std::string> keys;
    auto cursor = router().iterate({.keys_only = true});
    REQUIRE(cursor);
    while ((*cursor)->next().value()) keys.emplace(as_text((*cursor)->key()));
    for (const auto& known : acknowledged_) {
      const std::string& key = known.first;
      CAPTURE(key);
      CHECK(keys.erase(key) == 1);
      CHECK(get(key) == (lost.contains(key) ? "<damaged>" : known.second));
    }
    for (const std::string& key : keys) {
      CAPTURE(key);
      CHECK_MESSAGE(false, "a value that nobody was told of");
    }
  }

  // Opens anew after the root was lost, as the user asks for it.
  std::string rebuild() {
    make(true);
    const auto made = rebuild_root(router());
    rebuilt_ = made.has_value();
    return made ? "rebuilt " + std::to_string(*made) : word(made.error());
  }

 private:
  RouterOptions options() {
    RouterOptions out;
    out.root.lent = &root_;
    for (const char* label : {"0", "1", "2", "3"}) {
      if (state_ == State::not_configured && installed_ && label == std::string("1")) continue;
      RoutedStore routed{.label = label};
      routed.lent = label == std::string("1") ? static_cast<Backend*>(&one_) : others_[label].get();
      if (label == std::string("1")) routed.lane = &lane_;
      out.stores.push_back(std::move(routed));
    }
    out.mapper = std::make_unique<DigitMapper>();
    return out;
  }
  void make(bool rebuild = false) {
    router_.reset();
    for (const char* label : {"0", "2", "3"})
      if (!others_[label]) {
        others_[label] = memory_backend();
        REQUIRE(others_[label]->open());
      }
    RouterOptions made = options();
    made.rebuild_root = rebuild;
    router_ = sheaf::router(std::move(made));
    opened_ = router_->open();
  }

  std::vector<Buffer> copies_in_one() {
    std::vector<Buffer> out;
    for (const auto& [key, value] : one_.contents())
      if (is_copy(key)) out.push_back(key);
    return out;
  }

  void install(const std::map<Buffer, Buffer>& before) {
    installed_ = true;
    const std::size_t copies = copies_in_one().size();
    const auto while_closed = [&](const std::function<void()>& change) {
      router_.reset();
      change();
      make();
    };
    switch (state_) {
      case State::healthy: break;
      case State::missing_folder: while_closed([&] { one_.restore({}); }); break;
      case State::locked: while_closed([&] { one_.refuses = StorageErrc::locked; }); break;
      case State::unreadable_table:
        for (const auto& [key, value] : one_.contents()) one_.unreadable.insert(key);
        break;
      case State::wrong_copy:
        for (const Buffer& key : copies_in_one())
          REQUIRE(one_.put(key, as_bytes("rubbish"), {}, Durable::no));
        break;
      case State::missing_copy:
        for (const Buffer& key : copies_in_one()) REQUIRE(one_.del(key, Durable::no));
        break;
      case State::orphan_copy:
        REQUIRE(sheaf::test::put(router(), "orphan", "1 orphan"));
        REQUIRE(router().sync());
        REQUIRE(root_.del(to_buffer(as_bytes("\x01orphan")), Durable::no));
        break;
      case State::write_error_once: one_.writes.fail_next = true; break;
      case State::sync_error: one_.writes.no_sync = true; break;
      case State::full: one_.writes.full = true; break;
      case State::slow: lane_.stick(); break;
      case State::crash_before_root:
        root_.writes.fail_next = true;
        CHECK(!sheaf::test::put(router(), "crash", "1 crash"));
        while_closed([&] {
          REQUIRE(root_.reopen());
          REQUIRE(copies_in_one().size() == copies + 1);
        });
        break;
      case State::crash_after_root:
        REQUIRE(sheaf::test::put(router(), "only", "1 anew"));
        acknowledged_["only"] = "1 anew";
        one_.writes.dead = true;
        while_closed([&] {
          one_.heal();
          REQUIRE(copies_in_one().size() == copies + 1);
        });
        break;
      case State::stale: while_closed([&] { one_.restore(before); }); break;
      case State::not_configured: make(); break;
      case State::root_lost: while_closed([&] { root_.restore({}); }); break;
    }
  }

  const State state_;
  bool installed_ = false;
  bool rebuilt_ = false;
  FailingStore root_;
  FailingStore one_;
  StuckLane lane_;
  std::map<std::string, std::unique_ptr<Backend>> others_;
  std::unique_ptr<Router> router_;
  Result<void> opened_;
  Values acknowledged_;
};

std::string checked(Cell& cell, const CheckOptions& options) {
  auto report = check_pages(cell.router(), options);
  return report ? kinds_in_words(*report) : word(report.error());
}

std::string copies_of_both(Cell& cell) {
  auto found = cell.router().get_all(as_bytes("both"));
  if (!found) return word(found.error());
  std::string out;
  for (const FoundCopy& copy : *found) out += copy.store + (copy.current ? "* " : "! ");
  return out;
}

std::string batch_over_two(Cell& cell) {
  Batch batch;
  batch.put(as_bytes("both"), as_bytes("12 batch"));
  batch.put(as_bytes("other"), as_bytes("2 batch"));
  const auto done = cell.router().write(batch, Durable::yes);
  if (done) cell.acknowledged()["both"] = "12 batch";
  if (done) cell.acknowledged()["other"] = "2 batch";
  const std::string answer = word(done) + " ";
  return answer + cell.get("other");
}

std::string walked(Cell& cell) {
  auto cursor = cell.router().iterate({});
  if (!cursor) return word(cursor.error());
  std::string out;
  for (;;) {
    const auto more = (*cursor)->next();
    if (more && !*more) return out;
    out += more ? std::string(as_text((*cursor)->value())) + " " : "<" + word(more.error()) + "> ";
  }
}

std::string followed(Cell& cell) {
  auto changes = cell.router().changes({});
  if (!changes) return word(changes.error());
  cell.put("only", "1 followed");
  cell.put("other", "2 followed");
  std::string out;
  while (const auto change = (*changes)->try_next()) out += std::string(as_text(change->key)) + " ";
  return out;
}

struct Operation {
  const char* name;
  std::function<std::string(Cell&)> run;
};

// One after another.
std::string in_turn(const std::vector<std::function<std::string()>>& parts, const char* between = " ") {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : between) + part();
  return out;
}

std::string put_all(Cell& cell, const std::vector<std::pair<std::string, std::string>>& values) {
  std::string out;
  for (const auto& [key, value] : values) out += (out.empty() ? "" : " ") + cell.put(key, value);
  return out;
}

const std::vector<Operation>& operations() {
  static const std::vector<Operation> all{
      {"put to store 1, to 1 and 2, to 2",
       [](Cell& cell) {
         return put_all(cell, {{"new", "1 new"}, {"pair", "12 pair"}, {"fine", "2 fine"}});
       }},
      {"overwrite to the same route",
       [](Cell& cell) {
         return put_all(cell, {{"both", "12 again"}, {"only", "1 again"}});
       }},
      {"overwrite to another route",
       [](Cell& cell) {
         return put_all(cell, {{"only", "2 moved"}, {"both", "3 moved"}});
       }},
      {"get",
       [](Cell& cell) {
         return in_turn({[&] { return cell.get("both"); }, [&] { return cell.get("only"); },
                         [&] { return cell.get("other"); }},
                        " | ");
       }},
      {"get --all", copies_of_both},
      {"del",
       [](Cell& cell) {
         return in_turn({[&] { return cell.del("both"); }, [&] { return cell.del("only"); }});
       }},
      {"batch", batch_over_two},
      {"list", walked},
      {"watch", followed},
      {"check", [](Cell& cell) { return checked(cell, {}); }},
      {"check --repair",
       [](Cell& cell) { return cell.opened() ? checked(cell, {.repair = true}) : cell.rebuild(); }},
      {"check --rebalance", [](Cell& cell) { return checked(cell, {.rebalance = true}); }},
  };
  return all;
}

struct Row {
  State state;
  const char* opening;                // what opening the router answers
  std::vector<std::string> outcomes;  // of operations(), in their order
  bool takes_only = false;
};

const std::string all_values = "12 both | 1 only | 2 other";
const std::string without_only = "12 both | <damaged> | 2 other";

const std::vector<Row>& matrix() {
  static const std::vector<Row> rows{
      {State::healthy,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", all_values, "1* 2* ", "ok ok", "ok 2 batch", "12 both 1 only 2 other ",
        "only other ", "", "", ""}},
      // The other copy is as good; what had none is damaged, never absent. An empty store takes writes again.
      {State::missing_folder,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", without_only, "2* ", "ok ok", "ok 2 batch",
        "12 both <damaged> 2 other ", "only other ", "missing1 missing1 hopeless ",
        "missing1+ missing1 hopeless ", "missing1 missing1 hopeless "},
       true},
      // What needs it fails and leaves nothing; what does not goes on.
      {State::locked,
       "ok",
       {"locked locked ok", "locked locked", "ok ok", "12 both | <locked> | 2 other", "2* ", "ok ok",
        "locked 2 other", "12 both <locked> 2 other ", "other ", "unreadable1 unreadable1 unreadable1 ",
        "unreadable1 unreadable1 unreadable1 ", "unreadable1 unreadable1 unreadable1 "}},
      {State::unreadable_table,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", without_only, "2* ", "ok ok", "ok 2 batch",
        "12 both <damaged> 2 other ", "only other ", "damaged1 damaged1 hopeless ",
        "damaged1+ damaged1 hopeless ", "damaged1 damaged1 hopeless "}},
      {State::wrong_copy,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", without_only, "1! 2* ", "ok ok", "ok 2 batch",
        "12 both <damaged> 2 other ", "only other ", "damaged1 damaged1 hopeless ",
        "damaged1+ damaged1 hopeless ", "damaged1 damaged1 hopeless "},
       true},
      {State::missing_copy,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", without_only, "2* ", "ok ok", "ok 2 batch",
        "12 both <damaged> 2 other ", "only other ", "missing1 missing1 hopeless ",
        "missing1+ missing1 hopeless ", "missing1 missing1 hopeless "},
       true},
      {State::orphan_copy,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", all_values, "1* 2* ", "ok ok", "ok 2 batch", "12 both 1 only 2 other ",
        "only other ", "orphan1 ", "orphan1+ ", "orphan1 "}},
      // The first write fails, the store is opened again by the next.
      {State::write_error_once,
       "ok",
       {"io ok ok", "io ok", "ok ok", all_values, "1* 2* ", "ok ok", "io 2 other", "12 both 1 only 2 other ",
        "other ", "", "", ""}},
      {State::sync_error,
       "ok",
       {"io io ok", "io io", "ok ok", all_values, "1* 2* ", "ok ok", "io 2 other", "12 both 1 only 2 other ",
        "other ", "", "", ""}},
      {State::full,
       "ok",
       {"full full ok", "full full", "ok ok", all_values, "1* 2* ", "ok ok", "full 2 other",
        "12 both 1 only 2 other ", "other ", "", "", ""}},
      {State::slow,
       "ok",
       {"late late ok", "late late", "ok ok", "12 both | <late> | 2 other", "2* ", "ok ok", "late 2 other",
        "12 both <late> 2 other ", "other ", "unreadable1 unreadable1 unreadable1 ",
        "unreadable1 unreadable1 unreadable1 ", "unreadable1 unreadable1 unreadable1 "}},
      // Found and swept when the router is opened.
      {State::crash_before_root,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", all_values, "1* 2* ", "ok ok", "ok 2 batch", "12 both 1 only 2 other ",
        "only other ", "", "", ""}},
      {State::crash_after_root,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", "12 both | 1 anew | 2 other", "1* 2* ", "ok ok", "ok 2 batch",
        "12 both 1 anew 2 other ", "only other ", "", "", ""}},
      // The older copies are not what the pointers say, and nobody is given them for it.
      {State::stale,
       "ok",
       {"ok ok ok", "ok ok", "ok ok", without_only, "2* ", "ok ok", "ok 2 batch",
        "12 both <damaged> 2 other ", "only other ", "missing1 missing1 hopeless orphan1 orphan1 ",
        "missing1+ missing1 hopeless orphan1+ orphan1+ ", "missing1 missing1 hopeless orphan1 orphan1 "},
       true},
      {State::not_configured,
       "ok",
       {"no route no route ok", "no route no route", "ok ok", without_only, "2* ", "ok ok",
        "no route 2 other", "12 both <damaged> 2 other ", "other ", "unreadable1 unreadable1 ",
        "unreadable1 unreadable1 ", "unreadable1 unreadable1 "}},
      // Refused until it is made again, which happens when it is asked for and not before.
      {State::root_lost,
       "damaged",
       {"closed closed closed", "closed closed", "closed closed", "<closed> | <closed> | <closed>", "closed",
        "closed closed", "closed <closed>", "closed", "closed", "closed", "rebuilt 3", "closed"}},
  };
  return rows;
}

}  // namespace

TEST_CASE(
    "each state of a store has its stated outcome with each operation, and nothing acknowledged is lost") {
  REQUIRE(matrix().size() == states().size());
  std::size_t cells = 0;
  for (const auto& named : states()) {
    const State state = named.first;
    const auto row = std::find_if(matrix().begin(), matrix().end(),
                                  [&](const Row& candidate) { return candidate.state == state; });
    REQUIRE(row != matrix().end());
    REQUIRE(row->outcomes.size() == operations().size());
    for (std::size_t i = 0; i < operations().size(); ++i) {
      const std::string cell_name = std::string(named.second) + ", " + operations()[i].name;
      CAPTURE(cell_name);
      Cell cell(state);
      CHECK(cell.opening() == row->opening);
      CHECK(operations()[i].run(cell) == row->outcomes[i]);
      cell.settle_accounts(row->takes_only);
      ++cells;
    }
  }
  CHECK(cells == 16 * 12);
}

TEST_CASE("a copy that is the last of its value is kept aside by repair, and never thrown away unseen") {
  Cell cell(State::stale);
  checked(cell, {.repair = true});
  const auto found = cell.router().get_all(as_bytes("only"));
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  CHECK(text(found->front().value) == "1 old");
  CHECK(!found->front().current);
}

}  // namespace sheaf::test
