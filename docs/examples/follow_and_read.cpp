// Follows a core live and prints each block as it arrives, as many as asked for.
// usage: follow_and_read FOLDER KEY ADDRESS BLOCKS
#include <cstdio>
#include <cstdlib>
#include <sheaf/engine/node.hpp>
#include <sheaf/protocol/key_text.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

using boost::asio::awaitable;

// Dials again whenever the connection is lost, until the node closes.
awaitable<void> stay_connected(sheaf::Node& node, sheaf::Address peer) {
  co_await node.connect(peer, sheaf::Until::closed);
}

awaitable<void> run(char** words, const sheaf::Environment& environment) {
  auto opened = co_await sheaf::Node::open(words[1], true, environment);
  auto node = std::move(opened).value();
  const auto key = sheaf::key_from_text<sheaf::CoreKey>(words[2]).value();
  const auto peer = sheaf::parse_address(words[3]).value();
  auto core = (co_await node->follow(key)).value();
  boost::asio::co_spawn(environment.executor, stay_connected(*node, peer), boost::asio::detached);

  const auto blocks = std::strtoull(words[4], nullptr, 10);
  for (std::uint64_t index = 0; index < blocks; ++index) {
    const auto block = co_await core.get({index}, sheaf::Core::From::future);  // waits until it is written
    if (!block) {
      std::fprintf(stderr, "block %llu: %s\n", static_cast<unsigned long long>(index),
                   block.error().message().c_str());
      break;
    }
    std::fwrite(block->data(), 1, block->size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
  }
  co_await node->close();
}

int main(int count, char** words) {
  if (count != 5) return 2;
  boost::asio::io_context io;
  const sheaf::SystemEnvironment environment(io.get_executor());
  boost::asio::co_spawn(io, run(words, environment.get()), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
}
