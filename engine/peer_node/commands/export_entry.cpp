#include "engine/peer_node/commands/export_entry.hpp"

#include "engine/peer_node/tasks.hpp"
#include "sheaf/net/offload.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
using files::ExportedEntry;
using files::Facts;
using files::NewFile;
using files::OldFile;
using files::OrSkip;
using files::SkipReason;
using files::Verdict;

// What is collected before it is written, so that a small file is one job of the pool.
constexpr std::size_t gathered_bytes = 1024 * 1024;

class EntryExport {
 public:
  EntryExport(CommandContext& context, Archive& archive, const Entry& entry, files::TargetFolder& target,
              ExportManner manner, ExportProgress& progress)
      : context_(context),
        archive_(archive),
        entry_(entry),
        target_(target),
        manner_(manner),
        progress_(progress) {}

  asio::awaitable<OrSkip<Verdict>> run() {
    ++progress_.entries;
    auto path = files::path_of_entry(entry_.name);
    if (const auto* reason = std::get_if<SkipReason>(&path)) co_return *reason;
    exported_.path = std::move(std::get<files::EntryPath>(path));
    if (auto known = co_await learn_facts(); !known) co_return known.error();
    auto look = [this] { return target_.look(exported_); };
    const auto looked = co_await offload(pool(), look);
    if (!looked || std::holds_alternative<SkipReason>(*looked)) co_return looked;
    Verdict verdict = std::get<Verdict>(*looked);
    if (verdict == Verdict::compare) {
      const auto compared = co_await compare();
      if (!compared) co_return compared.error();
      verdict = *compared;
    }
    if (manner_.dry_run) co_return verdict;
    co_return co_await carry_out(verdict);
  }

 private:
  Pool& pool() const { return *context_.environment.pool; }

  template <class T>
  asio::awaitable<Result<T>> in_time(asio::awaitable<Result<T>> work) {
    if (manner_.from == Core::From::here) co_return co_await std::move(work);
    co_return co_await within(context_.timers, context_.global.timeout, std::move(work));
  }

  asio::awaitable<Result<void>> learn_facts() {
    Facts& facts = exported_.facts;
    facts.executable = entry_.type == EntryType::file && entry_.executable;
    facts.modified = entry_.mtime_ms;
    switch (entry_.type) {
      case EntryType::metadata: facts.kind = Facts::Kind::neither; co_return Result<void>();
      case EntryType::symlink:
        facts.kind = Facts::Kind::link;
        facts.link_text = entry_.linkname;
        co_return Result<void>();
      case EntryType::file: break;
    }
    if (entry_.length) {
      facts.bytes = entry_.length->value;
      co_return Result<void>();
    }
    // Only the block map tells how long it is.
    const auto reader = co_await open_contents();
    if (!reader) co_return reader.error();
    facts.bytes = reader->length().value;
    co_return Result<void>();
  }

  asio::awaitable<Result<FileReader>> open_contents() {
    const ReadOptions whole{.offset = {}, .length = {}, .from = manner_.from};
    co_return co_await in_time(archive_.read(entry_.name, whole));
  }

  // Block by block, until they differ.
  asio::awaitable<Result<Verdict>> compare() {
    auto contents = co_await open_contents();
    if (!contents) co_return contents.error();
    auto open = [this] { return target_.read(exported_.path); };
    auto opened = co_await offload(pool(), open);
    if (!opened) co_return opened.error();
    OldFile& old = **opened;
    auto status_of = [&old] { return old.status(); };
    const auto status = co_await offload(pool(), status_of);
    if (!status) co_return status.error();
    const Facts there{Facts::Kind::file, status->bytes, status->executable, {}, status->modified};
    for (;;) {
      const auto part = co_await in_time(contents->next());
      if (!part) co_return part.error();
      auto same = [&old, &part] { return continues_with(old, *part); };
      const auto equal = co_await offload(pool(), same);
      if (!equal) co_return equal.error();
      if (*equal == Contents::other || part->empty())
        co_return after_comparing(exported_.facts, there, *equal == Contents::same);
    }
  }

  enum class Contents { same, other };

  // Whether the next bytes of the file are these; with none, whether it ends.
  static Result<Contents> continues_with(OldFile& file, Bytes bytes) {
    Buffer there(std::max<std::size_t>(bytes.size(), 1));
    std::size_t filled = 0;
    while (filled < there.size()) {
      const auto got = file.read(MutableBytes(there).subspan(filled));
      if (!got) return got.error();
      if (*got == 0) break;
      filled += *got;
    }
    return equal(Bytes(there).first(filled), bytes) ? Contents::same : Contents::other;
  }

  asio::awaitable<OrSkip<Verdict>> carry_out(Verdict verdict) {
    if (verdict == Verdict::same) {
      auto note = [this] { target_.note_same(exported_.path); };
      co_await offload(pool(), note);
      co_return verdict;
    }
    if (verdict == Verdict::attributes) {
      auto set = [this] { return target_.set_attributes(exported_); };
      co_return co_await offload(pool(), set);
    }
    if (exported_.facts.kind == Facts::Kind::link) {
      auto put = [this] { return target_.put_link(exported_); };
      co_return co_await offload(pool(), put);
    }
    co_return co_await write_file();
  }

  asio::awaitable<OrSkip<Verdict>> write_file() {
    auto contents = co_await open_contents();
    if (!contents) co_return contents.error();
    std::unique_ptr<NewFile> file;
    for (;;) {
      Buffer gathered;
      bool ended = false;
      while (!ended && gathered.size() < gathered_bytes) {
        const auto part = co_await in_time(contents->next());
        if (!part) co_return part.error();
        ended = part->empty();
        append(gathered, *part);
      }
      auto write = [&] { return write_some(file, gathered, ended); };
      const auto written = co_await offload(pool(), write);
      if (!written) co_return written.error();
      progress_.bytes += gathered.size();
      if (ended || std::holds_alternative<SkipReason>(*written)) co_return written;
    }
  }

  OrSkip<Verdict> write_some(std::unique_ptr<NewFile>& file, Bytes bytes, bool last) {
    if (!file && last) return target_.write(exported_, bytes);
    if (!file) {
      auto begun = target_.begin(exported_);
      if (!begun) return begun.error();
      if (const auto* reason = std::get_if<SkipReason>(&*begun)) return *reason;
      file = std::move(std::get<std::unique_ptr<NewFile>>(*begun));
    }
    if (const auto written = file->write(bytes); !written) return written.error();
    if (last) return target_.finish(exported_, *file);
    return Verdict::change;  // so far
  }

  CommandContext& context_;
  Archive& archive_;
  const Entry& entry_;
  files::TargetFolder& target_;
  ExportManner manner_;
  ExportProgress& progress_;
  ExportedEntry exported_;
};

}  // namespace

asio::awaitable<OrSkip<Verdict>> export_entry(CommandContext& context, Archive& archive, const Entry& entry,
                                              files::TargetFolder& target, ExportManner manner,
                                              ExportProgress& progress) {
  EntryExport one(context, archive, entry, target, manner, progress);
  co_return co_await one.run();
}

}  // namespace sheaf::peer_node
