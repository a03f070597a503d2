// A tree of keys on a core: puts some, changes them in one append, and shows what is there and what was.
// usage: tree_of_keys FOLDER
#include <cstdio>
#include <sheaf/engine/bee.hpp>
#include <sheaf/engine/node.hpp>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

using boost::asio::awaitable;

sheaf::Buffer bytes(const char* text) { return sheaf::to_buffer(sheaf::as_bytes(text)); }

awaitable<void> show(const char* when, sheaf::Bee bee) {
  sheaf::Bee::Range everything;
  auto entries = (co_await bee.range(everything)).value();
  while (auto entry = (co_await entries.next()).value()) {
    const std::string key(sheaf::as_text(entry->key)), value(sheaf::as_text(*entry->value));
    std::printf("%s: %s is %s\n", when, key.c_str(), value.c_str());
  }
}

awaitable<void> run(const char* folder, const sheaf::Environment& environment) {
  auto node = (co_await sheaf::Node::open(folder, true, environment)).value();
  auto core = (co_await node->create_core("tree")).value();
  auto bee = (co_await node->bee(core.key())).value();
  (co_await bee.put(bytes("apple"), bytes("red"))).value();
  const auto before = (co_await bee.put(bytes("lemon"), bytes("green"))).value();

  auto batch = bee.batch();
  (co_await batch.put(bytes("lemon"), bytes("yellow"))).value();
  (co_await batch.del(bytes("apple"))).value();
  (co_await batch.flush()).value();  // both or neither

  co_await show("then", bee.checkout(before));
  co_await show("now", bee.checkout((co_await bee.version()).value()));
  co_await node->close();
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
