// Writes a core by the public interface until it is killed, and says each thing that was acknowledged.
//
// usage: crash_writer FOLDER SEED append|truncate
// stdout: "LENGTH FORK" once the core "log" is open, then once more for each step of the script that was
// done.
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "sheaf/engine/node.hpp"
#include "tests/crash_writer/script.hpp"

namespace {

using namespace sheaf;

// One write a line: the line was either said or not.
bool say(Length length, Fork fork) {
  char line[64];
  const int size =
      std::snprintf(line, sizeof line, "%llu %llu\n", static_cast<unsigned long long>(length.value),
                    static_cast<unsigned long long>(fork.value));
  return ::write(STDOUT_FILENO, line, static_cast<std::size_t>(size)) == size;
}

boost::asio::awaitable<Result<Length>> play(Core& core, const test::WriterStep& step) {
  const auto safety = step.synced ? Core::Safety::machine : Core::Safety::process;
  if (step.truncate) {
    const auto truncated = co_await core.truncate(Length{step.length}, std::nullopt, safety);
    if (!truncated) co_return truncated.error();
    co_return Length{step.length};
  }
  const std::vector<Bytes> blocks(step.blocks.begin(), step.blocks.end());
  co_return co_await core.append(std::span<const Bytes>(blocks), safety);
}

boost::asio::awaitable<Result<void>> write_on(Node& node, test::WriterScript script) {
  auto core = co_await node.create_core("log");
  if (!core) co_return core.error();
  for (;;) {
    const auto info = co_await core->info();
    if (!info) co_return info.error();
    if (!say(info->length, info->fork)) co_return Result<void>{};
    const auto done = co_await play(*core, script.next(info->length.value));
    if (!done) co_return done.error();
  }
}

boost::asio::awaitable<void> run(const Environment& environment, const char* folder,
                                 test::WriterScript script) {
  auto node = co_await Node::open(folder, true, environment);
  if (!node) {
    std::fprintf(stderr, "open: %s\n", node.error().message().c_str());
    co_return;
  }
  const auto written = co_await write_on(**node, std::move(script));
  if (!written) std::fprintf(stderr, "write: %s\n", written.error().message().c_str());
  co_await (*node)->close();
}

}  // namespace

int main(int count, char** texts) {
  if (count != 4) return 2;
  const sheaf::test::WriterScript script(std::strtoull(texts[2], nullptr, 10),
                                         std::string_view(texts[3]) == "truncate");
  boost::asio::io_context loop(1);
  sheaf::SystemEnvironment environment(loop.get_executor());
  boost::asio::co_spawn(loop, run(environment.get(), texts[1], script), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  loop.run();
  return 1;  // it goes on until it is killed
}
