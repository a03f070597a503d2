#include "engine/peer_node/files/disk_directory.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/peer_node/files/file_mask.hpp"

namespace sheaf::peer_node::files {
namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

Error system_error(int number) { return {number, boost::system::system_category()}; }
Error last_error() { return system_error(errno); }

FileKind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::file;
  if (S_ISDIR(mode)) return FileKind::folder;
  return S_ISLNK(mode) ? FileKind::link : FileKind::other;
}

Milliseconds milliseconds_of(const timespec& time) {
  return static_cast<Milliseconds>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
}

FileStatus status_of(const struct stat& about) {
  return {kind_of(about.st_mode),
          static_cast<std::uint64_t>(about.st_size),
          milliseconds_of(about.st_mtim),
          (about.st_mode & S_IXUSR) != 0,
          static_cast<std::uint64_t>(about.st_nlink),
          {static_cast<std::uint64_t>(about.st_dev), static_cast<std::uint64_t>(about.st_ino)}};
}

// What utimensat() takes: the time of the last access stays.
std::array<timespec, 2> times_of(Milliseconds modified) {
  Milliseconds seconds = modified / 1000, rest = modified % 1000;
  if (rest < 0) {
    --seconds;
    rest += 1000;
  }
  return {timespec{0, UTIME_OMIT},
          timespec{static_cast<time_t>(seconds), static_cast<long>(rest) * 1'000'000}};
}

// Times of strangers may lie outside what the file system can say; that is no reason to do without the file.
void set_time(int file, Milliseconds modified) {
  const auto times = times_of(modified);
  [[maybe_unused]] const int set = ::futimens(file, times.data());
}

Result<FileStatus> status_of_open(int file) {
  struct stat about {};
  if (::fstat(file, &about) != 0) return last_error();
  return status_of(about);
}

Result<FileStatus> status_at(int folder, const std::string& name) {
  struct stat about {};
  if (::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return last_error();
  return status_of(about);
}

// Who may read an executable file may run it. No set-id bit survives.
mode_t mode_with(mode_t mode, bool executable) {
  mode &= 0777;
  return executable ? mode | ((mode & 0444) >> 2) : mode & ~mode_t{0111};
}

class DiskOldFile final : public OldFile {
 public:
  explicit DiskOldFile(Descriptor file) : file_(std::move(file)) {}
  Result<FileStatus> status() override { return status_of_open(file_.get()); }
  Result<std::size_t> read(MutableBytes into) override {
    for (;;) {
      const ssize_t got = ::read(file_.get(), into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return last_error();
    }
  }

 private:
  Descriptor file_;
};

// Holds a lock on the file while it is written, so that another run can tell it from one that was left over.
class DiskNewFile final : public NewFile {
 public:
  DiskNewFile(Descriptor folder, Descriptor file, std::string temporary)
      : folder_(std::move(folder)), file_(std::move(file)), temporary_(std::move(temporary)) {}
  ~DiskNewFile() override {
    if (!temporary_.empty()) ::unlinkat(folder_.get(), temporary_.c_str(), 0);
  }

  Result<void> write(Bytes bytes) override {
    while (!bytes.empty()) {
      const ssize_t went = ::write(file_.get(), bytes.data(), bytes.size());
      if (went >= 0)
        bytes = bytes.subspan(static_cast<std::size_t>(went));
      else if (errno != EINTR)
        return last_error();
    }
    return {};
  }

  Result<FileStatus> publish(const std::string& name, bool executable,
                             std::optional<Milliseconds> modified) override {
    struct stat about {};
    if (::fstat(file_.get(), &about) != 0) return last_error();
    const mode_t mode = mode_with(about.st_mode, executable);
    if (mode != (about.st_mode & 07777) && ::fchmod(file_.get(), mode) != 0) return last_error();
    if (modified) set_time(file_.get(), *modified);
    if (::renameat(folder_.get(), temporary_.c_str(), folder_.get(), name.c_str()) != 0) return last_error();
    temporary_.clear();
    return status_of_open(file_.get());
  }

 private:
  Descriptor folder_;
  Descriptor file_;
  std::string temporary_;
};

// Whether the kernel has openat2(), and lets us call it.
std::atomic<bool> openat2_works = true;

Descriptor open_with_openat2(int folder, const char* name) {
  open_how how{};
  how.flags = folder_flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const long opened = ::syscall(SYS_openat2, folder, name, &how, sizeof how);
    // Somebody renamed something meanwhile, and the kernel could not be sure.
    if (opened >= 0 || (errno != EAGAIN && errno != EINTR)) return Descriptor(static_cast<int>(opened));
  }
}

Descriptor open_folder(int folder, const char* name, DiskDirectory::Opening opening) {
  if (opening == DiskDirectory::Opening::best && openat2_works) {
    Descriptor opened = open_with_openat2(folder, name);
    // A sandbox that does not know the call says that it is forbidden.
    if (opened || (errno != ENOSYS && errno != EPERM)) return opened;
    openat2_works = false;
  }
  return Descriptor(::openat(folder, name, folder_flags));
}

Result<void> done(int returned) {
  if (returned != 0) return last_error();
  return {};
}

// With its parents, where they are missing.
Result<void> make_folders(const std::filesystem::path& path, std::optional<mode_t> mask) {
  const FileMask masked(mask);
  std::filesystem::path folder;
  for (const auto& part : path) {
    folder /= part;
    std::error_code ignored;
    if (std::filesystem::is_directory(folder, ignored)) continue;
    // What is there by now, and no folder, is told by whoever goes on from it.
    if (::mkdir(folder.c_str(), masked.mode(0777)) != 0 && errno != EEXIST) return last_error();
  }
  return {};
}

}  // namespace

DiskDirectory::DiskDirectory(Descriptor folder, FileIdentity identity, Opening opening,
                             std::optional<mode_t> mask)
    : folder_(std::move(folder)), identity_(identity), opening_(opening), mask_(mask) {}

Result<std::unique_ptr<DiskDirectory>> DiskDirectory::adopt(Descriptor folder, Opening opening,
                                                            std::optional<mode_t> mask) {
  if (!folder) return last_error();
  const auto status = status_of_open(folder.get());
  if (!status) return status.error();
  return std::unique_ptr<DiskDirectory>(
      new DiskDirectory(std::move(folder), status->identity, opening, mask));
}

Result<std::unique_ptr<DiskDirectory>> DiskDirectory::at(const std::filesystem::path& path, bool create,
                                                         Opening opening, std::optional<mode_t> mask) {
  if (create)
    if (auto made = make_folders(path, mask); !made) return made.error();
  return adopt(Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), opening, mask);
}

Result<std::string> DiskDirectory::path() const {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(folder_.get()), error);
  if (error) return system_error(error.value());
  return path.string();
}

Result<std::unique_ptr<DiskDirectory>> DiskDirectory::parent() const {
  return adopt(Descriptor(::openat(folder_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), opening_,
               mask_);
}

Result<std::unique_ptr<Directory>> DiskDirectory::open(const std::string& name) {
  auto opened = adopt(open_folder(folder_.get(), name.c_str(), opening_), opening_, mask_);
  if (!opened) return opened.error();
  return std::unique_ptr<Directory>(std::move(*opened));
}

Result<void> DiskDirectory::make_folder(const std::string& name) {
  const FileMask masked(mask_);
  return done(::mkdirat(folder_.get(), name.c_str(), masked.mode(0777)));
}

Result<std::optional<FileStatus>> DiskDirectory::status(const std::string& name) {
  const auto status = status_at(folder_.get(), name);
  if (status) return std::optional(*status);
  if (status.error() == boost::system::errc::no_such_file_or_directory) return std::optional<FileStatus>();
  return status.error();
}

Result<std::string> DiskDirectory::link_text(const std::string& name) {
  std::array<char, 4096> text;  // no link text is longer on any file system of this system
  const ssize_t bytes = ::readlinkat(folder_.get(), name.c_str(), text.data(), text.size());
  if (bytes < 0) return last_error();
  return std::string(text.data(), static_cast<std::size_t>(bytes));
}

Result<std::unique_ptr<OldFile>> DiskDirectory::read(const std::string& name) {
  Descriptor file(::openat(folder_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return last_error();
  const auto status = status_of_open(file.get());
  if (!status) return status.error();
  if (status->kind == FileKind::folder) return system_error(EISDIR);
  if (status->kind != FileKind::file) return system_error(ENODEV);
  return std::unique_ptr<OldFile>(std::make_unique<DiskOldFile>(std::move(file)));
}

Result<std::unique_ptr<NewFile>> DiskDirectory::create(const std::string& temporary) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const FileMask masked(mask_);
  Descriptor file(::openat(folder_.get(), temporary.c_str(), flags, masked.mode(0666)));
  if (!file) return last_error();
  Descriptor folder(::fcntl(folder_.get(), F_DUPFD_CLOEXEC, 3));
  if (!folder) return last_error();
  // On a file system without locks another run at the same place could take it away: then the rename fails.
  [[maybe_unused]] const int locked = ::flock(file.get(), LOCK_EX | LOCK_NB);
  return std::unique_ptr<NewFile>(
      std::make_unique<DiskNewFile>(std::move(folder), std::move(file), temporary));
}

Result<FileStatus> DiskDirectory::put_link(const std::string& text, const std::string& temporary,
                                           const std::string& name, std::optional<Milliseconds> modified) {
  if (::symlinkat(text.c_str(), folder_.get(), temporary.c_str()) != 0) return last_error();
  if (modified) {
    const auto times = times_of(*modified);
    [[maybe_unused]] const int set =
        ::utimensat(folder_.get(), temporary.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
  }
  const auto status = status_at(folder_.get(), temporary);
  if (status && ::renameat(folder_.get(), temporary.c_str(), folder_.get(), name.c_str()) == 0) return status;
  const Error error = status ? last_error() : status.error();
  ::unlinkat(folder_.get(), temporary.c_str(), 0);
  return error;
}

Result<void> DiskDirectory::set(const std::string& name, bool executable,
                                std::optional<Milliseconds> modified) {
  const Descriptor file(
      ::openat(folder_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return last_error();
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return last_error();
  if (!S_ISREG(about.st_mode)) return system_error(ENODEV);
  const mode_t mode = mode_with(about.st_mode, executable);
  if (mode != (about.st_mode & 07777) && ::fchmod(file.get(), mode) != 0) return last_error();
  if (modified) set_time(file.get(), *modified);
  return {};
}

Result<void> DiskDirectory::remove(const std::string& name) {
  return done(::unlinkat(folder_.get(), name.c_str(), 0));
}

Result<void> DiskDirectory::remove_folder(const std::string& name) {
  return done(::unlinkat(folder_.get(), name.c_str(), AT_REMOVEDIR));
}

Result<void> DiskDirectory::remove_left_over(const std::string& temporary) {
  const auto status = status_at(folder_.get(), temporary);
  if (!status) return status.error();
  if (status->kind == FileKind::file) {
    const Descriptor file(
        ::openat(folder_.get(), temporary.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return last_error();
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return last_error();
  }
  return remove(temporary);
}

Result<std::vector<Listed>> DiskDirectory::list(const Wanted& wanted) {
  // fdopendir() takes the descriptor, and reading moves its place: so it gets one of its own.
  const int own = ::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return last_error();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own), &::closedir);
  if (!stream) {
    const Error error = last_error();
    ::close(own);
    return error;
  }
  std::vector<Listed> found;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    FileKind kind = kind_of(DTTOIF(entry->d_type));
    if (entry->d_type == DT_UNKNOWN) {
      const auto status = status_at(folder_.get(), name);
      if (!status) continue;  // gone meanwhile
      kind = status->kind;
    }
    Listed one{std::move(name), kind};
    if (wanted(one)) found.push_back(std::move(one));
  }
  if (errno != 0) return last_error();
  return found;
}

Result<Directory::Space> DiskDirectory::space() {
  struct statvfs about {};
  if (::fstatvfs(folder_.get(), &about) != 0) return last_error();
  return Space{about.f_bavail * about.f_frsize, about.f_blocks * about.f_frsize};
}

bool lies_in(const DiskDirectory& folder, const FileIdentity& other) {
  if (folder.identity() == other) return true;
  FileIdentity before = folder.identity();
  for (auto parent = folder.parent(); parent; parent = (*parent)->parent()) {
    const FileIdentity here = (*parent)->identity();
    if (here == other) return true;
    if (here == before) return false;  // the top
    before = here;
  }
  return false;  // what lies above cannot be looked at
}

}  // namespace sheaf::peer_node::files
