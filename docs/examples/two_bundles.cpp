// Two bundles in one program: each writes a file of its own, they meet over TCP, and each lists and reads
// both. usage: two_bundles FOLDER
#include <cstdio>
#include <filesystem>
#include <sheaf/engine/bundle.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

using boost::asio::awaitable;
using sheaf::Bundle;

awaitable<void> write(Bundle& bundle, const char* name, const char* text) {
  auto file = (co_await bundle.write(name)).value();
  (co_await file.append(sheaf::as_bytes(text))).value();
  (co_await file.finish(sheaf::Core::Safety::machine)).value();  // from here on it is there, whole
}

awaitable<void> list(const char* who, Bundle& bundle) {
  auto entries = (co_await bundle.list()).value();
  while (auto entry = (co_await entries.next()).value()) {
    auto file = (co_await bundle.read(entry->name, entry->link)).value();
    const sheaf::Buffer part = (co_await file.next()).value();
    const std::string text(sheaf::as_text(part));
    std::printf("%s has %s: %s\n", who, entry->name.c_str(), text.c_str());
  }
}

awaitable<void> run(std::filesystem::path folder, const sheaf::Environment& environment) {
  auto ann = (co_await Bundle::open(folder / "ann", true, environment)).value();
  auto ben = (co_await Bundle::open(folder / "ben", true, environment)).value();
  co_await write(*ann, "hello.txt", "hello");
  co_await write(*ben, "cool.txt", "cool");

  const auto anywhere = sheaf::parse_address("tcp://127.0.0.1:0").value();
  const auto address = (co_await ann->node().listen(anywhere)).value();
  (co_await ben->node().connect(address, sheaf::Until::complete)).value();  // ends when each has everything

  co_await list("ann", *ann);
  co_await list("ben", *ben);
  co_await ben->close();
  co_await ann->close();
}

int main(int count, char** words) {
  if (count != 2) return 2;
  boost::asio::io_context io;
  const sheaf::SystemEnvironment environment(io.get_executor());
  boost::asio::co_spawn(io, run(words[1], environment.get()), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
}
