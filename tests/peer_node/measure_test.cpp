#include "engine/peer_node/bench/measure.hpp"

#include <unistd.h>

#include <doctest/doctest.h>

#include "engine/peer_node/bench/memory_stream.hpp"
#include "engine/peer_node/commands/serve_commands.hpp"
#include "engine/peer_node/tasks.hpp"
#include "tests/peer_node/support.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

TEST_CASE("percentiles are taken over all samples") {
  std::vector<double> samples;
  for (int i = 1; i <= 100; ++i) samples.push_back(i);
  CHECK(percentile(samples, 0) == 1);
  CHECK(percentile(samples, 0.5) == 51);
  CHECK(percentile(samples, 0.99) == 100);
  CHECK(percentile(samples, 1) == 100);
  CHECK(percentile({7}, 0.99) == 7);
  CHECK(percentile({}, 0.5) == 0);
}

TEST_CASE("a process can be asked for its processor time and its peak of memory") {
  CHECK(cpu_s_of(::getpid()) >= 0);
  CHECK(peak_bytes_of(::getpid()) > 1024 * 1024);
  CHECK(cpu_s_of(0) == 0);
  CHECK(peak_bytes_of(0) == 0);
}

asio::awaitable<void> write_much(ByteStream& stream, std::size_t bytes) {
  Buffer block(bytes);
  for (std::size_t i = 0; i < bytes; ++i) block[i] = static_cast<std::byte>(i * 7);
  const auto written = co_await write_all(stream, block);
  CHECK(written.has_value());
  stream.end();
}

TEST_CASE("what is written into one end of a stream in memory comes out of the other") {
  asio::io_context loop;
  const auto story = [&]() -> asio::awaitable<void> {
    constexpr std::size_t bytes = 3'000'000;  // more than the stream holds at once
    auto streams = make_memory_streams();
    Tasks tasks(loop.get_executor());
    tasks.start(write_much(*streams.first, bytes));
    Buffer got(bytes);
    const auto read = co_await read_all(*streams.second, got);
    CHECK(read.has_value());
    bool same = true;
    for (std::size_t i = 0; i < bytes; ++i) same = same && got[i] == static_cast<std::byte>(i * 7);
    CHECK(same);
    std::byte more[1];
    const auto end = co_await read_some(*streams.second, more);
    CHECK(end.value() == 0);
    co_await tasks.join();
    streams.second.reset();
    CHECK(streams.first->try_read(more).has_value());
  };
  test::run(loop, story());
}

TEST_CASE("only addresses of this machine are loopback") {
  const auto loopback = [](const char* text) { return is_loopback(parse_address(text).value()); };
  CHECK(loopback("tcp://127.0.0.1:1"));
  CHECK(loopback("tcp://127.9.9.9:1"));
  CHECK(loopback("tcp://[::1]:1"));
  CHECK(loopback("tcp://localhost:1"));
  CHECK(!loopback("tcp://0.0.0.0:1"));
  CHECK(!loopback("tcp://[::]:1"));
  CHECK(!loopback("tcp://192.0.2.7:1"));
  CHECK(!loopback("tcp://example.org:1"));
}

}  // namespace
}  // namespace sheaf::peer_node
