// The verbs of the measuring contract that concern archives: serve-drive, fetch-drive, local-drive. Folders
// are read and written without the care of import and export, which strangers' names need: both ends are
// ours.
#include <fstream>

#include "engine/peer_node/bench/fetch.hpp"
#include "engine/peer_node/bench/measure.hpp"
#include "engine/peer_node/bench/verb_work.hpp"
#include "engine/peer_node/bench/verbs.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/net/offload.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr std::uint64_t group_bytes = 4 * 1024 * 1024;  // of small files, read or written by one job
constexpr std::size_t group_files = 512;

// The lines are made outside the coroutines: g++ 12 cannot keep a list of initializers across a wait.
Json ready_json(const Archive& archive, const Address& taken, double seconds) {
  return {{"ready", 1}, {"key", to_string(archive.key())}, {"port", taken.port}, {"import_s", seconds}};
}

Json fetched_json(double seconds, double cpu_seconds, std::uint64_t files) {
  return {{"done", 1}, {"s", seconds}, {"cpu_s", cpu_seconds}, {"files", files}};
}

Json local_json(double put_seconds, double list_seconds, std::uint64_t count) {
  return {{"done", 1}, {"put_s", put_seconds}, {"list_s", list_seconds}, {"n", count}};
}

struct LocalFile {
  fs::path path;
  std::string name;
  std::uint64_t bytes = 0;
};

Result<std::vector<LocalFile>> files_of(const fs::path& folder) {
  std::vector<LocalFile> out;
  std::error_code error;
  fs::recursive_directory_iterator walk(folder, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    if (!walk->is_regular_file(error) || error) continue;
    out.push_back({walk->path(), walk->path().lexically_relative(folder).string(), walk->file_size(error)});
  }
  if (error) return Error(error.value(), boost::system::system_category());
  return out;
}

Error no_read() { return boost::system::errc::make_error_code(boost::system::errc::io_error); }

asio::awaitable<Result<void>> put_large(BenchContext context, ArchiveBatch& batch, const LocalFile& file) {
  auto writer = co_await batch.write(file.name);
  if (!writer) co_return writer.error();
  std::ifstream in(file.path, std::ios::binary);
  Buffer part(group_bytes);
  std::uint64_t left = file.bytes;
  while (left > 0) {
    const std::size_t size = std::min<std::uint64_t>(left, part.size());
    auto read = [&]() -> Result<void> {
      if (!in.read(reinterpret_cast<char*>(part.data()), static_cast<std::streamsize>(size)))
        return no_read();
      return {};
    };
    if (auto got = co_await offload(*context.environment.pool, read); !got) co_return got.error();
    if (auto taken = co_await writer->append(Bytes(part).first(size)); !taken) co_return taken.error();
    left -= size;
  }
  if (auto finished = co_await writer->finish(); !finished) co_return finished.error();
  co_return Result<void>();
}

asio::awaitable<Result<void>> import_files(BenchContext context, Archive& archive, const fs::path& folder) {
  auto find = [&] { return files_of(folder); };
  auto files = co_await offload(*context.environment.pool, find);
  if (!files) co_return files.error();
  auto batch = co_await archive.batch();
  if (!batch) co_return batch.error();
  for (std::size_t at = 0; at < files->size();) {
    if ((*files)[at].bytes > group_bytes) {
      if (auto put = co_await put_large(context, *batch, (*files)[at++]); !put) co_return put;
      continue;
    }
    std::vector<Buffer> contents;
    auto read = [&]() -> Result<void> {
      std::uint64_t bytes = 0;
      for (std::size_t i = at; i < files->size() && contents.size() < group_files; ++i) {
        bytes += (*files)[i].bytes;
        if (bytes > group_bytes) break;
        Buffer& one = contents.emplace_back((*files)[i].bytes);
        std::ifstream in((*files)[i].path, std::ios::binary);
        if (!in.read(reinterpret_cast<char*>(one.data()), static_cast<std::streamsize>(one.size())))
          return no_read();
      }
      return {};
    };
    if (auto got = co_await offload(*context.environment.pool, read); !got) co_return got.error();
    for (const Buffer& one : contents)
      if (auto put = co_await batch->put((*files)[at++].name, one); !put) co_return put.error();
  }
  if (auto flushed = co_await batch->flush(Core::Safety::machine); !flushed) co_return flushed.error();
  co_return Result<void>();
}

asio::awaitable<Outcome> serve_drive(BenchContext context, const BenchServeDrive& verb, Node& node) {
  auto archive = co_await node.init_archive();
  if (!archive) co_return failed(archive.error(), verb.folder);
  const auto info = co_await archive->info();
  if (!info) co_return failed(info.error(), verb.folder);
  const double begun = monotonic_s();
  if (info->version <= Version{1})
    if (auto imported = co_await import_files(context, *archive, verb.source); !imported)
      co_return failed(imported.error(), verb.source);
  const double seconds = monotonic_s() - begun;
  const auto taken = co_await node.listen(here(context, verb.port));
  if (!taken) co_return failed(taken.error(), "listen");
  co_return co_await say_and_idle(context.io, ready_json(*archive, *taken, seconds));
}

// A file on its way to the disk.
struct Arrived {
  std::string name;
  Buffer contents;
};

asio::awaitable<Result<void>> write_group(BenchContext context, const fs::path& folder,
                                          std::vector<Arrived>& group) {
  auto write = [&]() -> Result<void> {
    for (const Arrived& one : group) {
      const fs::path path = folder / one.name.substr(1);
      std::error_code error;
      fs::create_directories(path.parent_path(), error);
      std::ofstream out(path, std::ios::binary);
      if (!out.write(reinterpret_cast<const char*>(one.contents.data()),
                     static_cast<std::streamsize>(one.contents.size())))
        return no_read();
    }
    return {};
  };
  auto written = co_await offload(*context.environment.pool, write);
  group.clear();
  co_return written;
}

asio::awaitable<Result<void>> write_large(BenchContext context, const fs::path& path, FileReader& reader) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  for (;;) {
    auto part = co_await reader.next();
    if (!part) co_return part.error();
    if (part->empty()) co_return Result<void>();
    auto write = [&]() -> Result<void> {
      if (!out.write(reinterpret_cast<const char*>(part->data()), static_cast<std::streamsize>(part->size())))
        return no_read();
      return {};
    };
    if (auto written = co_await offload(*context.environment.pool, write); !written) co_return written;
  }
}

asio::awaitable<void> keep_downloading(Archive& archive, std::optional<Error>& failure) {
  if (auto all = co_await archive.download(); !all) failure = all.error();
}

asio::awaitable<Result<std::uint64_t>> export_files(BenchContext context, Archive& archive, Core& db,
                                                    const fs::path& folder) {
  // All of the tree at once instead of a walk's block after block.
  if (auto there = co_await first_length_of(db); !there) co_return there.error();
  const auto length = co_await db.update();
  if (!length) co_return length.error();
  if (auto tree = co_await db.download({{0}, end_of(*length)}); !tree) co_return tree.error();
  std::optional<Error> failure;
  Tasks tasks(co_await asio::this_coro::executor);
  tasks.start(keep_downloading(archive, failure));
  Result<std::uint64_t> files = std::uint64_t{};
  std::vector<Arrived> group;
  std::uint64_t bytes = 0;
  auto entries = co_await archive.list();
  if (!entries) files = entries.error();
  while (files) {
    auto entry = co_await entries->next();
    if (!entry) files = entry.error();
    if (!entry || !*entry) break;
    if ((*entry)->type != EntryType::file) continue;
    auto reader = co_await archive.read((*entry)->name);
    if (!reader) {
      files = reader.error();
      break;
    }
    ++*files;
    if (reader->length().value > group_bytes) {
      if (auto written = co_await write_large(context, folder / (*entry)->name.substr(1), *reader); !written)
        files = written.error();
      continue;
    }
    Arrived& one = group.emplace_back();
    one.name = (*entry)->name;
    for (;;) {
      auto part = co_await reader->next();
      if (!part) files = part.error();
      if (!part || part->empty()) break;
      append(one.contents, *part);
    }
    bytes += one.contents.size();
    if (!files || (group.size() < group_files && bytes < group_bytes)) continue;
    if (auto written = co_await write_group(context, folder, group); !written) files = written.error();
    bytes = 0;
  }
  if (files)
    if (auto written = co_await write_group(context, folder, group); !written) files = written.error();
  tasks.cancel();
  co_await tasks.join();
  co_return files;
}

asio::awaitable<Outcome> fetch_drive(BenchContext context, const BenchFetchDrive& verb, Archive& archive,
                                     Core& db) {
  const double begun = monotonic_s();
  const double cpu = own_cpu_s();
  const auto files = co_await export_files(context, archive, db, verb.destination);
  if (!files) co_return failed(files.error(), "fetch");
  co_return co_await say_and_idle(context.io, fetched_json(monotonic_s() - begun, own_cpu_s() - cpu, *files));
}

asio::awaitable<Outcome> fetch_from_server(BenchContext context, const BenchFetchDrive& verb, Node& node) {
  auto archive = co_await node.follow_archive(verb.key);
  if (!archive) co_return failed(archive.error(), to_string(verb.key));
  auto db = co_await node.core(verb.key);
  if (!db) co_return failed(db.error(), to_string(verb.key));
  co_return co_await while_connected(context, node, verb.port, fetch_drive(context, verb, *archive, *db));
}

asio::awaitable<Outcome> local_drive(BenchContext context, const BenchLocalDrive& verb, Node& node) {
  auto archive = co_await node.init_archive();
  if (!archive) co_return failed(archive.error(), verb.folder);
  Buffer contents(64);
  context.environment.random->fill(contents);
  double begun = monotonic_s();
  auto batch = co_await archive->batch();
  if (!batch) co_return failed(batch.error(), verb.folder);
  for (std::uint64_t i = 0; i < verb.files; ++i) {
    const std::string name = "/d" + std::to_string(i % 100) + "/file-" + std::to_string(i);
    if (auto put = co_await batch->put(name, contents); !put) co_return failed(put.error(), name);
  }
  if (auto flushed = co_await batch->flush(); !flushed) co_return failed(flushed.error(), verb.folder);
  const double put_seconds = monotonic_s() - begun;
  begun = monotonic_s();
  auto entries = co_await archive->list();
  if (!entries) co_return failed(entries.error(), verb.folder);
  std::uint64_t seen = 0;
  for (;;) {
    const auto entry = co_await entries->next();
    if (!entry) co_return failed(entry.error(), verb.folder);
    if (!*entry) break;
    ++seen;
  }
  co_return co_await say_and_idle(context.io, local_json(put_seconds, monotonic_s() - begun, seen));
}

}  // namespace

asio::awaitable<Outcome> run(BenchContext context, const BenchServeDrive& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return serve_drive(context, verb, node); });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchFetchDrive& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return fetch_from_server(context, verb, node); });
}

asio::awaitable<Outcome> run(BenchContext context, const BenchLocalDrive& verb) {
  co_return co_await on_node(context, verb.folder,
                             [&](Node& node) { return local_drive(context, verb, node); });
}

}  // namespace sheaf::peer_node
