#include "engine/peer_node/bench/store.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "engine/peer_node/bench/measure.hpp"
#include "engine/peer_node/bench/scratch.hpp"
#include "engine/peer_node/bench/single_engine.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/folder_store.hpp"
#include "sheaf/storage/log_backend.hpp"
#include "sheaf/storage/value_keys.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

using Made = Result<std::unique_ptr<SingleEngine>>;

// A backend of ours in the place of an engine.
class OfBackend final : public SingleEngine {
 public:
  explicit OfBackend(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}
  Result<void> put(Bytes key, Bytes value) override { return backend_->put(key, value, {}, Durable::no); }
  Result<void> get(Bytes key, Buffer& out) override {
    out.clear();
    return backend_->get(key, out);
  }
  Result<void> del(Bytes key) override { return backend_->del(key, Durable::no); }

 private:
  std::unique_ptr<Backend> backend_;
};

Made value_log(const fs::path& folder) {
  auto log = log_backend({.folder = folder.string()});
  if (auto opened = log->open(); !opened) return opened.error();
  return std::unique_ptr<SingleEngine>(std::make_unique<OfBackend>(std::move(log)));
}

// The store of a folder with every value on this route: large ones in logs, small ones in LevelDB, as by
// default.
Made router_in(const fs::path& folder, std::uint64_t value_bytes, const std::vector<std::string>& labels) {
  const auto kind = value_bytes >= large_value_bytes ? StoreConfig::Kind::log : StoreConfig::Kind::leveldb;
  StorageOptions options;
  for (const char* label : {"one", "two"})
    options.stores.push_back({.label = label, .kind = kind, .folder = label});
  options.routes.push_back({.to = labels, .name = "the benchmark's"});
  std::string trouble;
  auto router = open_folder_store(folder, true, options, nullptr, trouble);
  if (!router) return router.error();
  return std::unique_ptr<SingleEngine>(std::make_unique<OfBackend>(std::move(*router)));
}

struct Contestant {
  const char* name;
  bool single;  // the best of these is the measure of the others
  Made (*make)(const fs::path& folder, std::uint64_t value_bytes);
};

std::vector<Contestant> contestants() {
  std::vector<Contestant> all;
  all.push_back(
      {"leveldb", true, [](const fs::path& folder, std::uint64_t) { return single_leveldb(folder); }});
  if (has_rocksdb())
    all.push_back(
        {"rocksdb", true, [](const fs::path& folder, std::uint64_t) { return single_rocksdb(folder); }});
  all.push_back(
      {"value log", false, [](const fs::path& folder, std::uint64_t) { return value_log(folder); }});
  all.push_back({"router, in the root", false, [](const fs::path& folder, std::uint64_t value_bytes) {
                   return router_in(folder, value_bytes, {std::string(root_label)});
                 }});
  all.push_back({"router, one copy", false, [](const fs::path& folder, std::uint64_t value_bytes) {
                   return router_in(folder, value_bytes, {"one"});
                 }});
  all.push_back({"router, two copies", false, [](const fs::path& folder, std::uint64_t value_bytes) {
                   return router_in(folder, value_bytes, {"one", "two"});
                 }});
  return all;
}

// Handed to write calls by this process so far.
double written_bytes() {
  std::ifstream file("/proc/self/io");
  std::string name;
  double value = 0;
  while (file >> name >> value)
    if (name == "wchar:") return value;
  return 0;
}

// Files may go while they are counted: an engine tidies up.
double disk_bytes(const fs::path& folder) {
  double sum = 0;
  std::error_code ignored;
  for (fs::recursive_directory_iterator at(folder, ignored), end; at != end; at.increment(ignored)) {
    const auto bytes = at->is_regular_file(ignored) ? at->file_size(ignored) : 0;
    if (!ignored) sum += static_cast<double>(bytes);
  }
  return sum;
}

// The figures of one store in one round, by name.
using Figures = std::map<std::string, double>;

// Times `count` calls of work(i); calls a second into figures[name]. Ends at the first error.
template <class Work>
Result<void> timed(Figures& figures, const char* name, std::uint64_t count, Work work) {
  const double begun = monotonic_s();
  for (std::uint64_t i = 0; i < count; ++i)
    if (auto done = work(i); !done) return done;
  figures[name] = static_cast<double>(count) / std::max(monotonic_s() - begun, 1e-9);
  return {};
}

// What is measured at once.
struct Load {
  std::uint64_t value_bytes;
  std::uint64_t values;
};

Load load_of(const BenchStore& verb, std::uint64_t value_bytes) {
  constexpr std::uint64_t total_bytes = 256 * 1024 * 1024, least = 16, most = 200'000;
  return {value_bytes, verb.values != 0 ? verb.values : std::clamp(total_bytes / value_bytes, least, most)};
}

Result<Figures> one_round(const Contestant& contestant, const fs::path& folder, const Load& load,
                          std::uint64_t seed) {
  auto made = contestant.make(folder, load.value_bytes);
  if (!made) return made.error();
  SingleEngine& store = **made;
  const auto random = seeded_random(seed);
  // As the keys of values are in a folder, for all of them.
  std::array<std::byte, 16> drawn{};
  Buffer keys;
  for (std::uint64_t i = 0; i < load.values; ++i) {
    random->fill(drawn);
    append(keys, value_key(drawn));
  }
  const std::size_t key_bytes = keys.size() / load.values;
  const auto key = [&](std::uint64_t i) { return Bytes(keys).subspan(i * key_bytes, key_bytes); };
  Buffer value(load.value_bytes);
  random->fill(value);
  std::uint64_t number = 0;
  // No two values are the same, as no two of an application's are.
  const auto put = [&](std::uint64_t i) {
    ++number;
    std::memcpy(value.data(), &number, std::min(sizeof number, value.size()));
    return store.put(key(i), value);
  };
  const auto put_again = [&](std::uint64_t) { return put(random->below(load.values)); };
  Buffer got;
  const auto get = [&](std::uint64_t) { return store.get(key(random->below(load.values)), got); };
  const auto del = [&](std::uint64_t i) { return store.del(key(i)); };

  Figures out;
  const double bytes = static_cast<double>(load.value_bytes);
  const double put_bytes = static_cast<double>(load.values + load.values / 2) * bytes;
  const double written_before = written_bytes(), begun = monotonic_s();
  if (auto done = timed(out, "put_s", load.values, put); !done) return done.error();
  if (auto done = timed(out, "overwrite_s", load.values / 2, put_again); !done) return done.error();
  out["write_MB_s"] = put_bytes / 1e6 / std::max(monotonic_s() - begun, 1e-9);
  out["write_amplification"] = (written_bytes() - written_before) / put_bytes;
  out["space_amplification"] = disk_bytes(folder) / (static_cast<double>(load.values) * bytes);
  if (auto done = timed(out, "get_s", load.values, get); !done) return done.error();
  if (auto done = timed(out, "del_s", load.values, del); !done) return done.error();
  return out;
}

double median(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  return figures[figures.size() / 2];
}

struct Column {
  const char* name;
  const char* title;
  bool rate;  // the more, the better; compared with the best single engine
};
constexpr Column columns[] = {{"put_s", "put/s", true},
                              {"overwrite_s", "overwrite/s", true},
                              {"get_s", "get/s", true},
                              {"del_s", "delete/s", true},
                              {"write_MB_s", "write MB/s", true},
                              {"write_amplification", "written", false},
                              {"space_amplification", "on disk", false}};

using Rounds = std::map<std::string, std::map<std::string, std::vector<double>>>;

// Medians of all stores, and of ours against the best single engine.
Json summary(const Load& load, std::uint64_t count, const std::vector<Contestant>& all,
             const Rounds& rounds) {
  Json stores = Json::array();
  std::map<std::string, double> best;
  for (const Contestant& one : all) {
    Json line{{"store", one.name}};
    for (const Column& column : columns) {
      const double figure = median(rounds.at(one.name).at(column.name));
      line[column.name] = figure;
      if (!column.rate) continue;
      if (one.single)
        best[column.name] = std::max(best[column.name], figure);
      else
        line["of_best"][column.name] = figure / best[column.name];
    }
    stores.push_back(std::move(line));
  }
  return {{"value_bytes", load.value_bytes},
          {"values", load.values},
          {"rounds", count},
          {"stores", std::move(stores)}};
}

std::string table(const Json& json) {
  std::string text =
      fmt::format("{} values of {} bytes, medians of {} rounds\n{:<20}", json["values"].get<std::uint64_t>(),
                  json["value_bytes"].get<std::uint64_t>(), json["rounds"].get<std::uint64_t>(), "");
  for (const Column& column : columns) text += fmt::format(" {:>11}", column.title);
  for (const Json& line : json["stores"]) {
    text += fmt::format("\n{:<20}", line["store"].get<std::string>());
    for (const Column& column : columns) {
      const double figure = line[column.name].get<double>();
      text += column.rate ? fmt::format(" {:>11.0f}", figure) : fmt::format(" {:>10.2f}x", figure);
    }
    if (!line.contains("of_best")) continue;
    text += fmt::format("\n{:<20}", "  of the best engine");
    for (const Column& column : columns)
      if (column.rate) text += fmt::format(" {:>11.2f}", line["of_best"][column.name].get<double>());
  }
  return text + "\n";
}

}  // namespace

asio::awaitable<Outcome> bench_store(BenchContext context, const BenchStore& verb, bool json) {
  const Scratch scratch;
  if (scratch.path().empty()) co_return failed(exit_code::failed, "no folder for temporary files");
  const fs::path folder = scratch.path() / "store";
  const std::vector<Contestant> all = contestants();
  for (const std::uint64_t value_bytes : verb.value_bytes) {
    const Load load = load_of(verb, value_bytes);
    Rounds rounds;
    for (std::uint64_t round = 1; round <= verb.rounds; ++round) {
      for (const Contestant& one : all) {
        auto work = [&] {
          auto figures = one_round(one, folder, load, round);
          std::error_code ignored;
          fs::remove_all(folder, ignored);
          return figures;
        };
        const auto figures = co_await offload(*context.environment.pool, work);
        if (!figures) co_return failed(figures.error(), one.name);
        for (const auto& [name, figure] : *figures) rounds[one.name][name].push_back(figure);
        if (co_await was_cancelled()) co_return failed(cancelled_error(), "bench store");
      }
    }
    const Json figures = summary(load, verb.rounds, all, rounds);
    std::string text = json ? to_line(figures) : table(figures);
    if (auto printed = co_await context.io.print(std::move(text)); !printed)
      co_return failed(printed.error(), "stdout");
  }
  co_return Outcome{};
}

}  // namespace sheaf::peer_node
