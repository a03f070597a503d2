// The files of a value log on a FaultEnv, whose disk can fail and whose power can go.
#pragma once

#include <algorithm>
#include <memory>

#include "storage/log_seams.hpp"
#include "storage/segment_files.hpp"
#include "tests/support/fault_env.hpp"

namespace sheaf::test {

class FaultSegments final : public SegmentFiles {
 public:
  FaultSegments(FaultEnv& env, std::string folder) : env_(env), folder_(std::move(folder)) {}

  Result<void> prepare(bool) override { return {}; }

  Result<std::vector<Found>> list() override {
    std::vector<std::string> names;
    (void)env_.GetChildren(folder_, &names);
    std::vector<Found> out;
    for (const std::string& name : names) {
      const auto number = segment_of_name(name);
      std::uint64_t bytes = 0;
      if (number && env_.GetFileSize(folder_ + "/" + name, &bytes).ok()) out.push_back({*number, bytes});
    }
    std::ranges::sort(out, {}, &Found::number);
    return out;
  }

  Result<std::unique_ptr<SegmentFile>> open(SegmentNumber number, bool create) override {
    const std::string name = path(number);
    if (env_.FileExists(name) == create) return StorageErrc::damaged;
    leveldb::WritableFile* writer = nullptr;
    leveldb::RandomAccessFile* reader = nullptr;
    const auto opened = create ? env_.NewWritableFile(name, &writer) : leveldb::Status::OK();
    if (!opened.ok()) return failed(opened);
    if (const auto found = env_.NewRandomAccessFile(name, &reader); !found.ok()) return failed(found);
    auto file = std::make_unique<File>(*this, name);
    file->writer.reset(writer);
    file->reader.reset(reader);
    return std::unique_ptr<SegmentFile>(std::move(file));
  }

  Result<void> remove(SegmentNumber number) override {
    if (!env_.FileExists(path(number))) return {};
    const auto gone = env_.RemoveFile(path(number));
    return gone.ok() ? Result<void>() : failed(gone);
  }

  std::string trouble() const override { return trouble_; }

 private:
  struct File final : SegmentFile {
    File(FaultSegments& all, std::string called) : files(all), name(std::move(called)) {}

    Result<void> append(std::span<const Bytes> parts) override {
      if (auto able = writable(); !able) return able;
      for (const Bytes part : parts) {
        const auto text = as_text(part);
        if (const auto done = writer->Append({text.data(), text.size()}); !done.ok())
          return files.failed(done);
      }
      const auto done = writer->Flush();
      return done.ok() ? Result<void>() : files.failed(done);
    }
    Result<void> sync() override {
      if (auto able = writable(); !able) return able;
      const auto done = writer->Sync();
      return done.ok() ? Result<void>() : files.failed(done);
    }
    Result<void> write_again(std::uint64_t at, Bytes bytes) override {
      const auto done = files.env_.write_again(name, at, as_text(bytes));
      return done.ok() ? Result<void>() : files.failed(done);
    }
    Result<void> read(std::uint64_t at, MutableBytes out) override {
      leveldb::Slice got;
      (void)reader->Read(at, out.size(), &got, reinterpret_cast<char*>(out.data()));
      return got.size() == out.size() ? Result<void>() : Result<void>(StorageErrc::damaged);
    }
    Result<void> writable() {
      if (writer) return {};
      leveldb::WritableFile* made = nullptr;
      const auto opened = files.env_.NewAppendableFile(name, &made);
      if (!opened.ok()) return files.failed(opened);
      writer.reset(made);
      return {};
    }

    FaultSegments& files;
    const std::string name;
    std::unique_ptr<leveldb::WritableFile> writer;
    std::unique_ptr<leveldb::RandomAccessFile> reader;
  };

  std::string path(SegmentNumber number) const { return folder_ + "/" + segment_name(number); }
  StorageErrc failed(const leveldb::Status& status) {
    trouble_ = status.ToString();
    return trouble_.find("No space") == std::string::npos ? StorageErrc::io_error : StorageErrc::full;
  }

  FaultEnv& env_;
  const std::string folder_;
  std::string trouble_;
};

inline std::unique_ptr<Backend> log_on(FaultEnv& env, LogOptions options = {.folder = "/log"},
                                       std::shared_ptr<SpaceGauge> space = nullptr) {
  LogSeams seams{.files = std::make_unique<FaultSegments>(env, options.folder),
                 .index = log_index(options, &env),
                 .space = std::move(space)};
  return log_backend(options, std::move(seams));
}

// Small enough for every edge to be met.
inline LogOptions small_log(std::string folder = "/log") {
  return {.folder = std::move(folder),
          .segment_bytes = 64 * 1024,
          .checkpoint_bytes = 16 * 1024,
          .checkpoint_keys = 20};
}

}  // namespace sheaf::test
