// Random operations against a map, with stores that fail, are away for a while, or have copies taken from
// them and altered: I12 to I16. What was acknowledged is there and is told once; what was refused is not;
// after a repair every pointer has all its copies, and no copy is without a pointer.
#include "storage/router_records.hpp"
#include "tests/storage/router_world.hpp"

namespace sheaf::test {
namespace {

using Model = std::map<std::string, std::string>;

// The digits name stores; a value with 'r' and no digit stays in the root.
class ModelRun {
 public:
  ModelRun(std::uint64_t seed, std::size_t copies_least)
      : random_(seeded_random(seed)), copies_least_(copies_least) {
    start();
  }

  void operations(int count) {
    for (int n = 0; n < count; ++n) {
      INFO("operation ", n);
      trouble();
      act();
      if (router().poisoned()) restart();
      if (n % 250 == 0) REQUIRE(contents() == model_);
      if (n % 1000 == 999) mended();
    }
    mended();
  }

  std::uint64_t acknowledged = 0;
  std::uint64_t refused = 0;
  std::uint64_t damages = 0;

 private:
  static constexpr const char* labels[] = {"0", "1", "2", "3"};

  Router& router() { return world_.router(); }
  bool one_in(std::uint64_t n) { return random_->below(n) == 0; }
  std::string key() { return "k" + std::to_string(random_->below(40)); }
  std::string any_label() { return labels[random_->below(4)]; }

  void start() {
    RouterOptions options = world_.options();
    options.mapper = std::make_unique<DigitsOrRoot>();
    options.copies_least = copies_least_;
    world_.make(std::move(options));
    follow();
  }
  void follow() {
    auto made = router().changes({.values = true});
    REQUIRE(made);
    changes_ = std::move(*made);
  }

  // The root failed: closed and opened again, all is as it was acknowledged.
  void restart() {
    all_well();
    changes_.reset();
    if (one_in(2)) {
      REQUIRE(router().reopen());
      follow();
    } else {
      world_.end();
      start();
    }
    REQUIRE(contents() == model_);
  }

  void all_well() {
    for (const char* label : labels) world_.faults(label) = Faults{};
    world_.faults("root") = Faults{};
  }

  void trouble() {
    if (one_in(40)) world_.faults(any_label()).fail_next = true;
    if (one_in(150)) world_.faults(any_label()).dead = true;
    if (one_in(150)) world_.faults(any_label()).full = true;
    if (one_in(200)) world_.faults("root").fail_next = true;
    if (one_in(30)) {
      Faults& faults = world_.faults(any_label());
      faults.dead = faults.full = false;
    }
    if (one_in(20)) damage();
  }

  // A copy goes, or becomes another's bytes, where a good one stays.
  void damage() {
    const std::string label = any_label();
    const auto copies = world_.copy_keys(label);
    if (copies.empty()) return;
    const Buffer& copy = copies[random_->below(copies.size())];
    const auto name = router_records::name_of_copy(copy);
    if (!name) return;
    const Buffer outer = to_buffer(name->outer_key);
    const auto all = router().get_all(outer);
    if (!all) return;
    const auto good = std::count_if(all->begin(), all->end(), [&](const FoundCopy& found) {
      return found.current && found.store != label;
    });
    if (good == 0) return;
    if (one_in(2))
      (void)world_.store(label).del(copy, Durable::no);
    else
      (void)world_.store(label).put(copy, as_bytes("rubbish"), {}, Durable::no);
    ++damages;
  }

  void act() {
    switch (random_->below(12)) {
      case 0: (void)router().sync(); break;
      case 1: {
        const std::string wanted = key();
        REQUIRE(value_of(router(), wanted) == (model_.contains(wanted) ? model_[wanted] : "<not found>"));
        break;
      }
      case 2: {
        const std::string value = fresh_value();
        const auto posted = router().post(as_bytes(value), {}, durable());
        if (!posted) {
          ++refused;
          break;
        }
        ++acknowledged;
        const std::string at(as_text(*posted));
        REQUIRE(value_of(router(), at) == value);
        expect_told("put " + at + "=" + value + " ");
        // It goes again, so that the keys stay few.
        model_[at] = value;
        posted_ = at;
        break;
      }
      default: write(); break;
    }
    expect_told("");
  }

  void write() {
    Batch batch;
    Model after = model_;
    std::map<std::string, std::optional<std::string>> steps;
    const std::uint64_t size = one_in(3) ? 1 + random_->below(5) : 1;
    while (steps.size() < size) {
      const std::string at = posted_.empty() ? key() : std::exchange(posted_, {});
      steps[at] = one_in(4) || at.size() == 16 ? std::nullopt : std::optional(fresh_value());
    }
    std::string told;
    for (const auto& [at, value] : steps) {
      if (value) {
        batch.put_copy(as_bytes(at), as_bytes(*value));
        after[at] = *value;
        told += "put " + at + "=" + *value + " ";
      } else {
        batch.del(as_bytes(at));
        after.erase(at);
        told += "del " + at + " ";
      }
    }
    const bool done = router().write(batch, durable()).has_value();
    if (done) {
      ++acknowledged;
      model_ = std::move(after);
      expect_told(told);
    } else {
      ++refused;
    }
    for (const auto& [at, value] : steps)
      REQUIRE(value_of(router(), at) == (model_.contains(at) ? model_[at] : "<not found>"));
  }

  std::string fresh_value() {
    static constexpr const char* routes[] = {"1", "2", "3", "12", "13", "23", "123", "0", "r"};
    return std::string(routes[random_->below(std::size(routes))]) + " " +
           std::string(random_->below(30), static_cast<char>('a' + random_->below(10)));
  }
  Durable durable() { return one_in(3) ? Durable::yes : Durable::no; }

  void expect_told(const std::string& expected) {
    std::string told;
    while (const auto change = changes_->try_next()) {
      REQUIRE(change->kind != Change::Kind::gap);
      told += change->kind == Change::Kind::put ? "put " + text(change->key) + "=" + text(change->value) + " "
                                                : "del " + text(change->key) + " ";
    }
    REQUIRE(told == expected);
  }

  Model contents() {
    Model out;
    auto cursor = router().iterate({});
    REQUIRE(cursor);
    for (;;) {
      const auto more = (*cursor)->next();
      REQUIRE(more);
      if (!*more) return out;
      out[std::string(as_text((*cursor)->key()))] = std::string(as_text((*cursor)->value()));
    }
  }

  void mended() {
    all_well();
    if (router().poisoned()) restart();
    REQUIRE(router().sync());
    (void)check_all(router(), {.repair = true});
    REQUIRE(router().sync());
    REQUIRE(check_all(router()).findings.empty());
    REQUIRE(contents() == model_);
    // No more copies than the values have routes, and nothing beside them.
    std::map<std::string, std::size_t> expected;
    DigitsOrRoot mapper;
    for (const auto& [at, value] : model_)
      for (const std::string& label : mapper.labels(as_bytes(value), {})) ++expected[label];
    for (const char* label : labels) {
      REQUIRE(world_.copies(label) == expected[label]);
      REQUIRE(world_.others(label) == 0);
    }
  }

  std::unique_ptr<RandomSource> random_;
  const std::size_t copies_least_;
  RouterWorld world_;
  std::unique_ptr<Changes> changes_;
  Model model_;
  std::string posted_;
};

}  // namespace

TEST_CASE("60,000 random operations with faults agree with a map") {
  for (const std::size_t copies_least : {0, 1})
    for (const std::uint64_t seed : {1, 2}) {
      INFO("seed ", seed, ", copies_least ", copies_least);
      ModelRun run(seed, copies_least);
      run.operations(15'000);
      CHECK(run.acknowledged > 5'000);
      CHECK(run.refused > 500);
      CHECK(run.damages > 100);
    }
}

}  // namespace sheaf::test
