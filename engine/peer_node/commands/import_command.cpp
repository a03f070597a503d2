#include "engine/peer_node/commands/import_command.hpp"

#include <unordered_set>

#include <fmt/format.h>

#include "engine/peer_node/commands/folder_report.hpp"
#include "engine/peer_node/commands/import_entry.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/files/disk_directory.hpp"
#include "sheaf/net/offload.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
using files::Directory;
using files::DiskDirectory;
using files::EntryPath;
using files::FileIdentity;
using files::FileKind;
using files::FolderWalk;
using files::SkipReason;
using files::Verdict;

// One append of the db core holds so many entries at most, and names so many bytes of contents.
constexpr std::size_t batch_entries = 256;
constexpr std::uint64_t batch_bytes = 64 * 1024 * 1024;

std::string_view word_for(Verdict verdict) { return verdict == Verdict::add ? "add" : "change"; }

// What a PATH means: a folder whose contents are meant, or one name in a folder.
struct Source {
  std::shared_ptr<Directory> folder;
  std::string root;                // its path, with no link in it
  std::optional<FolderWalk> walk;  // nothing: `name` alone
  std::string name;
};

class Import {
 public:
  Import(CommandContext& context, const ImportCommand& command, Io& io)
      : context_(context),
        command_(command),
        report_(context, io),
        io_(io),
        manner_{command.checksum, !command.no_times, command.dry_run},
        exclude_(command.exclude) {}

  asio::awaitable<Outcome> run() {
    Outcome outcome = co_await import();
    if (outcome.code != exit_code::done) co_return outcome;
    if (empty_folders_ > 0)
      co_await io_.say(fmt::format("sheaf: {} empty {} not kept", empty_folders_,
                                   empty_folders_ == 1 ? "folder is" : "folders are"));
    if (!command_.dry_run) {
      if (auto synced = co_await context_.node.sync(); !synced)
        co_return failed(synced.error(), context_.global.folder);
    }
    co_return report_.outcome();
  }

  std::string progress_line() const {
    return fmt::format("{} files, {} put", progress_.files, shown_bytes(progress_.bytes));
  }

 private:
  Pool& pool() const { return *context_.environment.pool; }

  asio::awaitable<Outcome> import() {
    const auto below = normal_name(command_.to);
    if (!below) co_return failed(exit_code::wrong_usage, "--to is no name: " + printable(command_.to));
    below_ = *below == "/" ? "" : *below;
    auto open = [this] { return open_sources(); };
    if (Outcome opened = co_await offload(pool(), open); opened.code != exit_code::done) co_return opened;
    if (Outcome chosen = co_await choose_archive(); chosen.code != exit_code::done) co_return chosen;
    for (Source& source : sources_) {
      // Not by ?: with two awaits, whose temporaries g++ 12 destroys both.
      Outcome one;
      if (source.walk)
        one = co_await import_folder(source);
      else
        one = co_await import_name(source);
      if (one.code != exit_code::done) co_return one;
    }
    if (command_.prune) {
      if (Outcome pruned = co_await prune(); pruned.code != exit_code::done) co_return pruned;
    }
    co_return co_await flush();
  }

  // A dry run makes no archive.
  asio::awaitable<Outcome> choose_archive() {
    const auto key = co_await context_.node.own_archive();
    if (!key) co_return failed(key.error(), context_.global.folder);
    if (!*key && command_.dry_run) co_return Outcome{};
    auto archive = co_await context_.node.init_archive();
    if (!archive) co_return failed(archive.error(), context_.global.folder);
    archive_ = std::move(*archive);
    co_return Outcome{};
  }

  // -- The folders. These run on the pool.

  Outcome open_sources() {
    auto store = DiskDirectory::at(context_.global.folder, false);
    if (!store) return failed(store.error(), context_.global.folder);
    store_ = (*store)->identity();
    for (const std::string& path : command_.paths)
      if (Outcome opened = open_source(path); opened.code != exit_code::done) return opened;
    return {};
  }

  Outcome open_source(const std::string& given) {
    const std::filesystem::path path = io_.around().resolve(given);
    const std::string shown = printable(given);
    Source source;
    auto folder = DiskDirectory::at(path, false);
    if (!folder && folder.error() == boost::system::errc::not_a_directory) {
      if (command_.prune) return failed(exit_code::wrong_usage, "--prune takes folders: " + shown);
      source.name = path.filename().native();
      folder = DiskDirectory::at(path.parent_path(), false);
    }
    if (!folder)
      return {folder.error() == boost::system::errc::no_such_file_or_directory ? exit_code::not_found
                                                                               : exit_code::failed,
              shown + ": " + folder.error().message()};
    if (files::lies_in(**folder, store_))
      return {exit_code::failed, shown + ": it holds the store and its keys"};
    auto root = (*folder)->path();
    if (!root) return {exit_code::failed, shown + ": " + root.error().message()};
    source.root = std::move(*root);
    source.folder = std::move(*folder);
    if (source.name.empty()) source.walk.emplace(source.folder, files::WalkRules{exclude_, store_});
    sources_.push_back(std::move(source));
    return {};
  }

  // -- One after another.

  asio::awaitable<Outcome> import_folder(Source& source) {
    for (;;) {
      auto step = [&source] { return source.walk->next(); };
      auto found = co_await offload(pool(), step);
      if (!found) co_return failed(found.error(), printable(source.root));
      if (!*found) break;
      if (Outcome one = co_await import_found(source, **found); one.code != exit_code::done) co_return one;
    }
    empty_folders_ += source.walk->empty_folders();
    co_return Outcome{};
  }

  asio::awaitable<Outcome> import_name(Source& source) {
    auto look = [&source] { return source.folder->status(source.name); };
    const auto status = co_await offload(pool(), look);
    FolderWalk::Found found{source.name, source.folder, source.name, SkipReason::unknown_kind};
    if (!status)
      found.is = status.error();
    else if (!*status)
      found.is = Error(boost::system::errc::make_error_code(boost::system::errc::no_such_file_or_directory));
    else if ((*status)->kind == FileKind::file || (*status)->kind == FileKind::link)
      found.is = **status;
    co_return co_await import_found(source, found);
  }

  asio::awaitable<Outcome> import_found(Source& source, const FolderWalk::Found& found) {
    const std::string name = below_ + "/" + found.path;
    const auto path = files::path_of_file(std::string_view(name).substr(1));
    const auto at_root = files::path_of_file(found.path);
    std::optional<SkipReason> why;
    if (const auto* reason = std::get_if<SkipReason>(&at_root)) why = *reason;
    if (const auto* reason = std::get_if<SkipReason>(&path)) why = *reason;
    if (!why && is_known(name)) why = SkipReason::given_twice;
    if (const auto* reason = std::get_if<SkipReason>(&found.is); reason && !why) why = *reason;
    if (why) {
      co_await report_.left_out(name, to_string(*why), exit_code::failed);
      co_return Outcome{};
    }
    if (const auto* error = std::get_if<Error>(&found.is)) {
      co_await left_unread(name, *error);
      co_return Outcome{};
    }
    if (!archive_) {
      ++progress_.files;
      co_return co_await say("add", name);
    }
    const std::uint64_t bytes_before = progress_.bytes;
    const ImportedFile file{name, found, source.root};
    const auto done = co_await import_file(context_, *archive_, batch_, file, manner_, progress_);
    if (!done) co_return failed(done.error(), printable(name));
    if (done->skipped)
      co_await report_.left_out(name, to_string(*done->skipped), exit_code::failed);
    else if (done->unread)
      co_await left_unread(name, done->unread);
    else if (done->verdict != Verdict::same)
      co_return co_await put(word_for(done->verdict), name, progress_.bytes - bytes_before);
    co_return Outcome{};
  }

  // Whether another path gave that name already.
  bool is_known(const std::string& name) {
    if (!command_.prune && sources_.size() == 1) return false;
    return !names_.insert(name).second;
  }

  asio::awaitable<void> left_unread(const std::string& name, const Error& error) {
    all_read_ = false;
    co_await report_.left_out(name, error.message(), exit_code::failed);
  }

  // -- What waits for the batch's append, and is said afterwards.

  asio::awaitable<Outcome> put(std::string_view operation, const std::string& name, std::uint64_t bytes) {
    waiting_.emplace_back(operation, name);
    waiting_bytes_ += bytes;
    const bool full = waiting_.size() >= batch_entries || waiting_bytes_ >= batch_bytes;
    if (!full && !command_.dry_run) co_return Outcome{};
    co_return co_await flush();
  }

  asio::awaitable<Outcome> flush() {
    if (batch_) {
      if (auto flushed = co_await batch_->flush(); !flushed)
        co_return failed(flushed.error(), to_string(archive_->key()));
    }
    batch_.reset();
    waiting_bytes_ = 0;
    for (const auto& [operation, name] : std::exchange(waiting_, {}))
      if (Outcome said = co_await say(operation, name); said.code != exit_code::done) co_return said;
    co_return Outcome{};
  }

  asio::awaitable<Outcome> say(std::string_view operation, const std::string& name) {
    CoreKey link;  // not by ?: within the awaited call, of which g++ 12 goes both ways
    if (archive_) link = archive_->key();
    const auto said = co_await report_.did(operation, name, link);
    if (!said) co_return failed(said.error(), "stdout");
    co_return Outcome{};
  }

  // Entries of the imported place that no file is. Those that --exclude names stay.
  asio::awaitable<Outcome> prune() {
    if (!archive_) co_return Outcome{};
    if (!all_read_) {
      co_await io_.say("sheaf: nothing is pruned, since not everything could be read");
      co_return Outcome{};
    }
    if (Outcome flushed = co_await flush(); flushed.code != exit_code::done) co_return flushed;
    ListOptions options;
    options.folder = below_.empty() ? "/" : below_;
    options.from = Core::From::here;
    auto entries = co_await archive_->list(options);
    if (!entries) co_return failed(entries.error(), to_string(archive_->key()));
    for (;;) {
      const auto next = co_await entries->next();
      if (!next) co_return failed(next.error(), to_string(archive_->key()));
      if (!*next) co_return Outcome{};
      const std::string& name = (*next)->name;
      if (names_.contains(name) || exclude_.match_whole(std::string_view(name).substr(below_.size() + 1)))
        continue;
      if (!command_.dry_run) {
        if (auto gone = co_await remove(name); !gone) co_return failed(gone.error(), printable(name));
      }
      if (Outcome done = co_await put("remove", name, 0); done.code != exit_code::done) co_return done;
    }
  }

  asio::awaitable<Result<void>> remove(const std::string& name) {
    if (!batch_) {
      auto begun = co_await archive_->batch();
      if (!begun) co_return begun.error();
      batch_ = std::move(*begun);
    }
    const auto gone = co_await batch_->del(name);
    if (!gone) co_return gone.error();
    co_return Result<void>();
  }

  CommandContext& context_;
  const ImportCommand& command_;
  FolderReport report_;
  Io& io_;
  ImportManner manner_;
  files::Exclusions exclude_;
  std::string below_;  // "/a/b", "" for the root
  FileIdentity store_;
  std::vector<Source> sources_;
  std::optional<Archive> archive_;
  std::optional<ArchiveBatch> batch_;
  std::vector<std::pair<std::string, std::string>> waiting_;
  std::uint64_t waiting_bytes_ = 0;
  std::unordered_set<std::string> names_;
  bool all_read_ = true;
  std::size_t empty_folders_ = 0;
  ImportProgress progress_;
};

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const ImportCommand& command, Io& io) {
  Import importing(context, command, io);
  co_return co_await with_progress(context, io, importing.run(),
                                   [&importing] { return importing.progress_line(); });
}

}  // namespace sheaf::peer_node
