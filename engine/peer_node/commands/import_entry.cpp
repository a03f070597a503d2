#include "engine/peer_node/commands/import_entry.hpp"

#include <algorithm>

#include "engine/peer_node/files/link_text.hpp"
#include "engine/peer_node/files/metadata_time.hpp"
#include "sheaf/net/offload.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
using files::Facts;
using files::FileStatus;
using files::OldFile;
using files::SkipReason;
using files::Verdict;

// What is read from a file at once: blocks are 64 KiB.
constexpr std::size_t piece_bytes = 256 * 1024;

class FileImport {
 public:
  FileImport(CommandContext& context, Archive& archive, std::optional<ArchiveBatch>& batch,
             const ImportedFile& file, ImportManner manner, ImportProgress& progress)
      : context_(context),
        archive_(archive),
        batch_(batch),
        file_(file),
        manner_(manner),
        progress_(progress) {}

  asio::awaitable<Result<ImportedAs>> run() {
    ++progress_.files;
    status_ = std::get<FileStatus>(file_.found.is);
    if (status_.kind == files::FileKind::link) {
      if (!(co_await read_link())) co_return done_;
    }
    auto entry = co_await archive_.entry(file_.name, Core::From::here);
    if (!entry) co_return entry.error();
    there_ = std::move(*entry);
    take_facts();
    Verdict verdict = decide(facts_, facts_of_entry(), manner_.checksum);
    if (verdict == Verdict::compare) {
      auto compared = co_await compare();
      if (!compared) co_return compared.error();
      if (done_.unread) co_return done_;
      verdict = *compared;
    }
    done_.verdict = verdict;
    if (manner_.dry_run || verdict == Verdict::same) co_return done_;
    if (auto put = co_await carry_out(verdict); !put) co_return put.error();
    co_return done_;
  }

 private:
  Pool& pool() const { return *context_.environment.pool; }

  // -- What the folder has. False: done_ says why not.

  asio::awaitable<bool> read_link() {
    auto read = [this] { return file_.found.parent->link_text(file_.found.name); };
    const auto text = co_await offload(pool(), read);
    if (!text) {
      done_.unread = text.error();
      co_return false;
    }
    auto kept = files::link_text_for_archive(*text, file_.root);
    if (const auto* reason = std::get_if<SkipReason>(&kept)) {
      done_.skipped = *reason;
      co_return false;
    }
    facts_.kind = Facts::Kind::link;
    facts_.link_text = std::move(std::get<std::string>(kept));
    co_return true;
  }

  // Of the file as it is now: what is written to it from here on is found by the next import.
  asio::awaitable<bool> open_file() {
    auto open = [this]() -> Error {
      auto opened = file_.found.parent->read(file_.found.name);
      if (!opened) return opened.error();
      old_ = std::move(*opened);
      const auto status = old_->status();
      if (!status) return status.error();
      status_ = *status;
      return {};
    };
    done_.unread = co_await offload(pool(), open);
    if (!done_.unread) take_facts();
    co_return !done_.unread;
  }

  // The next piece, empty at the end.
  asio::awaitable<bool> read_piece() {
    auto read = [this]() -> Error {
      piece_.resize(piece_bytes);
      const auto got = old_->read(piece_);
      piece_.resize(got ? *got : 0);
      return got ? Error() : got.error();
    };
    done_.unread = co_await offload(pool(), read);
    co_return !done_.unread;
  }

  void take_facts() {
    const std::string metadata = there_ ? there_->metadata : "null";
    timed_metadata_ = manner_.times ? files::metadata_with_time(metadata, status_.modified) : std::nullopt;
    facts_.modified.reset();
    if (timed_metadata_) facts_.modified = status_.modified;
    if (facts_.kind == Facts::Kind::link) return;
    facts_.bytes = status_.bytes;
    facts_.executable = status_.executable;
  }

  // -- What the archive has.

  std::optional<Facts> facts_of_entry() const {
    if (!there_) return std::nullopt;
    Facts facts;
    facts.executable = there_->executable;
    facts.modified = there_->mtime_ms;
    switch (there_->type) {
      case EntryType::file:
        facts.kind = Facts::Kind::file;
        facts.bytes = there_->length ? there_->length->value : 0;
        break;
      case EntryType::symlink:
        facts.kind = Facts::Kind::link;
        facts.link_text = there_->linkname;
        break;
      case EntryType::metadata: facts.kind = Facts::Kind::neither; break;
    }
    return facts;
  }

  // Piece by piece, until they differ.
  asio::awaitable<Result<Verdict>> compare() {
    if (!(co_await open_file())) co_return Verdict::same;
    const ReadOptions whole{.offset = {}, .length = {}, .from = Core::From::here};
    auto contents = co_await archive_.read(file_.name, whole);
    // Contents that were dropped here are put again.
    if (!contents && contents.error() != make_error_code(EngineErrc::not_available))
      co_return contents.error();
    if (!contents) co_return Verdict::change;
    Buffer theirs;
    for (;;) {
      if (!(co_await read_piece())) co_return Verdict::same;
      const std::size_t wanted = std::max<std::size_t>(piece_.size(), 1);
      while (theirs.size() < wanted) {
        const auto part = co_await contents->next();
        if (!part && part.error() == make_error_code(EngineErrc::not_available)) co_return Verdict::change;
        if (!part) co_return part.error();
        if (part->empty()) break;
        append(theirs, *part);
      }
      const Bytes next = Bytes(theirs).first(std::min(theirs.size(), wanted));
      const bool same = equal(next, piece_);
      if (!same || piece_.empty()) co_return after_comparing(facts_, *facts_of_entry(), same);
      theirs.erase(theirs.begin(), theirs.begin() + static_cast<std::ptrdiff_t>(piece_.size()));
    }
  }

  // -- The batch.

  EntryTraits traits() const {
    EntryTraits traits;
    traits.executable = facts_.kind == Facts::Kind::file && facts_.executable;
    if (there_) traits.metadata = there_->metadata;
    if (timed_metadata_) traits.metadata = *timed_metadata_;
    return traits;
  }

  asio::awaitable<Result<void>> carry_out(Verdict verdict) {
    if (!batch_) {
      auto begun = co_await archive_.batch();
      if (!begun) co_return begun.error();
      batch_ = std::move(*begun);
    }
    const EntryTraits given = traits();
    if (verdict == Verdict::attributes) co_return co_await batch_->set_traits(file_.name, given);
    if (facts_.kind == Facts::Kind::link)
      co_return co_await batch_->symlink(file_.name, facts_.link_text, given);
    co_return co_await put_file();
  }

  asio::awaitable<Result<void>> put_file() {
    old_.reset();
    if (!(co_await open_file())) co_return Result<void>();
    const EntryTraits given = traits();
    auto writer = co_await batch_->write(file_.name, given);
    if (!writer) co_return writer.error();
    for (;;) {
      if (!(co_await read_piece())) co_return Result<void>();
      if (piece_.empty()) break;
      if (auto put = co_await writer->append(piece_); !put) co_return put.error();
      progress_.bytes += piece_.size();
    }
    const auto finished = co_await writer->finish();
    if (!finished) co_return finished.error();
    co_return Result<void>();
  }

  CommandContext& context_;
  Archive& archive_;
  std::optional<ArchiveBatch>& batch_;
  const ImportedFile& file_;
  ImportManner manner_;
  ImportProgress& progress_;
  FileStatus status_;
  Facts facts_;
  std::optional<std::string> timed_metadata_;
  std::optional<Entry> there_;
  std::unique_ptr<OldFile> old_;
  Buffer piece_;
  ImportedAs done_;
};

}  // namespace

asio::awaitable<Result<ImportedAs>> import_file(CommandContext& context, Archive& archive,
                                                std::optional<ArchiveBatch>& batch, const ImportedFile& file,
                                                ImportManner manner, ImportProgress& progress) {
  FileImport one(context, archive, batch, file, manner, progress);
  co_return co_await one.run();
}

}  // namespace sheaf::peer_node
