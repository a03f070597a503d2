// Stores for large values against each other, over a whole life: puts under random keys, half of them
// overwritten, reads of half, deletes of half, and what is on the disk at each point. One JSON line a store.
//
// usage: bench_stores FOLDER BYTES_A_VALUE TOTAL_BYTES [STORE...]; stores: log leveldb files rocksdb, and
// router-root router-one router-two: a router that keeps values in its root, or in one or two stores (logs
// for values from 4 KiB on, else LevelDB). Each store is run in a process of its own, so that its CPU and the
// bytes that it wrote are its own.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#ifdef SHEAF_BENCH_ROCKSDB
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#endif

#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/leveldb_backend.hpp"
#include "sheaf/storage/log_backend.hpp"
#include "sheaf/storage/router.hpp"

namespace {

namespace fs = std::filesystem;
using namespace sheaf;

class Store {
 public:
  virtual ~Store() = default;
  virtual void put(const std::string& key, Bytes value) = 0;
  virtual std::size_t get(const std::string& key) = 0;
  virtual void del(const std::string& key) = 0;
};

void need(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "bench_stores: %s failed\n", what);
  std::exit(1);
}

class OfBackend final : public Store {
 public:
  explicit OfBackend(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {
    need(backend_->open().has_value(), "open");
  }
  void put(const std::string& key, Bytes value) override {
    need(backend_->put(as_bytes(key), value, {}, Durable::no).has_value(), "put");
  }
  std::size_t get(const std::string& key) override {
    Buffer out;
    need(backend_->get(as_bytes(key), out).has_value(), "get");
    return out.size();
  }
  void del(const std::string& key) override {
    need(backend_->del(as_bytes(key), Durable::no).has_value(), "del");
  }

 private:
  std::unique_ptr<Backend> backend_;
};

// One file a value, in 256 folders; a new value takes the place of the old one by rename.
class OfFiles final : public Store {
 public:
  explicit OfFiles(const std::string& folder) : folder_(folder) {
    fs::create_directory(folder);
    for (char a : std::string("0123456789abcdef"))
      for (char b : std::string("0123456789abcdef")) fs::create_directory(folder + "/" + a + b);
  }
  void put(const std::string& key, Bytes value) override {
    const std::string fresh = folder_ + "/fresh";
    const int file = ::open(fresh.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    need(file >= 0 && ::write(file, value.data(), value.size()) == static_cast<ssize_t>(value.size()),
         "write");
    ::close(file);
    need(::rename(fresh.c_str(), path(key).c_str()) == 0, "rename");
  }
  std::size_t get(const std::string& key) override {
    const int file = ::open(path(key).c_str(), O_RDONLY);
    need(file >= 0, "open");
    Buffer out(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)));
    need(::pread(file, out.data(), out.size(), 0) == static_cast<ssize_t>(out.size()), "read");
    ::close(file);
    return out.size();
  }
  void del(const std::string& key) override { need(::unlink(path(key).c_str()) == 0, "unlink"); }

 private:
  std::string path(const std::string& key) const { return folder_ + "/" + key.substr(0, 2) + "/" + key; }
  const std::string folder_;
};

#ifdef SHEAF_BENCH_ROCKSDB
class OfRocksDb final : public Store {
 public:
  explicit OfRocksDb(const std::string& folder) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.enable_blob_files = true;
    options.min_blob_size = 1024;
    options.blob_file_size = 128 << 20;
    options.enable_blob_garbage_collection = true;
    options.blob_garbage_collection_age_cutoff = 0.5;
    options.blob_garbage_collection_force_threshold = 0.5;
    rocksdb::DB* db = nullptr;
    need(rocksdb::DB::Open(options, folder, &db).ok(), "open");
    db_.reset(db);
  }
  void put(const std::string& key, Bytes value) override {
    const auto text = as_text(value);
    need(db_->Put({}, key, {text.data(), text.size()}).ok(), "put");
  }
  std::size_t get(const std::string& key) override {
    std::string out;
    need(db_->Get({}, key, &out).ok(), "get");
    return out.size();
  }
  void del(const std::string& key) override { need(db_->Delete({}, key).ok(), "del"); }

 private:
  std::unique_ptr<rocksdb::DB> db_;
};
#endif

// Always the same stores.
class To final : public Mapper {
 public:
  explicit To(std::vector<std::string> labels) : labels_(std::move(labels)) {}
  std::vector<std::string> labels(Bytes, const Traits&) override { return labels_; }

 private:
  const std::vector<std::string> labels_;
};

std::unique_ptr<Backend> router_in(const std::string& folder, std::vector<std::string> labels,
                                   std::size_t value_bytes) {
  const SpaceFloor no_floor{.bytes = 0, .percent = 0};
  fs::create_directory(folder);
  RouterOptions options;
  LevelDbOptions root{.folder = folder + "/root", .floor = no_floor};
  root.limits.key_bytes += 64;
  root.limits.value_bytes += 1;
  root.limits.batch_operations = 100'000;
  options.root.owned = leveldb_backend(root);
  for (const std::string& label : labels) {
    if (label == root_label) continue;
    const std::string place = folder + "/" + label;
    RoutedStore store{.label = label};
    if (value_bytes >= 4096)
      store.owned = log_backend({.folder = place, .floor = no_floor});
    else
      store.owned = leveldb_backend({.folder = place, .floor = no_floor});
    options.stores.push_back(std::move(store));
  }
  options.mapper = std::make_unique<To>(std::move(labels));
  return router(std::move(options));
}

std::unique_ptr<Store> made(const std::string& kind, const std::string& folder, std::size_t value_bytes) {
  const SpaceFloor no_floor{.bytes = 0, .percent = 0};
  if (kind == "log") return std::make_unique<OfBackend>(log_backend({.folder = folder, .floor = no_floor}));
  if (kind == "leveldb")
    return std::make_unique<OfBackend>(leveldb_backend({.folder = folder, .floor = no_floor}));
  std::vector<std::string> labels;
  if (kind == "router-root") labels = {std::string(root_label)};
  if (kind == "router-one") labels = {"one"};
  if (kind == "router-two") labels = {"one", "two"};
  if (!labels.empty()) return std::make_unique<OfBackend>(router_in(folder, labels, value_bytes));
  if (kind == "files") return std::make_unique<OfFiles>(folder);
#ifdef SHEAF_BENCH_ROCKSDB
  if (kind == "rocksdb") return std::make_unique<OfRocksDb>(folder);
#endif
  return nullptr;
}

double seconds(clockid_t clock) {
  timespec now;
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
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

double disk_bytes(const std::string& folder) {
  double sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) sum += static_cast<double>(entry.file_size());
  return sum;
}

void run(const std::string& kind, const std::string& folder, std::size_t value_bytes, std::uint64_t total) {
  fs::remove_all(folder);
  auto store = made(kind, folder, value_bytes);
  if (!store) {
    std::printf("{\"store\":\"%s\",\"missing\":true}\n", kind.c_str());
    return;
  }
  const auto random = seeded_random(1);
  // Half of what is written are new keys, in no order; the other half writes one of them again.
  const std::uint64_t count = std::max<std::uint64_t>(total / value_bytes / 2, 4);
  std::vector<std::string> keys(count);
  for (std::string& key : keys) {
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx",
                  static_cast<unsigned long long>(random->below(UINT64_MAX)),
                  static_cast<unsigned long long>(random->below(UINT64_MAX)));
    key = text;
  }
  Buffer value(value_bytes);
  random->fill(value);
  const auto put = [&](std::uint64_t which, std::uint64_t round) {
    std::memcpy(value.data(), &round, sizeof round);
    store->put(keys[which], value);
  };
  struct Part {
    double wall, cpu;
  };
  const auto timed = [&](auto work) {
    const Part begin{seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
    work();
    return Part{seconds(CLOCK_MONOTONIC) - begin.wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - begin.cpu};
  };
  const double written_before = written_bytes();
  const Part puts = timed([&] {
    for (std::uint64_t i = 0; i < count; ++i) put(i, i);
  });
  const Part overwrites = timed([&] {
    for (std::uint64_t i = 0; i < count; ++i) put(random->below(count), count + i);
  });
  const double written = written_bytes() - written_before;
  const double disk = disk_bytes(folder);
  std::size_t got = 0;
  const Part reads = timed([&] {
    for (std::uint64_t i = 0; i < count / 2; ++i) got += store->get(keys[random->below(count)]);
  });
  const Part deletes = timed([&] {
    for (std::uint64_t i = 0; i < count / 2; ++i) store->del(keys[i]);
  });
  // Somebody goes on writing, so that each store may tidy up.
  for (std::uint64_t i = 0; i < count / 8; ++i)
    put(count / 2 + random->below(count - count / 2), 3 * count + i);
  const double after = disk_bytes(folder);
  const double bytes = static_cast<double>(value_bytes);
  const auto rate = [&](std::uint64_t n, const Part& part) {
    return static_cast<double>(n) * bytes / 1e6 / part.wall;
  };
  std::printf(
      "{\"store\":\"%s\",\"value_bytes\":%zu,\"values\":%llu,\"put_MB_s\":%.0f,\"overwrite_MB_s\":%.0f,"
      "\"get_MB_s\":%.0f,\"del_s\":%.2f,\"cpu_s\":{\"put\":%.2f,\"overwrite\":%.2f,\"get\":%.2f,\"del\":%.2f}"
      ","
      "\"write_amplification\":%.2f,\"space_amplification\":%.2f,\"space_amplification_after_deletes\":%.2f}"
      "\n",
      kind.c_str(), value_bytes, static_cast<unsigned long long>(2 * count), rate(count, puts),
      rate(count, overwrites), rate(count / 2, reads), deletes.wall, puts.cpu, overwrites.cpu, reads.cpu,
      deletes.cpu, written / (2 * static_cast<double>(count) * bytes),
      disk / (static_cast<double>(count) * bytes), after / (static_cast<double>(count - count / 2) * bytes));
  std::fflush(stdout);
  need(got == (count / 2) * value_bytes, "reading");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr,
                 "usage: bench_stores FOLDER BYTES_A_VALUE TOTAL_BYTES "
                 "[log|leveldb|files|rocksdb|router-root|router-one|router-two]...\n");
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/bench-store";
  std::vector<std::string> kinds(argv + 4, argv + argc);
  if (kinds.empty()) kinds = {"log", "leveldb", "files", "rocksdb"};
  for (const std::string& kind : kinds) {
    const pid_t child = ::fork();
    if (child == 0) {
      run(kind, folder, std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
      std::exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    fs::remove_all(folder);
    if (status != 0) return 1;
  }
  return 0;
}
