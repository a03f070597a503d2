// A peer in ten lines: follows a core, fetches all of it from one address, and ends.
// usage: ten_line_peer FOLDER KEY ADDRESS
#include <cstdio>
#include <sheaf/engine/node.hpp>
#include <sheaf/protocol/key_text.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

boost::asio::awaitable<void> run(char** words, const sheaf::Environment& environment) {
  auto node = (co_await sheaf::Node::open(words[1], true, environment)).value();
  auto core = (co_await node->follow(sheaf::key_from_text<sheaf::CoreKey>(words[2]).value())).value();
  auto ended = co_await node->connect(sheaf::parse_address(words[3]).value(), sheaf::Until::complete);
  auto info = (co_await core.info()).value();
  std::printf("%s, %llu blocks\n", ended ? "complete" : ended.error().message().c_str(),
              static_cast<unsigned long long>(info.local.value));
  co_await node->close();
}

int main(int count, char** words) {
  if (count != 4) return 2;
  boost::asio::io_context io;
  const sheaf::SystemEnvironment environment(io.get_executor());
  boost::asio::co_spawn(io, run(words, environment.get()), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
}
