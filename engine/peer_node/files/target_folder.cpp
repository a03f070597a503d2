#include "engine/peer_node/files/target_folder.hpp"

#include <algorithm>

#include <boost/system/errc.hpp>

#include "engine/peer_node/files/left_overs.hpp"

namespace sheaf::peer_node::files {
namespace {

namespace errc = boost::system::errc;

// One number for an identity: exact within a file system, which is where two names can be one file.
std::uint64_t number_of(const FileIdentity& identity) {
  return identity.number ^ (identity.device * 0x9e3779b97f4a7c15u);
}

Verdict verdict_on(const std::optional<FileStatus>& before) {
  return before ? Verdict::change : Verdict::add;
}

Result<std::unique_ptr<NewFile>> create(Directory& folder, std::uint64_t& next_number) {
  constexpr int tries = 16;
  for (int i = 0;; ++i) {
    auto file = folder.create(temporary_name(next_number++));
    if (file || file.error() != errc::file_exists || i == tries) return file;
  }
}

}  // namespace

TargetFolder::TargetFolder(std::shared_ptr<Directory> root, ExportRules rules)
    : rules_(std::move(rules)), next_number_(rules_.first_number) {
  steps_.push_back({{}, std::move(root)});
}

OrSkip<Verdict> TargetFolder::look(const ExportedEntry& entry) {
  if (const auto reason = count(entry)) return *reason;
  Facts wanted = entry.facts;
  if (wanted.kind == Facts::Kind::link) {
    auto text = text_for(entry);
    if (const auto* reason = std::get_if<SkipReason>(&text)) return *reason;
    wanted.link_text = std::move(std::get<std::string>(text));
  }
  const auto way = parent_of(entry.path, Make::no);
  if (!way) return way.error();
  if (const auto* reason = std::get_if<SkipReason>(&*way)) return *reason;
  if (std::holds_alternative<std::monostate>(*way)) return Verdict::add;
  Directory& folder = *std::get<Directory*>(*way);
  const auto found = place(folder, entry.path);
  if (!found) return found.error();
  if (const auto* reason = std::get_if<SkipReason>(&*found)) return *reason;
  const auto& status = std::get<std::optional<FileStatus>>(*found);
  const auto there = facts_of(folder, entry.path, status);
  if (!there) return there.error();
  const Verdict verdict = decide(wanted, *there, rules_.checksum);
  if (verdict == Verdict::same) keep(*status);
  // The other names of a hard link may lie anywhere: its bits and times are not changed, it is replaced.
  if (verdict == Verdict::compare && status->names > 1 &&
      after_comparing(wanted, **there, true) == Verdict::attributes)
    return Verdict::change;
  return verdict;
}

Result<std::unique_ptr<OldFile>> TargetFolder::read(const EntryPath& path) {
  const auto way = parent_of(path, Make::no);
  if (!way) return way.error();
  const auto* folder = std::get_if<Directory*>(&*way);
  if (folder == nullptr) return errc::make_error_code(errc::no_such_file_or_directory);
  return (*folder)->read(path.last());
}

OrSkip<Verdict> TargetFolder::write(const ExportedEntry& entry, Bytes contents) {
  auto begun = begin(entry);
  if (!begun) return begun.error();
  if (const auto* reason = std::get_if<SkipReason>(&*begun)) return *reason;
  NewFile& file = *std::get<std::unique_ptr<NewFile>>(*begun);
  if (auto written = file.write(contents); !written) return written.error();
  return finish(entry, file);
}

OrSkip<std::unique_ptr<NewFile>> TargetFolder::begin(const ExportedEntry& entry) {
  Directory* folder = nullptr;
  const auto found = place_for_writing(entry, folder);
  if (!found) return found.error();
  if (const auto* reason = std::get_if<SkipReason>(&*found)) return *reason;
  if (const auto reason = lack_of_room(*folder, entry.facts.bytes)) return *reason;
  auto file = create(*folder, next_number_);
  if (!file) return file.error();
  return std::move(*file);
}

OrSkip<Verdict> TargetFolder::finish(const ExportedEntry& entry, NewFile& file) {
  Directory* folder = nullptr;
  const auto found = place_for_writing(entry, folder);
  if (!found) return found.error();
  if (const auto* reason = std::get_if<SkipReason>(&*found)) return *reason;
  const auto status = file.publish(entry.path.last(), entry.facts.executable, entry.facts.modified);
  if (!status) return status.error();
  keep(*status);
  return verdict_on(std::get<std::optional<FileStatus>>(*found));
}

OrSkip<Verdict> TargetFolder::put_link(const ExportedEntry& entry) {
  const auto text = text_for(entry);
  if (const auto* reason = std::get_if<SkipReason>(&text)) return *reason;
  Directory* folder = nullptr;
  const auto found = place_for_writing(entry, folder);
  if (!found) return found.error();
  if (const auto* reason = std::get_if<SkipReason>(&*found)) return *reason;
  if (const auto reason = lack_of_room(*folder, 0)) return *reason;
  const auto status = folder->put_link(std::get<std::string>(text), temporary_name(next_number_++),
                                       entry.path.last(), entry.facts.modified);
  if (!status) return status.error();
  keep(*status);
  return verdict_on(std::get<std::optional<FileStatus>>(*found));
}

OrSkip<Verdict> TargetFolder::set_attributes(const ExportedEntry& entry) {
  Directory* folder = nullptr;
  const auto found = place_for_writing(entry, folder);
  if (!found) return found.error();
  if (const auto* reason = std::get_if<SkipReason>(&*found)) return *reason;
  if (auto set = folder->set(entry.path.last(), entry.facts.executable, entry.facts.modified); !set)
    return set.error();
  if (const auto& status = std::get<std::optional<FileStatus>>(*found)) keep(*status);
  return Verdict::change;
}

void TargetFolder::note_same(const EntryPath& path) {
  const auto way = parent_of(path, Make::no);
  if (!way || !std::holds_alternative<Directory*>(*way)) return;
  const auto status = std::get<Directory*>(*way)->status(path.last());
  if (status && *status) keep(**status);
}

TargetFolder::Way TargetFolder::parent_of(const EntryPath& path, Make make) {
  const std::size_t folders = path.parts.size() - 1;
  std::size_t common = 0;
  while (common < folders && common + 1 < steps_.size() && steps_[common + 1].name == path.parts[common])
    ++common;
  steps_.resize(common + 1);
  if (make == Make::yes) clean();
  for (std::size_t i = common; i < folders; ++i)
    if (auto way = step_into(path.parts[i], make); !way || !std::holds_alternative<Directory*>(*way))
      return way;
  return steps_.back().folder.get();
}

TargetFolder::Way TargetFolder::step_into(const std::string& name, Make make) {
  Directory& folder = *steps_.back().folder;
  auto opened = folder.open(name);
  if (!opened && opened.error() == errc::no_such_file_or_directory) {
    if (make == Make::no) return std::monostate{};
    if (auto made = folder.make_folder(name); !made && made.error() != errc::file_exists) return made.error();
    opened = folder.open(name);
  }
  if (!opened) {
    const bool in_the_way =
        opened.error() == errc::not_a_directory || opened.error() == errc::too_many_symbolic_link_levels;
    if (!in_the_way) return opened.error();
    const auto status = folder.status(name);
    const bool is_link = status && *status && (*status)->kind == FileKind::link;
    return is_link ? SkipReason::under_link : SkipReason::under_file;
  }
  if (rules_.store && (*opened)->identity() == *rules_.store) return SkipReason::own_folder;
  steps_.push_back({name, std::move(*opened)});
  if (make == Make::yes) clean();
  return steps_.back().folder.get();
}

// What a killed run left in the folder where we are.
void TargetFolder::clean() {
  if (std::exchange(steps_.back().is_clean, true)) return;
  // Where it cannot be listed, what is to be written here will say so.
  remove_left_overs(*steps_.back().folder);
}

OrSkip<Directory*> TargetFolder::parent_for_writing(const EntryPath& path) {
  const auto way = parent_of(path, Make::yes);
  if (!way) return way.error();
  if (const auto* reason = std::get_if<SkipReason>(&*way)) return *reason;
  return std::get<Directory*>(*way);
}

OrSkip<std::optional<FileStatus>> TargetFolder::place(Directory& folder, const EntryPath& path) const {
  const auto status = folder.status(path.last());
  if (!status) return status.error();
  if (!*status) return std::optional<FileStatus>();
  switch ((*status)->kind) {
    case FileKind::folder: return SkipReason::folder_in_the_way;
    case FileKind::other: return SkipReason::special_in_the_way;
    case FileKind::file:
    case FileKind::link: break;
  }
  const bool is_taken = (*status)->names == 1 && kept_.contains(number_of((*status)->identity));
  if (is_taken) return SkipReason::same_file;
  return *status;
}

OrSkip<std::optional<FileStatus>> TargetFolder::place_for_writing(const ExportedEntry& entry,
                                                                  Directory*& folder) {
  const auto parent = parent_for_writing(entry.path);
  if (!parent) return parent.error();
  if (const auto* reason = std::get_if<SkipReason>(&*parent)) return *reason;
  folder = std::get<Directory*>(*parent);
  return place(*folder, entry.path);
}

Result<std::optional<Facts>> TargetFolder::facts_of(Directory& folder, const EntryPath& path,
                                                    const std::optional<FileStatus>& status) const {
  if (!status) return std::optional<Facts>();
  Facts facts{Facts::Kind::file, status->bytes, status->executable, {}, status->modified};
  if (status->kind == FileKind::link) {
    facts.kind = Facts::Kind::link;
    auto text = folder.link_text(path.last());
    if (!text) return text.error();
    facts.link_text = std::move(*text);
  }
  return std::optional(std::move(facts));
}

std::variant<std::string, SkipReason> TargetFolder::text_for(const ExportedEntry& entry) const {
  const auto is_folder = [this](const EntryPath& path) { return this->is_folder(path); };
  return link_text_for_folder(entry.path, entry.facts.link_text, rules_.root, is_folder, rules_.unsafe_links);
}

bool TargetFolder::is_folder(const EntryPath& path) const {
  std::shared_ptr<Directory> folder = steps_.front().folder;
  for (const auto& part : path.parts) {
    auto next = folder->open(part);
    if (!next) return rules_.dry_run && next.error() == errc::no_such_file_or_directory;
    folder = std::move(*next);
  }
  return true;
}

std::optional<SkipReason> TargetFolder::count(const ExportedEntry& entry) {
  if (entry.facts.kind == Facts::Kind::neither) return SkipReason::no_contents;
  if (!rules_.most_bytes || entry.facts.kind != Facts::Kind::file) return std::nullopt;
  if (entry.facts.bytes > *rules_.most_bytes - bytes_) return SkipReason::over_max_bytes;
  bytes_ += entry.facts.bytes;
  return std::nullopt;
}

std::optional<SkipReason> TargetFolder::lack_of_room(Directory& folder, std::uint64_t bytes) const {
  const auto space = folder.space();
  if (!space) return std::nullopt;  // a file system that does not tell says it when it is full
  const std::uint64_t floor = std::max(rules_.free_bytes, space->size / 100);
  if (space->free >= floor && bytes <= space->free - floor) return std::nullopt;
  return SkipReason::disk_full;
}

void TargetFolder::keep(const FileStatus& status) {
  if (status.names == 1) kept_.insert(number_of(status.identity));
}

}  // namespace sheaf::peer_node::files
