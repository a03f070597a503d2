#include "engine/peer_node/bench/options.hpp"

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "engine/peer_node/usage.hpp"
#include "sheaf/protocol/key_text.hpp"

namespace sheaf::peer_node {
namespace {

using Built = std::vector<std::pair<CLI::App*, std::function<Action(const Surroundings&)>>>;

// One set of fields for all verbs: each takes the positionals that it names.
struct Raw {
  std::string folder, source, destination, key, keys, transport = "tcp", store = "disk", scheme = "tcp";
  std::uint64_t blocks = 0, bytes = 0, gets = 0, samples = 0, interval = 5, batch = 1, cores = 0,
                connections = 0, rounds = 5;
  std::vector<std::uint64_t> sizes{100, 4096, 65536, 1048576};
  std::uint16_t port = 0;
  bool live = false;
};
using RawPtr = std::shared_ptr<Raw>;

CoreKey key_of(const Raw& raw) {
  const auto key = key_from_text<CoreKey>(raw.key);
  if (!key) throw WrongUsage("not a key: " + raw.key);
  return *key;
}

class Verbs {
 public:
  explicit Verbs(CLI::App& app) : raw_(std::make_shared<Raw>()) {
    bench_ = app.add_subcommand("bench", "Measure, one process a side");
    bench_->require_subcommand(1);
    bench_->footer("Example:\n  sheaf bench replicate --blocks 10000 --size 65536 --json");
    bench_->add_option("--store", raw_->store, "Where the blocks are kept (default: disk)")
        ->type_name("disk|memory")
        ->check(CLI::IsMember({"disk", "memory"}));
    bench_->add_option("--scheme", raw_->scheme, "Over what the two sides of a verb meet (default: tcp)")
        ->type_name("tcp|ws")
        ->check(CLI::IsMember({"tcp", "ws"}));
  }

  // `positionals` in the contract's order, each by its name there.
  template <class Make>
  void add(const std::string& name, const std::string& what, const std::string& example,
           const std::vector<std::string>& positionals, Make make) {
    CLI::App* verb = bench_->add_subcommand(name, what);
    verb->footer("Example:\n  sheaf bench " + example);
    for (const auto& positional : positionals) option(*verb, positional)->required();
    built_.emplace_back(verb, [raw = raw_, make](const Surroundings& around) -> Action {
      return BenchCommand{make(*raw, around), raw->store == "memory", raw->scheme == "ws"};
    });
  }

  CLI::App* last() { return built_.back().first; }
  Raw& raw() { return *raw_; }
  Built take() { return std::move(built_); }

 private:
  CLI::Option* option(CLI::App& verb, const std::string& name) {
    if (name == "dir") return verb.add_option("DIR", raw_->folder, "This side's own storage");
    if (name == "srcdir") return verb.add_option("SRCDIR", raw_->source, "The folder to serve");
    if (name == "outdir") return verb.add_option("OUTDIR", raw_->destination, "Where the files go");
    if (name == "n") return verb.add_option("N", raw_->blocks, "How many");
    if (name == "key") return verb.add_option("KEY", raw_->key, "The served core's key");
    if (name == "keys") return verb.add_option("KEYS", raw_->keys, "File with one key a line");
    if (name == "cores") return verb.add_option("CORES", raw_->cores, "How many cores");
    if (name == "connections") return verb.add_option("CONNECTIONS", raw_->connections, "How many at once");
    if (name == "port") return verb.add_option("PORT", raw_->port, "On 127.0.0.1");
    if (name == "count") return verb.add_option("COUNT", raw_->blocks, "How many blocks");
    if (name == "size") return verb.add_option("SIZE", raw_->bytes, "Bytes of a block");
    if (name == "gets") return verb.add_option("GETS", raw_->gets, "How many blocks to get");
    if (name == "samples") return verb.add_option("SAMPLES", raw_->samples, "How many blocks to time");
    if (name == "interval") return verb.add_option("INTERVAL_MS", raw_->interval, "Between two blocks");
    return verb.add_option("BATCH", raw_->batch, "Blocks an append");
  }

  RawPtr raw_;
  CLI::App* bench_;
  Built built_;
};

}  // namespace

Built bench_grammar(CLI::App& app) {
  Verbs verbs(app);
  verbs.add("serve-core", "Serve a core of random blocks", "serve-core a 10000 65536 4900",
            {"dir", "count", "size", "port"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              return BenchServeCore{around.resolve(raw.folder), raw.blocks, raw.bytes, raw.port};
            });
  verbs.add("fetch-core", "Fetch all of it; COUNT 0: as many blocks as there are",
            "fetch-core b $KEY 4900 10000", {"dir", "key", "port", "count"},
            [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              return BenchFetchCore{around.resolve(raw.folder), key_of(raw), raw.port, raw.blocks};
            });
  verbs.add(
      "fetch-sparse", "Get single blocks far apart, one after another", "fetch-sparse b $KEY 4900 10000 1000",
      {"dir", "key", "port", "count", "gets"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
        if (raw.blocks == 0) throw WrongUsage("COUNT is 0: there is nothing to get");
        return BenchFetchSparse{around.resolve(raw.folder), key_of(raw), raw.port, raw.blocks, raw.gets};
      });
  verbs.add("serve-live", "Append a stamped block each interval", "serve-live a 500 5 4900",
            {"dir", "samples", "interval", "port"},
            [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              return BenchServeLive{around.resolve(raw.folder), raw.samples, raw.interval, raw.port};
            });
  verbs.add("fetch-live", "Tell how old stamped blocks are on arrival", "fetch-live b $KEY 500 4900",
            {"dir", "key", "samples", "port"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              return BenchFetchLive{around.resolve(raw.folder), key_of(raw), raw.samples, raw.port};
            });
  verbs.add("local-append", "Append random blocks to a core of one's own", "local-append a 100000 100 256",
            {"dir", "count", "size", "batch"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              if (raw.batch == 0) throw WrongUsage("BATCH is 0");
              return BenchLocalAppend{around.resolve(raw.folder), raw.blocks, raw.bytes, raw.batch};
            });
  verbs.add("serve-drive", "Serve an archive of the files of a folder", "serve-drive a files 4900",
            {"dir", "srcdir", "port"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              return BenchServeDrive{around.resolve(raw.folder), around.resolve(raw.source), raw.port};
            });
  verbs.add("fetch-drive", "Fetch all files of an archive into a folder", "fetch-drive b $KEY out 4900",
            {"dir", "key", "outdir", "port"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              return BenchFetchDrive{around.resolve(raw.folder), key_of(raw), around.resolve(raw.destination),
                                     raw.port};
            });
  verbs.add("local-drive", "Put and list small files in an archive of one's own", "local-drive a 10000",
            {"dir", "n"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              return BenchLocalDrive{around.resolve(raw.folder), raw.blocks};
            });
  verbs.add("serve-many", "Serve many cores of random blocks; their keys go to DIR.keys",
            "serve-many a 1000 10 100 4900", {"dir", "cores", "count", "size", "port"},
            [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              return BenchServeMany{around.resolve(raw.folder), raw.cores, raw.blocks, raw.bytes, raw.port};
            });
  verbs.add(
      "fetch-many", "Fetch that many blocks of every core of the list", "fetch-many b a.keys 10 4900",
      {"dir", "keys", "count", "port"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
        return BenchFetchMany{around.resolve(raw.folder), around.resolve(raw.keys), raw.blocks, raw.port};
      });
  verbs.add("fetch-idle", "Hold that many connections which have nothing to do", "fetch-idle b $KEY 200 4900",
            {"dir", "key", "connections", "port"},
            [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              if (raw.connections == 0) throw WrongUsage("CONNECTIONS is 0");
              return BenchFetchIdle{around.resolve(raw.folder), key_of(raw), raw.connections, raw.port};
            });
  verbs.add("local-bee", "Put, list and get small values in a tree of one's own", "local-bee a 100000 1000",
            {"dir", "n", "batch"}, [](const Raw& raw, const Surroundings& around) -> BenchVerb {
              if (raw.blocks == 0 || raw.batch == 0) throw WrongUsage("N or BATCH is 0");
              return BenchLocalBee{around.resolve(raw.folder), raw.blocks, raw.batch};
            });
  verbs.add("replicate", "Run both ends on this machine and print a table",
            "replicate --blocks 10000 --size 65536 --json", {},
            [](const Raw& raw, const Surroundings&) -> BenchVerb {
              BenchReplicate replicate;
              replicate.blocks = raw.blocks;
              replicate.block_bytes = raw.bytes;
              using Transport = BenchReplicate::Transport;
              replicate.transport = raw.transport == "memory" ? Transport::memory
                                    : raw.transport == "ws"   ? Transport::ws
                                                              : Transport::tcp;
              replicate.store =
                  raw.store == "memory" ? BenchReplicate::Store::memory : BenchReplicate::Store::disk;
              replicate.live = raw.live;
              replicate.interval_ms = raw.interval;
              return replicate;
            });
  CLI::App* replicate = verbs.last();
  replicate->add_option("--blocks", verbs.raw().blocks, "How many blocks")
      ->required()
      ->check(CLI::PositiveNumber);
  replicate->add_option("--size", verbs.raw().bytes, "Bytes of a block (with --live always 64)")
      ->type_name("BYTES");
  replicate
      ->add_option("--transport", verbs.raw().transport,
                   "Two processes over TCP or WebSocket, or one over a pipe in memory (default: tcp)")
      ->type_name("tcp|ws|memory")
      ->check(CLI::IsMember({"tcp", "ws", "memory"}));
  replicate->add_flag("--live", verbs.raw().live, "Append one block each interval, and time its arrival");
  replicate->add_option("--interval", verbs.raw().interval, "Between the blocks of --live (default: 5)")
      ->type_name("MS");
  verbs.add("store", "Put, get and delete values in the router and in single engines",
            "store --size 65536 --rounds 3", {}, [](const Raw& raw, const Surroundings&) -> BenchVerb {
              return BenchStore{raw.sizes, raw.blocks, raw.rounds};
            });
  CLI::App* store = verbs.last();
  store
      ->add_option("--size", verbs.raw().sizes,
                   "Bytes of a value; may be given again (default: 100, 4096, 65536 and 1048576)")
      ->type_name("BYTES...")
      ->expected(1, -1)
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{64 * 1024 * 1024}));
  store
      ->add_option("--values", verbs.raw().blocks, "How many (default: 256 MiB of them, but at most 200,000)")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{2}, std::uint64_t{100'000'000}));
  store->add_option("--rounds", verbs.raw().rounds, "Of which the medians are taken (default: 5)")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000}));
  return verbs.take();
}

}  // namespace sheaf::peer_node
