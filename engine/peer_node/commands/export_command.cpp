#include "engine/peer_node/commands/export_command.hpp"

#include <functional>

#include <fmt/format.h>

#include "engine/peer_node/commands/entry_merge.hpp"
#include "engine/peer_node/commands/entry_ref.hpp"
#include "engine/peer_node/commands/export_entry.hpp"
#include "engine/peer_node/commands/folder_report.hpp"
#include "engine/peer_node/commands/left_out.hpp"
#include "engine/peer_node/commands/output.hpp"
#include "engine/peer_node/commands/peer_work.hpp"
#include "engine/peer_node/commands/progress.hpp"
#include "engine/peer_node/files/absent_folder.hpp"
#include "engine/peer_node/files/disk_directory.hpp"
#include "engine/peer_node/files/number_set.hpp"
#include "engine/peer_node/files/prune.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/offload.hpp"
#include "sheaf/protocol/random_source.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
using files::AbsentFolder;
using files::Directory;
using files::DiskDirectory;
using files::FileIdentity;
using files::Verdict;

// Names that several archives have, as they are told; more are counted.
constexpr std::size_t most_told = 20;

std::string_view word_for(Verdict verdict) { return verdict == Verdict::add ? "add" : "change"; }

// A folder that archives are written into: DEST, or one of an archive in it.
struct Goal {
  std::shared_ptr<Directory> folder;
  std::string root;                         // its path, with no link in it
  std::optional<files::SkipReason> closed;  // why nothing can be written there
  files::NumberSet names;                   // by their hashes: where two are alike, one file too many stays
  std::optional<files::TargetFolder> target;
};

class Export {
 public:
  Export(CommandContext& context, const ExportCommand& command, Io& io)
      : context_(context), command_(command), report_(context, io), io_(io) {}

  asio::awaitable<Outcome> run() {
    if (Outcome chosen = co_await choose_archives(); chosen.code != exit_code::done) co_return chosen;
    if (Outcome surveyed = co_await survey(); surveyed.code != exit_code::done) co_return surveyed;
    auto open = [this] { return open_destination(); };
    if (Outcome opened = co_await offload(pool(), open); opened.code != exit_code::done) co_return opened;
    if (command_.prune) {
      if (Outcome pruned = co_await prune(); pruned.code != exit_code::done) co_return pruned;
    }
    if (Outcome written = co_await write(); written.code != exit_code::done) co_return written;
    co_return report_.outcome();
  }

  std::string progress_line() const {
    return fmt::format("{} of {} entries, {} written", progress_.entries, entries_,
                       shown_bytes(progress_.bytes));
  }

 private:
  // Salted, so that nobody chooses names that all lie in one place of the set.
  std::uint64_t hash_of(std::string_view name) const {
    return std::hash<std::string>{}(salt_ + std::string(name));
  }
  Pool& pool() const { return *context_.environment.pool; }
  Goal& goal_of(std::size_t archive) { return goals_[command_.by_link ? archive : 0]; }

  // Each at the version that is the latest now, so that both times the same entries are seen.
  asio::awaitable<Outcome> choose_archives() {
    const Selection& selection = command_.selection;
    auto archives = co_await archives_of(context_, selection.link, selection.checkout);
    if (!archives) co_return failed(archives.error(), context_.global.folder);
    if (archives->empty()) {
      const std::string which = selection.link.empty() ? "no archive" : "no archive " + selection.link;
      co_return failed(exit_code::not_found, which + " in this folder");
    }
    for (Archive& archive : *archives) {
      const auto where = co_await where_to_look(context_, archive);
      if (!where) co_return failed(where.error(), to_string(archive.key()));
      if (*where == Core::From::peers) manner_.from = Core::From::peers;
      const auto info = co_await archive.info();
      if (!info) co_return failed(info.error(), to_string(archive.key()));
      const bool pin = !selection.checkout && info->version.value > 0;
      archives_.push_back(pin ? archive.checkout(info->version) : std::move(archive));
    }
    manner_.dry_run = command_.dry_run;
    goals_ = std::vector<Goal>(command_.by_link ? archives_.size() : 1);
    co_return Outcome{};
  }

  // Which names there are, and whether each can be written.
  asio::awaitable<Outcome> survey() {
    EntryMerge entries(context_, archives_, "/", manner_.from);
    std::optional<MergedEntry> before;
    std::string several;
    std::size_t names_of_several = 0;
    for (;;) {
      auto next = co_await entries.next();
      if (!next) co_return failed(next.error(), to_string(entries.at()));
      if (!*next) break;
      MergedEntry& one = **next;
      ++entries_;
      Goal& goal = goal_of(one.archive);
      if (command_.prune) goal.names.insert(hash_of(one.entry.name));
      if (!command_.by_link && before && before->entry.name == one.entry.name) {
        if (++names_of_several <= most_told)
          several += fmt::format(" {0}@{1} {0}@{2}", printable(one.entry.name), to_string(before->entry.link),
                                 to_string(one.entry.link));
      }
      before = std::move(one);
    }
    if (names_of_several > 0) {
      const std::string more = names_of_several > most_told ? " and more" : "";
      co_return failed(
          exit_code::failed,
          "several archives have a name (choose one with --link, or give --by-link):" + several + more);
    }
    if (entries_ == 0 && entries.incomplete().size() == archives_.size() && !archives_.empty()) {
      const BundleList::Incomplete& first = entries.incomplete().front();
      co_return failed(exit_code_of(first.why),
                       to_string(first.link) + ": " + std::string(to_string(first.why)));
    }
    for (const BundleList::Incomplete& one : entries.incomplete())
      co_await report_.left_out(to_string(one.link), to_string(one.why), exit_code_of(one.why));
    if (entries.unreadable() > 0)
      co_await report_.left_out(fmt::format("{} entries", entries.unreadable()), "they cannot be read",
                                exit_code::integrity);
    co_return Outcome{};
  }

  // -- The folder. These run on the pool.

  Outcome open_destination() {
    const std::filesystem::path path = io_.around().resolve(command_.destination);
    const std::string shown = printable(command_.destination);
    auto store = DiskDirectory::at(context_.global.folder, false);
    if (!store) return failed(store.error(), context_.global.folder);
    store_ = (*store)->identity();
    auto destination =
        DiskDirectory::at(path, !command_.dry_run, DiskDirectory::Opening::best, io_.around().file_mask);
    const bool absent = !destination && destination.error() == boost::system::errc::no_such_file_or_directory;
    if (!destination && !(command_.dry_run && absent))
      return {exit_code::failed, shown + ": " + destination.error().message()};
    std::string root = path.native();
    if (destination) {
      if (files::lies_in(**destination, store_))
        return {exit_code::failed, shown + ": it lies in the folder of the store"};
      const auto real = (*destination)->path();
      if (!real) return {exit_code::failed, shown + ": " + real.error().message()};
      root = *real;
    }
    std::shared_ptr<Directory> folder;
    if (destination)
      folder = std::move(*destination);
    else
      folder = std::make_shared<AbsentFolder>();
    for (std::size_t i = 0; i < goals_.size(); ++i) {
      goals_[i].folder = folder;
      goals_[i].root = root;
      if (command_.by_link) enter_folder_of(goals_[i], to_string(archives_[i].key()));
      prepare(goals_[i]);
    }
    return {};
  }

  // DEST/<link>, which others may have made a link of.
  void enter_folder_of(Goal& goal, const std::string& name) {
    goal.root += "/" + name;
    auto opened = goal.folder->open(name);
    if (!opened && opened.error() == boost::system::errc::no_such_file_or_directory) {
      if (command_.dry_run) {
        goal.folder = std::make_shared<AbsentFolder>();
        return;
      }
      if (goal.folder->make_folder(name)) opened = goal.folder->open(name);
    }
    if (opened && (*opened)->identity() == store_)
      goal.closed = files::SkipReason::own_folder;
    else if (opened)
      goal.folder = std::move(*opened);
    else
      goal.closed = files::SkipReason::under_link;
  }

  void prepare(Goal& goal) {
    files::ExportRules rules;
    rules.checksum = command_.checksum;
    rules.unsafe_links = command_.unsafe_links;
    rules.free_bytes = context_.config.limits.free_disk_bytes;
    rules.store = store_;
    rules.root = goal.root;
    rules.dry_run = command_.dry_run;
    rules.first_number = context_.environment.random->next();
    goal.target.emplace(goal.folder, std::move(rules));
  }

  // --

  asio::awaitable<Outcome> prune() {
    if (!report_.complete()) {
      co_await io_.say("sheaf: nothing is pruned, since not every entry is known");
      co_return Outcome{};
    }
    for (std::size_t i = 0; i < goals_.size(); ++i) {
      Goal& goal = goals_[i];
      if (goal.closed) continue;
      files::WalkRules rules;
      rules.never = store_;
      const auto keep = [this, &goal](const std::string& path) { return goal.names.contains(hash_of(path)); };
      files::Prune pruning(goal.folder, std::move(rules), keep, command_.dry_run);
      for (;;) {
        auto step = [&pruning] { return pruning.next(); };
        const auto removed = co_await offload(pool(), step);
        if (!removed) co_return failed(removed.error(), printable(command_.destination));
        if (!*removed) break;
        if (!(*removed)->how) {
          co_await report_.left_out((*removed)->path, (*removed)->how.error().message(), exit_code::failed);
        } else if (auto said = co_await report_.did("remove", (*removed)->path, archives_[i].key()); !said) {
          co_return failed(said.error(), "stdout");
        }
      }
    }
    co_return Outcome{};
  }

  asio::awaitable<Outcome> write() {
    EntryMerge entries(context_, archives_, "/", manner_.from);
    std::vector<MergedEntry> links_put_last;
    for (;;) {
      auto next = co_await entries.next();
      if (!next) co_return failed(next.error(), to_string(entries.at()));
      if (!*next) break;
      const Entry& entry = (*next)->entry;
      if (entry.type == EntryType::symlink && files::goes_down_and_up(entry.linkname)) {
        links_put_last.push_back(std::move(**next));
        continue;
      }
      if (Outcome written = co_await write(**next); written.code != exit_code::done) co_return written;
    }
    for (const MergedEntry& link : links_put_last)
      if (Outcome written = co_await write(link); written.code != exit_code::done) co_return written;
    co_return Outcome{};
  }

  asio::awaitable<Outcome> write(const MergedEntry& one) {
    const Entry& entry = one.entry;
    Goal& goal = goal_of(one.archive);
    const std::optional<files::SkipReason> closed = goal.closed ? goal.closed : over_most_bytes(entry);
    if (closed) {
      co_await report_.left_out(entry.name, to_string(*closed), exit_code_of(*closed));
      co_return Outcome{};
    }
    const auto done =
        co_await export_entry(context_, archives_[one.archive], entry, *goal.target, manner_, progress_);
    if (!done && done.error() == cancelled_error()) co_return failed(done.error(), printable(entry.name));
    if (!done) {
      co_await report_.left_out(entry.name, done.error());
    } else if (const auto* reason = std::get_if<files::SkipReason>(&*done)) {
      co_await report_.left_out(entry.name, to_string(*reason), exit_code_of(*reason));
    } else if (const Verdict verdict = std::get<Verdict>(*done); verdict != Verdict::same) {
      if (auto said = co_await report_.did(word_for(verdict), entry.name, entry.link); !said)
        co_return failed(said.error(), "stdout");
    }
    co_return Outcome{};
  }

  // --max-bytes is for all goals together.
  std::optional<files::SkipReason> over_most_bytes(const Entry& entry) {
    if (!command_.most_bytes || !entry.length) return std::nullopt;
    if (entry.length->value > command_.most_bytes->value - bytes_) return files::SkipReason::over_max_bytes;
    bytes_ += entry.length->value;
    return std::nullopt;
  }

  CommandContext& context_;
  const ExportCommand& command_;
  FolderReport report_;
  Io& io_;
  ExportManner manner_;
  const std::string salt_ = std::to_string(context_.environment.random->next());
  std::vector<Archive> archives_;
  std::vector<Goal> goals_;
  FileIdentity store_;
  ExportProgress progress_;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;  // of the files that were let through
};

}  // namespace

asio::awaitable<Outcome> run(CommandContext& context, const ExportCommand& command, Io& io) {
  Export exporting(context, command, io);
  co_return co_await with_progress(context, io, exporting.run(),
                                   [&exporting] { return exporting.progress_line(); });
}

}  // namespace sheaf::peer_node
