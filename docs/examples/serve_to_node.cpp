// Writes a core and serves it, over TCP and over WebSocket, to whoever knows its key, such as a Node.js
// Hypercore; ends once stdin does.
// usage: serve_to_node FOLDER LINE...
#include <cstdio>
#include <sheaf/engine/node.hpp>
#include <sheaf/protocol/key_text.hpp>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

using boost::asio::awaitable;

awaitable<void> until_input_ends() {
  boost::asio::posix::stream_descriptor input(co_await boost::asio::this_coro::executor, ::dup(0));
  char byte = 0;
  for (;;) {
    const auto buffer = boost::asio::buffer(&byte, 1);
    const auto [error, bytes] =
        co_await input.async_read_some(buffer, boost::asio::as_tuple(boost::asio::use_awaitable));
    if (error) co_return;
  }
}

awaitable<void> run(int count, char** words, const sheaf::Environment& environment) {
  auto opened = co_await sheaf::Node::open(words[1], true, environment);
  auto node = std::move(opened).value();
  auto core = (co_await node->create_core("lines")).value();
  for (int i = 2; i < count; ++i) {
    const auto line = sheaf::as_bytes(words[i]);
    const auto appended = co_await core.append({&line, 1});
    appended.value();
  }
  std::printf("key %s\n", to_string(core.key()).c_str());
  for (const char* where : {"tcp://127.0.0.1:0", "ws://127.0.0.1:0"}) {
    const auto address = sheaf::parse_address(where).value();
    const auto taken = co_await node->listen(address);
    std::printf("listening %s\n", to_string(taken.value()).c_str());
  }
  std::fflush(stdout);
  co_await until_input_ends();
  co_await node->close();
}

int main(int count, char** words) {
  if (count < 2) return 2;
  boost::asio::io_context io;
  const sheaf::SystemEnvironment environment(io.get_executor());
  boost::asio::co_spawn(io, run(count, words, environment.get()), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
}
