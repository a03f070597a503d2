#include "engine/peer_node/folder.hpp"

#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>

#include <doctest/doctest.h>

#include "tests/peer_node/support.hpp"

namespace sheaf::peer_node {
namespace {

TEST_CASE("secrets that others could read are named, with the way to mend it") {
  const test::TemporaryFolder folder;
  CHECK(exposed_secrets(folder.path()).empty());
  std::filesystem::create_directory(folder.path() / "root");
  std::ofstream(folder.path() / "keys") << "secret";
  ::chmod((folder.path() / "root").c_str(), 0700);
  ::chmod((folder.path() / "keys").c_str(), 0600);
  CHECK(exposed_secrets(folder.path()).empty());
  ::chmod((folder.path() / "keys").c_str(), 0640);
  CHECK(exposed_secrets(folder.path()) ==
        (folder.path() / "keys").string() + " is open to others: chmod 600 it");
  ::chmod((folder.path() / "root").c_str(), 0755);
  CHECK(exposed_secrets(folder.path()) ==
        (folder.path() / "root").string() + " is open to others: chmod 700 it");
}

TEST_CASE("the process that holds a folder's lock is told by the kernel, and forgotten with it") {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "root");
  const std::string file = (folder.path() / "root/LOCK").string();
  std::ofstream(file) << "";
  CHECK(pid_of_holder(folder.path()) == 0);

  test::Pipe locked;
  test::Pipe done;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int number = ::open(file.c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    char byte = ::fcntl(number, F_SETLK, &lock) == 0 ? 'y' : 'n';
    if (::write(locked.write.get(), &byte, 1) == 1 && ::close(done.write.release()) == 0)
      while (::read(done.read.get(), &byte, 1) > 0) continue;
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(locked.read.get(), &byte, 1) == 1);
  REQUIRE(byte == 'y');
  CHECK(pid_of_holder(folder.path()) == child);
  { const Descriptor closing = std::move(done.write); }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(pid_of_holder(folder.path()) == 0);
}

}  // namespace
}  // namespace sheaf::peer_node
