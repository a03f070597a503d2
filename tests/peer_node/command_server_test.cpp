#include "engine/peer_node/command_server.hpp"

#include <csignal>
#include <sys/socket.h>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "engine/peer_node/visitor.hpp"
#include "sheaf/net/asio_timers.hpp"
#include "tests/peer_node/support.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;
using How = Visit::How;

// Runs what it is told by the first argument, on the descriptors it is given.
class EchoHost final : public CommandHost {
 public:
  Answer consider(const Handover& handover) override {
    if (handover.arguments.at(0) == "decline") return Answer::decline;
    return handover.arguments.at(0) == "last" ? Answer::run_while : Answer::run;
  }

  asio::awaitable<int> run(Handover handover, StandardDescriptors descriptors, const Stop& stop) override {
    ++begun;
    began.notify();
    Io io(std::move(descriptors), handover.around);
    const std::string what = handover.arguments.at(0);
    if (what == "copy") {
      std::byte part[256];
      const auto got = co_await io.read(part);
      const auto written = co_await io.write(Bytes(part).first(got ? *got : 0));
      co_await io.say("copied");
      co_return written ? 7 : 141;
    }
    if (what == "where") {
      [[maybe_unused]] const auto printed = co_await io.print(io.around().resolve("file").string());
      co_return 0;
    }
    Signal never;
    [[maybe_unused]] const auto cancelled = co_await never.wait();
    ended_for = stop.why;
    co_return stop.why == Stop::Why::signal ? 128 + stop.number : 1;
  }

  int begun = 0;
  Signal began;
  Stop::Why ended_for = Stop::Why::none;
};

struct World {
  asio::io_context loop;
  AsioTimers timers;
  test::TemporaryFolder folder;
  std::filesystem::path held = folder.path();
  EchoHost host;
  CommandServer server{loop.get_executor(), timers, host};
  Interrupts interrupts;
  test::Pipe in, out, err;

  Handover handover(const std::string& what) {
    Handover handover;
    handover.arguments = {what};
    handover.around = test::plain_surroundings();
    return handover;
  }

  asio::awaitable<Visit> visit(std::string what) {
    const Handover command = handover(what);
    const std::array<int, 3> descriptors{in.read.get(), out.write.get(), err.write.get()};
    co_return co_await visit_holder(held, command, descriptors, timers, interrupts);
  }

  void run(asio::awaitable<void> story) { test::run(loop, std::move(story)); }
};

asio::awaitable<void> visit_into(World& world, std::string what, Visit& visit) {
  visit = co_await world.visit(what);
}

asio::awaitable<void> until_begun(World& world) {
  while (world.host.begun == 0) [[maybe_unused]] const auto waited = co_await world.host.began.wait();
}

TEST_CASE("a command handed over runs on the visitor's descriptors, and its code comes back") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  REQUIRE(::write(world.in.write.get(), "hello", 5) == 5);
  const auto story = [&]() -> asio::awaitable<void> {
    const Visit visit = co_await world.visit("copy");
    CHECK(visit.how == How::done);
    CHECK(visit.code == 7);
    CHECK(visit.pid == ::getpid());
    co_await world.server.finish(true);
  };
  world.run(story());
  CHECK(world.out.drain() == "hello");
  CHECK(world.err.drain() == "copied\n");
}

TEST_CASE("the command sees the visitor's working folder") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  const auto story = [&]() -> asio::awaitable<void> {
    const Visit visit = co_await world.visit("where");
    CHECK(visit.how == How::done);
    co_await world.server.finish(true);
  };
  world.run(story());
  CHECK(world.out.drain() == "/somewhere/file\n");
}

TEST_CASE("the socket is open to its user alone, and gone at the end") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  struct stat about {};
  REQUIRE(::lstat((world.held / control_name).c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0600);
  CHECK(S_ISSOCK(about.st_mode));
  const auto story = [&]() -> asio::awaitable<void> { co_await world.server.finish(true); };
  world.run(story());
  CHECK(::lstat((world.held / control_name).c_str(), &about) != 0);
}

TEST_CASE("a folder whose path is longer than a socket's name works as any other") {
  World world;
  for (int level = 0; level < 4; ++level) world.held /= std::string(100, 'd');
  std::filesystem::create_directories(world.held);
  REQUIRE(world.server.start(world.held).has_value());
  const auto story = [&]() -> asio::awaitable<void> {
    const Visit visit = co_await world.visit("where");
    CHECK(visit.how == How::done);
    co_await world.server.finish(true);
  };
  world.run(story());
}

TEST_CASE("nobody is at home in a folder without a socket, nor behind a dead process's socket") {
  World world;
  const auto story = [&]() -> asio::awaitable<void> {
    Visit visit = co_await world.visit("where");
    CHECK(visit.how == How::nobody);
    { const auto dead = listen_at_control(world.held); }
    REQUIRE(std::filesystem::exists(world.held / control_name));
    visit = co_await world.visit("where");
    CHECK(visit.how == How::nobody);
    // The next holder simply takes its place.
    CHECK(world.server.start(world.held).has_value());
    visit = co_await world.visit("where");
    CHECK(visit.how == How::done);
    co_await world.server.finish(true);
  };
  world.run(story());
}

TEST_CASE("a holder that never answers is given up after its time, and named") {
  World world;
  const auto mute = listen_at_control(world.held);
  REQUIRE(mute.has_value());
  const auto story = [&]() -> asio::awaitable<void> {
    const Instant begun = world.timers.now();
    const Visit visit = co_await world.visit("where");
    CHECK(visit.how == How::silent);
    CHECK(visit.pid == ::getpid());
    CHECK(world.timers.now() - begun >= holder_patience);
  };
  world.run(story());
}

TEST_CASE("a signal of the visitor's ends the command in the holder, and the code comes back") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  const auto story = [&]() -> asio::awaitable<void> {
    Tasks tasks(world.loop.get_executor());
    Visit visit;
    tasks.start(visit_into(world, "wait", visit));
    co_await until_begun(world);
    world.interrupts.number = SIGINT;
    world.interrupts.arrived.notify();
    co_await tasks.join();
    CHECK(visit.how == How::done);
    CHECK(visit.code == 130);
    CHECK(world.host.ended_for == Stop::Why::signal);
    co_await world.server.finish(true);
  };
  world.run(story());
}

TEST_CASE("a visitor that goes away takes its command with it") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  const auto story = [&]() -> asio::awaitable<void> {
    Tasks tasks(world.loop.get_executor());
    Visit visit;
    tasks.start(visit_into(world, "wait", visit));
    co_await until_begun(world);
    tasks.cancel();
    co_await tasks.join();
    co_await world.server.finish(true);
    CHECK(world.host.ended_for == Stop::Why::gone);
  };
  world.run(story());
}

TEST_CASE("a holder that ends releases what can be begun again, and waits for the rest") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  const auto story = [&]() -> asio::awaitable<void> {
    Tasks tasks(world.loop.get_executor());
    Visit last;
    Visit copy;
    tasks.start(visit_into(world, "last", last));
    co_await until_begun(world);
    world.host.begun = 0;
    tasks.start(visit_into(world, "copy", copy));
    co_await until_begun(world);
    Tasks finishing(world.loop.get_executor());
    finishing.start(world.server.finish(true));
    co_await tasks.wait_for_an_end(0);
    CHECK(last.how == How::released);
    CHECK(world.host.ended_for == Stop::Why::released);
    CHECK(finishing.running() == 1);
    CHECK(::write(world.in.write.get(), "x", 1) == 1);
    co_await finishing.join();
    co_await tasks.join();
    CHECK(copy.how == How::done);
    CHECK(copy.code == 7);
  };
  world.run(story());
}

TEST_CASE("a holder at a short work of its own declines what would last") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  const auto story = [&]() -> asio::awaitable<void> {
    const Visit visit = co_await world.visit("decline");
    CHECK(visit.how == How::declined);
    CHECK(world.host.begun == 0);
    co_await world.server.finish(true);
  };
  world.run(story());
}

// Sends bytes as they are, with so many descriptors, and tells whether the server closed the connection
// without running anything.
asio::awaitable<bool> is_refused(World& world, Buffer bytes, std::size_t descriptors) {
  auto socket = connect_to_control(world.held);
  REQUIRE(socket.has_value());
  ControlChannel channel(world.loop.get_executor(), std::move(*socket));
  const int number = world.err.write.get();
  const std::vector<int> numbers(descriptors, number);
  [[maybe_unused]] const auto sent = co_await channel.send(bytes, numbers);
  std::byte answer[1];
  const auto received = co_await within(world.timers, std::chrono::seconds(2), channel.receive(answer));
  co_return received.has_error() && received.error() != make_error_code(NetErrc::timed_out) &&
      world.host.begun == 0;
}

TEST_CASE("a malformed handover is refused, whatever is wrong with it") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  const Buffer good = encode_handover(world.handover("where")).value();
  const auto story = [&]() -> asio::awaitable<void> {
    bool refused = co_await is_refused(world, good, 0);
    CHECK(refused);
    refused = co_await is_refused(world, good, 2);
    CHECK(refused);
    refused = co_await is_refused(world, good, 4);
    CHECK(refused);
    Buffer bad = good;
    bad[0] = std::byte{'X'};
    refused = co_await is_refused(world, bad, 3);
    CHECK(refused);
    bad = good;
    bad[11] = std::byte{0x7f};
    refused = co_await is_refused(world, bad, 3);
    CHECK(refused);
    bad = good;
    bad[handover_head_bytes + 4] = std::byte{0xff};
    refused = co_await is_refused(world, bad, 3);
    CHECK(refused);
    // And the server goes on.
    const Visit visit = co_await world.visit("where");
    CHECK(visit.how == How::done);
    co_await world.server.finish(true);
  };
  world.run(story());
}

TEST_CASE("descriptors that come with a refused handover are closed again") {
  World world;
  REQUIRE(world.server.start(world.held).has_value());
  const auto open_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const Buffer good = encode_handover(world.handover("where")).value();
  const auto story = [&]() -> asio::awaitable<void> {
    bool refused = co_await is_refused(world, good, 4);
    const auto before = open_descriptors();
    for (int round = 0; round < 20; ++round) refused = co_await is_refused(world, good, 4) && refused;
    CHECK(refused);
    CHECK(open_descriptors() <= before);
    co_await world.server.finish(true);
  };
  world.run(story());
}

}  // namespace
}  // namespace sheaf::peer_node
