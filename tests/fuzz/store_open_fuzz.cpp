// F22: a store's folder with altered bytes, of LevelDB or of a value log: its segments and its index. Opening
// it and reading all of it gives an error or the truth: what is answered is together what the store held
// after some of its writes, in their order. Altered bytes at the very end of a log look like a write that was
// cut off (docs/storage.md), which is why it may be an earlier state.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sheaf/storage/leveldb_backend.hpp"
#include "storage/leveldb_seams.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/support/fault_env.hpp"
#include "tests/support/fault_segments.hpp"

using namespace sheaf;
using fuzz::expect;

namespace {

constexpr std::size_t keys = 60;

using Values = std::map<std::string, std::string>;
using Files = std::map<std::string, std::string>;

std::string key_of(std::size_t at) { return "key " + std::to_string(at); }

enum class Kind { leveldb, log };

std::unique_ptr<Backend> store_on(test::FaultEnv& env, Kind kind, bool create) {
  if (kind == Kind::log) {
    LogOptions options = test::small_log("/store");
    options.create = create;
    options.segment_bytes = 8 * 1024;
    return test::log_on(env, options);
  }
  LevelDbOptions options;
  options.folder = "/store";
  options.create = create;
  options.write_buffer_bytes = 1024 * 1024;  // more than is written: nothing is moved in the background
  return leveldb_backend(options, {.env = &env});
}

// What was written once: the files, and what the store held after each write.
struct Whole {
  Files files;
  std::vector<Values> states{{}};

  explicit Whole(Kind kind) {
    test::FaultEnv env;
    const auto store = store_on(env, kind, true);
    expect(store->open().has_value());
    // Opening moves what lies in LevelDB's log to a table, and does so before it returns: two tables and a
    // log, the same ones each time.
    for (std::size_t write = 0; write < 120; ++write) {
      if (write == 40 || write == 80) {
        expect(store->close().has_value());
        expect(store->open().has_value());
      }
      Values now = states.back();
      Batch batch;
      for (std::size_t i = 0; i < 1 + write % 4; ++i) {
        const std::string key = key_of((write * 7 + i * 13) % keys);
        if (write % 5 == 4 && i == 0) {
          batch.del(as_bytes(key));
          now.erase(key);
          continue;
        }
        std::string value = std::to_string(write) + ":";
        value.resize(value.size() + (write * 37 + i) % 700, static_cast<char>('a' + write % 26));
        batch.put_copy(as_bytes(key), as_bytes(value));
        now[key] = value;
      }
      expect(store->write(batch, Durable::yes).has_value());
      states.push_back(std::move(now));
    }
    // As a crash leaves it: closing would bring the index of a value log up to its end, and nothing would be
    // read again.
    files = env.contents();
  }
};

// Which keys were answered, and with what; not those that are errors.
using Answers = std::map<std::string, std::optional<std::string>>;

bool holds(const Values& state, const Answers& answers) {
  for (const auto& [key, value] : answers) {
    const auto found = state.find(key);
    if (value.has_value() != (found != state.end())) return false;
    if (value && *value != found->second) return false;
  }
  return true;
}

// Whether a whole walk gave exactly a state; a prefix of one where it ended in an error.
bool walked(const Values& state, const Values& seen, bool to_the_end) {
  if (to_the_end) return seen == state;
  auto at = state.begin();
  for (const auto& one : seen) {
    if (at == state.end() || *at != one) return false;
    ++at;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Whole wholes[] = {Whole(Kind::leveldb), Whole(Kind::log)};
  fuzz::Choices choices(data, size);
  const Kind kind = choices.byte() % 2 == 0 ? Kind::leveldb : Kind::log;
  const Whole& whole = wholes[kind == Kind::log];
  Files files = whole.files;
  for (int altered = 0; choices.left() && altered < 16; ++altered) {
    auto file = std::next(files.begin(), static_cast<std::ptrdiff_t>(choices.below(files.size())));
    if (file->second.empty()) continue;
    char& byte = file->second[choices.below(file->second.size())];
    byte = static_cast<char>(byte ^ choices.byte());
  }

  test::FaultEnv env;
  env.restore(files);
  const auto store = store_on(env, kind, false);
  if (!store->open()) return 0;
  Answers answers;
  for (std::size_t at = 0; at < keys; ++at) {
    Buffer value;
    const auto got = store->get(as_bytes(key_of(at)), value);
    if (got)
      answers[key_of(at)] = std::string(as_text(value));
    else if (got.error() == StorageErrc::not_found)
      answers[key_of(at)] = std::nullopt;
  }
  Values seen;
  bool to_the_end = false;
  if (auto cursor = store->iterate({})) {
    for (;;) {
      const auto more = (*cursor)->next();
      if (!more) break;
      if (!*more) {
        to_the_end = true;
        break;
      }
      seen[std::string(as_text((*cursor)->key()))] = std::string(as_text((*cursor)->value()));
    }
  }
  bool true_once = false;
  for (const Values& state : whole.states)
    true_once = true_once || (holds(state, answers) && walked(state, seen, to_the_end));
  expect(true_once);
  // Who goes on with it has a store that works, or is told.
  const Bytes key = as_bytes("fresh"), fresh = as_bytes("value");
  if (store->put(key, fresh, {}, Durable::yes)) {
    Buffer value;
    expect(store->get(key, value) && equal(value, fresh));
  }
  (void)store->close();
  return 0;
}
