#include "engine/peer_node/io.hpp"

#include <doctest/doctest.h>

#include "engine/peer_node/commands/line_splitter.hpp"
#include "engine/peer_node/tasks.hpp"
#include "sheaf/net/asio_timers.hpp"
#include "sheaf/net/error.hpp"
#include "tests/peer_node/support.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
using test::Pipe;

struct Ends {
  Pipe in;
  Pipe out;
  Pipe err;
  StandardDescriptors take() {
    return {std::move(in.read), Descriptor(::dup(out.write.get())), Descriptor(::dup(err.write.get()))};
  }
};

void feed(Pipe& pipe, std::string_view text) {
  REQUIRE(::write(pipe.write.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

TEST_CASE("input arrives as it comes, and ends") {
  asio::io_context loop;
  Ends ends;
  Io io(ends.take(), test::plain_surroundings());
  feed(ends.in, "hello");
  { const Descriptor closing = std::move(ends.in.write); }
  const auto story = [&]() -> asio::awaitable<void> {
    std::byte part[64];
    auto got = co_await io.read(part);
    CHECK(as_text(Bytes(part).first(got.value())) == "hello");
    got = co_await io.read(part);
    CHECK(got.value() == 0);
  };
  test::run(loop, story());
}

TEST_CASE("output and errors go where they belong, whole") {
  asio::io_context loop;
  Ends ends;
  {
    Io io(ends.take(), test::plain_surroundings());
    const auto story = [&]() -> asio::awaitable<void> {
      const auto printed = co_await io.print(std::string(20'000, 'x'));
      CHECK(printed.has_value());
      co_await io.say("oh");
    };
    test::run(loop, story());
  }
  CHECK(ends.out.drain() == std::string(20'000, 'x') + "\n");
  CHECK(ends.err.drain() == "oh\n");
}

TEST_CASE("writing to nobody is a broken pipe") {
  ::signal(SIGPIPE, SIG_IGN);
  asio::io_context loop;
  Ends ends;
  Io io(ends.take(), test::plain_surroundings());
  { const Descriptor closing = std::move(ends.out.read); }
  const auto story = [&]() -> asio::awaitable<void> {
    const auto printed = co_await io.print("anyone?");
    CHECK(printed.error() == boost::system::errc::broken_pipe);
  };
  test::run(loop, story());
}

TEST_CASE("a read that waits ends when it is cancelled, and the next one is not disturbed") {
  asio::io_context loop;
  AsioTimers timers;
  Ends ends;
  Io io(ends.take(), test::plain_surroundings());
  const auto story = [&]() -> asio::awaitable<void> {
    std::byte part[64];
    const auto late = co_await within(timers, std::chrono::milliseconds(5), io.read(part));
    CHECK(late.error() == make_error_code(NetErrc::timed_out));
    feed(ends.in, "now");
    const auto got = co_await within(timers, std::chrono::seconds(5), io.read(part));
    CHECK(as_text(Bytes(part).first(got.value())) == "now");
  };
  test::run(loop, story());
}

TEST_CASE("a write to a full pipe that nobody reads ends when it is cancelled") {
  asio::io_context loop;
  AsioTimers timers;
  Ends ends;
  Io io(ends.take(), test::plain_surroundings());
  const Buffer much(1024 * 1024);
  const auto story = [&]() -> asio::awaitable<void> {
    const auto late = co_await within(timers, std::chrono::milliseconds(5), io.write(much));
    CHECK(late.error() == make_error_code(NetErrc::timed_out));
  };
  test::run(loop, story());
}

std::vector<std::string> split(const std::vector<std::string>& parts, std::size_t most) {
  LineSplitter splitter(most);
  std::vector<Buffer> lines;
  for (const auto& part : parts)
    if (!splitter.feed(as_bytes(part), lines)) return {"too long"};
  splitter.finish(lines);
  std::vector<std::string> texts;
  for (const auto& line : lines) texts.emplace_back(as_text(line));
  return texts;
}

TEST_CASE("a block a line: without newlines, empty ones too, the last one even if it is not finished") {
  using Lines = std::vector<std::string>;
  CHECK(split({"a\nb\n"}, 10) == Lines{"a", "b"});
  CHECK(split({"a", "b\n\n", "", "c"}, 10) == Lines{"ab", "", "c"});
  CHECK(split({""}, 10).empty());
  CHECK(split({"\n"}, 10) == Lines{""});
  CHECK(split({"a\r\n"}, 10) == Lines{"a\r"});
  CHECK(split({"1234567890\n"}, 10) == Lines{"1234567890"});
  CHECK(split({"123456", "78901\n"}, 10) == Lines{"too long"});
}

}  // namespace
}  // namespace sheaf::peer_node
